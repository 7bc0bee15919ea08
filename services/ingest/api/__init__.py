"""HTTP in: batches with their uploads, and documents. Each module beside this is one of them."""

from __future__ import annotations

from fastapi import APIRouter

from services.ingest.api import batches, documents

router = APIRouter(prefix="/v1")
for part in (batches, documents):
    router.include_router(part.router)
