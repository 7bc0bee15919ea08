"""HTTP in: batches with their uploads, resumable uploads, documents. What each is for stands in its module."""

from __future__ import annotations

from fastapi import APIRouter

from services.ingest.api import batches, documents, following, resumable, usage, webhooks

router = APIRouter(prefix="/v1")
for part in (batches, following, documents, resumable, usage, webhooks):
    router.include_router(part.router)
