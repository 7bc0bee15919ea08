"""Instruction records in and out: data sets that somebody brings, and what a run learned from."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Body, Depends, Response
from fastapi.responses import PlainTextResponse
from sqlalchemy import select

from services.train.formats import Form, records_in, written
from services.train.tables import runs
from services.train.tasks.recording import KIND, brought, records_of
from services.train.validation import check, report
from shared import access
from shared.access import Caller
from shared.desk import Desk
from shared.errors import NotFound
from shared.http import admin, desk

router = APIRouter()


@router.post("/datasets", status_code=201)
def bring(
    content: str = Body(media_type="text/plain"), caller: Caller = Depends(admin), desk: Desk = Depends(desk)
) -> dict[str, Any]:
    """Keep records (OpenAI messages, ShareGPT or Alpaca, a line each) for runs to learn from, with a report on them."""
    records = records_in(content)
    found = report(records)
    check(found)
    stored = desk.store.put(caller.workspace, KIND, "\n".join(written(records, "messages")).encode())
    with desk.transaction() as transaction:
        access.record(transaction, caller.workspace, caller.name, "dataset.bring", stored.sha256, records=len(records))
    return {"digest": stored.sha256, "report": found.as_json()}


@router.get("/runs/{run}/records")
def learned_from(
    run: str,
    form: Form = "messages",
    held_out: bool = False,
    caller: Caller = Depends(admin),
    desk: Desk = Depends(desk),
) -> Response:
    """What a run of a generator learned from, or with `held_out` was measured on; documents deleted since are gone."""
    with desk.engine.connect() as connection:
        row = connection.execute(select(runs).where(runs.c.id == run, runs.c.workspace_id == caller.workspace)).first()
        if row is None:
            raise NotFound(f"There is no run {run}.", action="GET /v1/runs lists them.")
        records = records_of(connection, desk.store, row.snapshot_key, held_out=held_out)
    if not held_out:
        records += brought(desk.store, caller.workspace, row.parameters.get("datasets", []))
    lines = "".join(f"{line}\n" for line in written(records, form))
    return PlainTextResponse(lines, media_type="application/jsonl")
