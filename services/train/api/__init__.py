"""The HTTP routes of train."""

from __future__ import annotations

from fastapi import APIRouter

from services.train.api import following, runs

router = APIRouter(prefix="/v1", tags=["train"])
# Before the runs: /runs/metrics is no run.
router.include_router(following.router)
router.include_router(runs.router)
