"""Batches: make, fill, finalize, cancel, retry, list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from services.ingest.api import failpoints
from services.ingest.api.receiving import Received, admitted, hashing, keeping, received, room_bytes
from services.ingest.api.repeating import AnsweredMeanwhile, answered, key_of, remember
from services.ingest.tables import batches
from shared import access, ledger, queues
from shared.access import Caller
from shared.desk import Desk
from shared.http import desk, reader, reviewer
from shared.jobs import Read

router = APIRouter(prefix="/batches", tags=["ingest"])

_LONGEST_NAME = 200


@router.post("", status_code=202)
async def make(request: Request, caller: Caller = Depends(reviewer), desk: Desk = Depends(desk)) -> dict[str, Any]:
    """Make a batch of the files in the form (`files`, as many as 1,000), with `name` and `finalize` (default true)."""
    batch = ledger.new_id("bat")

    def fill(connection: Connection, found: Received) -> None:
        names = [name for name, _ in found.arrived]
        label = names[0] if len(names) == 1 else f"{len(names)} files"
        name = (found.fields.get("name", "").strip() or label)[:_LONGEST_NAME]
        batches.add(connection, batch, caller.workspace, name, caller.name)
        access.record(connection, caller.workspace, caller.name, "batch.make", batch)

    return await _filled(request, desk, caller, batch, fill, finalize=True)


@router.post("/{batch}/files", status_code=202)
async def add_files(
    batch: str, request: Request, caller: Caller = Depends(reviewer), desk: Desk = Depends(desk)
) -> dict[str, Any]:
    """Add files to a batch that is not finalized."""

    def fill(connection: Connection, found: Received) -> None:
        batches.open_for_files(connection, caller.workspace, batch)

    return await _filled(request, desk, caller, batch, fill, finalize=False)


async def _filled(
    request: Request,
    desk: Desk,
    caller: Caller,
    batch: str,
    fill: Callable[[Connection, Received], None],
    *,
    finalize: bool,
) -> dict[str, Any]:
    """Receive the files, then write batch, documents, jobs and answer in one transaction."""
    key, route = key_of(request), request.url.path
    before = await run_in_threadpool(answered, desk, caller.workspace, key)
    if before is not None:
        before.check(route)
        found = await received(request, hashing)
        before.check(route, found.fingerprint())
        return before.body
    room = await run_in_threadpool(room_bytes, desk, caller.workspace)
    found = await received(request, keeping(desk.store, caller.workspace), room_bytes=room)

    def write() -> dict[str, Any]:
        with desk.transaction() as transaction:
            fill(transaction, found)
            files = admitted(transaction, desk.store, caller.workspace, batch, found)
            if _true(found.fields.get("finalize"), finalize):
                batches.finalize(transaction, caller.workspace, batch)
            answer = {"batch": batches.shown(transaction, caller.workspace, batch), "files": files}
            remember(transaction, caller.workspace, key, route, found.fingerprint(), answer)
            failpoints.at("multipart.written")
        failpoints.at("multipart.committed")
        return answer

    try:
        return await run_in_threadpool(write)
    except AnsweredMeanwhile:
        meanwhile = await run_in_threadpool(answered, desk, caller.workspace, key)
        if meanwhile is None:
            raise
        meanwhile.check(route, found.fingerprint())
        return meanwhile.body


def _true(value: str | None, default: bool) -> bool:
    return default if value is None else value.strip().lower() not in ("false", "0", "no", "off")


@router.post("/{batch}/finalize")
def finalize(batch: str, caller: Caller = Depends(reviewer), desk: Desk = Depends(desk)) -> dict[str, Any]:
    """Take no more files; the batch can end from now on. Repeating it changes nothing."""
    with desk.transaction() as transaction:
        batches.finalize(transaction, caller.workspace, batch)
        return batches.shown(transaction, caller.workspace, batch)


@router.post("/{batch}/cancel")
def cancel(batch: str, caller: Caller = Depends(reviewer), desk: Desk = Depends(desk)) -> dict[str, Any]:
    """Stop everything of the batch that is not done; what is being read right now stops within seconds."""
    with desk.transaction() as transaction:
        batches.cancel(transaction, caller.workspace, batch)
        stopped = ledger.cancel(transaction, caller.workspace, batch=batch)
        access.record(transaction, caller.workspace, caller.name, "batch.cancel", batch, documents=stopped)
        return batches.shown(transaction, caller.workspace, batch)


@router.post("/{batch}/retry", status_code=202)
def retry(batch: str, caller: Caller = Depends(reviewer), desk: Desk = Depends(desk)) -> dict[str, Any]:
    """Start the failed and canceled documents of the batch again, and only those."""
    with desk.transaction() as transaction:
        batches.owned(transaction, caller.workspace, batch)
        again = batches.failed_documents(transaction, caller.workspace, batch)
        queues.send(transaction, caller.workspace, [Read(document=document) for document in again])
        batches.reopen(transaction, batch)
        access.record(transaction, caller.workspace, caller.name, "batch.retry", batch, documents=len(again))
        return batches.shown(transaction, caller.workspace, batch)


@router.get("")
def listed(
    cursor: str | None = None,
    limit: int = Query(50, ge=1, le=200),
    caller: Caller = Depends(reader),
    desk: Desk = Depends(desk),
) -> dict[str, Any]:
    """The batches of the workspace, newest first."""
    with desk.engine.connect() as connection:
        found = batches.listed(connection, caller.workspace, cursor, limit + 1)
    more = len(found) > limit
    return {"items": found[:limit], "next_cursor": found[limit - 1]["id"] if more else None}


@router.get("/{batch}")
def one(batch: str, caller: Caller = Depends(reader), desk: Desk = Depends(desk)) -> dict[str, Any]:
    """The batch with the counts of its documents by state."""
    with desk.engine.connect() as connection:
        return batches.shown(connection, caller.workspace, batch)
