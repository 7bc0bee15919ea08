"""What the workspace holds, and the most it may hold."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends

from services.ingest.settings import settings
from services.ingest.tables import quotas
from shared.access import Caller
from shared.desk import Desk
from shared.http import desk, reader

router = APIRouter(prefix="/usage", tags=["ingest"])


@router.get("")
def usage(caller: Caller = Depends(reader), desk: Desk = Depends(desk)) -> dict[str, Any]:
    """Bytes of originals, documents, and documents still in work: `used`, and `limit` or null."""
    with desk.engine.connect() as connection:
        held = quotas.usage(connection, caller.workspace)
    limits = settings().quota._asdict()
    return {name: {"used": used, "limit": limits[name]} for name, used in held._asdict().items()}
