"""Follow a batch as server-sent events, without missing any over lost connections."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import orjson
from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from services.ingest.tables import batches
from shared import events as stream
from shared.access import Caller
from shared.desk import Desk
from shared.errors import Refused
from shared.events import Event
from shared.http import desk, reader

router = APIRouter(prefix="/batches", tags=["ingest"])

#: How often a follower looks at the ledger, and how often it hears that it is still connected, in seconds.
_LOOK_S, _ALIVE_S = 0.7, 15.0


class _Look:
    """What a follower of one batch sees: the documents that ended since the last look, and the batch as it is."""

    def __init__(self, desk: Desk, workspace: str, batch: str, position: int | None) -> None:
        self._desk = desk
        self._workspace = workspace
        self._batch = batch
        # The position first: what ends between the two is told of twice rather than never.
        self.position = stream.latest(desk.engine) if position is None else position
        with desk.engine.connect() as connection:
            self.batch = batches.shown(connection, workspace, batch)
        self.ended = batches.ended(self.batch)

    def again(self) -> list[Event]:
        """The next documents that ended, in order; only when there are none left does the batch count as ended."""
        found = stream.after(self._desk.engine, self.position, batch=self._batch)
        with self._desk.engine.connect() as connection:
            self.batch = batches.shown(connection, self._workspace, self._batch)
        self.ended = batches.ended(self.batch) and not found
        if found:
            self.position = found[-1].position
        return found


@router.get("/{batch}/events")
async def events(
    batch: str,
    request: Request,
    last_event_id: str | None = Header(default=None),
    caller: Caller = Depends(reader),
    desk: Desk = Depends(desk),
) -> StreamingResponse:
    """Follow the batch: `document` when one has ended, `batch` with all of it whenever it changed, `end` at its end.

    The first event is the whole batch. With `Last-Event-ID`, as browsers send it when they come back, every document
    that ended since that event is told of; 0 tells of all.
    """
    position = _position(last_event_id)
    look = await run_in_threadpool(_Look, desk, caller.workspace, batch, position)
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingResponse(_events(request, look), media_type="text/event-stream", headers=headers)


def _position(last_event_id: str | None) -> int | None:
    if last_event_id is None or last_event_id == "":
        return None
    if not (last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) < 19):
        raise Refused(
            f"Last-Event-ID is {last_event_id[:40]!r}.", action="Send the id of an event.", code="invalid_request"
        )
    return int(last_event_id)


async def _events(request: Request, look: _Look) -> AsyncIterator[bytes]:
    told, spoke = look.batch, time.monotonic()
    yield _event("batch", look.position, told)
    while not await request.is_disconnected():
        for event in await run_in_threadpool(look.again):
            yield _event("document", event.position, _shown(event))
        if look.batch != told:
            told, spoke = look.batch, time.monotonic()
            yield _event("batch", look.position, told)
        elif time.monotonic() - spoke > _ALIVE_S:
            spoke = time.monotonic()
            yield b": still here\n\n"
        if look.ended:
            yield _event("end", look.position, {})
            return
        await asyncio.sleep(_LOOK_S)


def _shown(event: Event) -> dict[str, Any]:
    return {"document": event.document, "state": event.state, "reason": event.reason, "at": event.at}


def _event(kind: str, position: int, facts: dict[str, Any]) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (position, kind.encode(), orjson.dumps(facts))
