"""The HTTP routes of train."""

from __future__ import annotations

from fastapi import APIRouter

from services.train.api import comparing, following, records, runs

router = APIRouter(prefix="/v1", tags=["train"])
router.include_router(comparing.router)
# Before the runs: /runs/metrics is no run.
router.include_router(following.router)
router.include_router(runs.router)
router.include_router(records.router)
