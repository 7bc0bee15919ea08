"""The HTTP routes of classify."""

from __future__ import annotations

from fastapi import APIRouter

from services.classify.api import advice, taxonomy

router = APIRouter(prefix="/v1", tags=["classify"])
router.include_router(taxonomy.router)
router.include_router(advice.router)
