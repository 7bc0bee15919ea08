"""HTTP in: search, and questions in OpenAI's form. Each module beside this is one of them."""

from __future__ import annotations

from fastapi import APIRouter

from services.chat.api import completions, passages

router = APIRouter(prefix="/v1")
for part in (passages, completions):
    router.include_router(part.router)
