"""`/v1/me`, `/v1/keys`, `/v1/audit`: who may use the workspace, and what was done in it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, StringConstraints
from sqlalchemy import text

from shared import access
from shared.access import Caller, Role
from shared.desk import Desk
from shared.errors import Refused
from shared.http import admin, desk, reader

router = APIRouter(prefix="/v1", tags=["review"])


class NewKey(BaseModel):
    """A key to make: `name` says who or what will use it."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
    role: Role


@router.get("/me")
def me(caller: Caller = Depends(reader)) -> dict[str, str]:
    """Who is asking."""
    return {"key": caller.key, "workspace": caller.workspace, "name": caller.name, "role": caller.role}


@router.get("/keys")
def listed(caller: Caller = Depends(admin), desk: Desk = Depends(desk)) -> dict[str, Any]:
    """The API keys of the workspace, without their secrets."""
    with desk.engine.connect() as connection:
        rows = access.keys(connection, caller.workspace)
    return {"items": [dict(row._mapping) for row in rows], "next_cursor": None}


@router.post("/keys", status_code=201)
def make(new: NewKey, caller: Caller = Depends(admin), desk: Desk = Depends(desk)) -> dict[str, Any]:
    """Make a key. The answer is the only place where it is ever shown."""
    with desk.transaction() as transaction:
        identity, key = access.issue(transaction, caller.workspace, new.name, new.role, by=caller.name)
        access.record(transaction, caller.workspace, caller.name, "key.make", identity, name=new.name, role=new.role)
    return {"id": identity, "name": new.name, "role": new.role, "key": key}


@router.delete("/keys/{key}", status_code=204)
def revoke(key: str, caller: Caller = Depends(admin), desk: Desk = Depends(desk)) -> Response:
    """Make a key invalid from now on."""
    with desk.transaction() as transaction:
        access.revoke(transaction, caller.workspace, key)
        access.record(transaction, caller.workspace, caller.name, "key.revoke", key)
    return Response(status_code=204)


@router.get("/audit")
def audit(
    cursor: str | None = None,
    limit: int = Query(50, ge=1, le=200),
    caller: Caller = Depends(admin),
    desk: Desk = Depends(desk),
) -> dict[str, Any]:
    """The audit log, newest first. `first_broken` (on the first page) is the first entry that was tampered with."""
    if cursor is not None and not cursor.isdecimal():
        raise Refused(f"{cursor!r} is no cursor of this list.", action="Send next_cursor as it was given.")
    with desk.engine.connect() as connection:
        wanted = {"workspace": caller.workspace, "before": cursor, "limit": limit + 1}
        rows = connection.execute(_AUDIT, wanted).all()
        broken = access.first_broken_entry(connection, caller.workspace) if cursor is None else None
    return {
        "items": [dict(row._mapping) for row in rows[:limit]],
        "next_cursor": str(rows[limit - 1].id) if len(rows) > limit else None,
        "first_broken": broken,
    }


_AUDIT = text(
    "SELECT id, at, actor, action, subject, detail FROM ledger.audit WHERE workspace_id = :workspace"
    " AND (CAST(:before AS bigint) IS NULL OR id < CAST(:before AS bigint)) ORDER BY id DESC LIMIT :limit"
)
