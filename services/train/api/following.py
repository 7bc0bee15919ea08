"""Follow runs: one as server-sent events, the open ones as Prometheus metrics."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import orjson
from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.responses import PlainTextResponse, StreamingResponse
from sqlalchemy import Row, select
from sqlalchemy.dialects.postgresql import distinct_on
from starlette.concurrency import run_in_threadpool

from services.train.tables import events, runs
from shared.access import Caller
from shared.desk import Desk
from shared.errors import NotFound
from shared.http import desk, reader

router = APIRouter()

#: How often a follower looks, and how often it hears that it is still connected, in seconds.
_LOOK_S, _ALIVE_S = 1.0, 15.0
_OPEN = ("pending", "running")
#: What a run measures, by its name in Prometheus.
_GAUGES = {
    "loss": "loss_nats",
    "learning_rate": "learning_rate",
    "gradient_norm": "gradient_norm",
    "tokens_per_s": "tokens_per_second",
    "mfu": "model_flops_utilization_ratio",
    "memory_bytes": "memory_bytes",
    "eta_s": "remaining_seconds",
    "step": "step",
    "of": "steps",
    "held_out_score": "held_out_score_ratio",
}


@router.get("/runs/metrics")
def metrics(caller: Caller = Depends(reader), desk: Desk = Depends(desk)) -> Response:
    """The newest measurements of the runs that are under way, as Prometheus text."""
    with desk.engine.connect() as connection:
        found = connection.execute(
            select(runs.c.id, runs.c.role, events.c.measured)
            .join(events, events.c.run_id == runs.c.id)
            .where(runs.c.workspace_id == caller.workspace, runs.c.state == "running", events.c.kind == "metrics")
            .ext(distinct_on(runs.c.id))
            .order_by(runs.c.id, events.c.id.desc())
        ).all()
    lines = []
    for measured, name in _GAUGES.items():
        samples = [
            f'dossier_run_{name}{{run="{row.id}",role="{row.role}"}} {row.measured[measured]}\n'
            for row in found
            if row.measured.get(measured) is not None
        ]
        if samples:
            lines += [f"# TYPE dossier_run_{name} gauge\n", *samples]
    return PlainTextResponse("".join(lines), media_type="text/plain; version=0.0.4")


@router.get("/runs/{run}/events")
async def follow(
    run: str,
    request: Request,
    last_event_id: str = Header("0", pattern=r"^\d{1,18}$"),
    caller: Caller = Depends(reader),
    desk: Desk = Depends(desk),
) -> StreamingResponse:
    """Follow a run: `log` lines and `metrics` from its beginning, or after `Last-Event-ID`; `end` with its state."""
    await run_in_threadpool(_look, desk, caller.workspace, run, 0)
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    told = _told(request, desk, caller.workspace, run, int(last_event_id))
    return StreamingResponse(told, media_type="text/event-stream", headers=headers)


async def _told(request: Request, desk: Desk, workspace: str, run: str, position: int) -> AsyncIterator[bytes]:
    spoke = time.monotonic()
    while not await request.is_disconnected():
        state, found = await run_in_threadpool(_look, desk, workspace, run, position)
        for line in found:
            position, spoke = line.id, time.monotonic()
            facts = {"message": line.message} if line.kind == "log" else line.measured
            yield _event(line.kind, position, facts | {"at": line.at})
        if state not in _OPEN and not found:
            yield _event("end", position, {"state": state})
            return
        if time.monotonic() - spoke > _ALIVE_S:
            spoke = time.monotonic()
            yield b": still here\n\n"
        await asyncio.sleep(_LOOK_S if not found else 0)


def _look(desk: Desk, workspace: str, run: str, position: int) -> tuple[str, list[Row[Any]]]:
    """The state of a run, and what was written about it after `position`; the state first: so nothing is missed."""
    with desk.engine.connect() as connection:
        state = connection.execute(
            select(runs.c.state).where(runs.c.id == run, runs.c.workspace_id == workspace)
        ).scalar_one_or_none()
        if state is None:
            raise NotFound(f"There is no run {run}.", action="GET /v1/runs lists them.")
        newer = select(events).where(events.c.run_id == run, events.c.id > position).order_by(events.c.id).limit(500)
        return state, list(connection.execute(newer))


def _event(kind: str, position: int, facts: dict[str, Any]) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (position, kind.encode(), orjson.dumps(facts))
