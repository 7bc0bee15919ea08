"""HTTP in: reviews, labels, quality, keys, audit, and the pages. Each module beside this is one of them."""

from __future__ import annotations

from fastapi import APIRouter

from services.review.api import keys, labels, pages, quality, reviews

router = APIRouter()
for part in (reviews, labels, quality, keys, pages):
    router.include_router(part.router)
