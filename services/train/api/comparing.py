"""HTTP in: a version beside the one that was in use when it was learned."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends

from services.train.comparing import side_by_side
from services.train.gate import pairs_from
from shared import registry
from shared.access import Caller
from shared.desk import Desk
from shared.errors import NotFound
from shared.http import desk, reader
from shared.registry import Role

router = APIRouter()


@router.get("/registry/{role}/versions/{version}/comparison")
def comparison(
    role: Role, version: str, caller: Caller = Depends(reader), desk: Desk = Depends(desk)
) -> dict[str, Any]:
    """What a version answered on held-out labels beside what was in use when it was learned.

    `compared_with` is null where nothing learned was in use: then `before` is what the built-in engine said.
    """
    with desk.engine.connect() as connection:
        found = registry.find(connection, caller.workspace, role, version)
    key = found.metrics.get("comparison_key")
    if key is None:
        raise NotFound(
            f"Version {version} was not compared with another.",
            action="Versions are compared on labels that nothing learned from: label more documents, then learn again.",
        )
    pairs = pairs_from(desk.store.get(key))
    return {"version": version, "compared_with": found.metrics.get("compared_with"), **side_by_side(pairs)}
