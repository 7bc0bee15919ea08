"""Documents: list, show, original, text, pages with words, page pictures, tables, retry, delete."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query
from fastapi.responses import PlainTextResponse, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from services.ingest.sealing import sealed_into
from services.ingest.tables import batches, documents, files, garbage, passwords, similar
from services.ingest.tables.documents import Wanted
from services.ingest.tasks import sandbox
from services.ingest.whole_tables import WholeCell, whole_tables
from shared import access, facts, ledger, queues
from shared.access import Caller
from shared.desk import Desk
from shared.documents import Page, Reading
from shared.errors import Conflict, NotFound
from shared.http import admin, desk, reader, reviewer
from shared.jobs import Read
from shared.store import Store

router = APIRouter(prefix="/documents", tags=["ingest"])

#: Widths of page pictures, in pixels: enough for any screen, too little to fill a disk with.
_NARROWEST, _WIDEST = 50, 2_400


@router.get("")
def listed(
    wanted: Annotated[Wanted, Depends()],
    cursor: str | None = None,
    limit: int = Query(50, ge=1, le=200),
    caller: Caller = Depends(reader),
    desk: Desk = Depends(desk),
) -> dict[str, Any]:
    """The documents of the workspace, newest first, filtered."""
    with desk.engine.connect() as connection:
        found = documents.listed(connection, caller.workspace, wanted, cursor, limit + 1)
    more = len(found) > limit
    return {"items": found[:limit], "next_cursor": found[limit - 1]["id"] if more else None}


@router.get("/{document}")
def one(document: str, caller: Caller = Depends(reader), desk: Desk = Depends(desk)) -> dict[str, Any]:
    """The document, what was found inside it, which others say nearly the same, and notes of the reader."""
    with desk.engine.connect() as connection:
        found = documents.one(connection, caller.workspace, document)
        if found is None:
            raise NotFound(f"There is no document {document}.", action="Check the id, and the workspace of the key.")
        children = files.children_of(connection, document)
        alike = similar.similar_to(connection, caller.workspace, document)
    inside = [{"id": row.id, "name": row.name, "state": row.state} for row in children]
    return found | {"children": inside, "similar_to": alike}


@router.get("/{document}/original")
def original(document: str, caller: Caller = Depends(reader), desk: Desk = Depends(desk)) -> Response:
    """The bytes as they were uploaded, always as an attachment: content never runs in our pages."""
    with desk.transaction() as transaction:
        file = files.file_of(transaction, caller.workspace, document)
        access.record(transaction, caller.workspace, caller.name, "document.original", document)
    name = file.name.rsplit("/", 1)[-1]
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
    return Response(_bytes(desk.store, file.original_key), media_type="application/octet-stream", headers=headers)


@router.get("/{document}/text")
def whole_text(document: str, caller: Caller = Depends(reader), desk: Desk = Depends(desk)) -> PlainTextResponse:
    """The clean text; every offset in this API is one into it, in code points."""
    return PlainTextResponse(_reading(desk, caller, document).text)


@router.get("/{document}/tables")
def tables(document: str, caller: Caller = Depends(reader), desk: Desk = Depends(desk)) -> dict[str, Any]:
    """The tables, each whole over all its pages: cells with row, column and their places in the text."""
    reading = _reading(desk, caller, document)
    shown = [
        {
            "page": table.parts[0][0],
            "box": table.parts[0][1],
            "parts": [{"page": number, "box": box} for number, box in table.parts],
            "cells": [_cell(reading.text, cell) for cell in table.cells],
        }
        for table in whole_tables(reading)
    ]
    return {"items": shown, "next_cursor": None}


def _cell(text: str, cell: WholeCell) -> dict[str, Any]:
    """`start` and `end` are those of the first printed line; `lines` has page, start and end of every one."""
    return {
        "row": cell.row,
        "column": cell.column,
        "start": cell.spans[0][0],
        "end": cell.spans[0][1],
        "text": " ".join(text[start:end] for start, end in cell.spans),
        "lines": [[page, start, end] for page, (start, end) in zip(cell.pages, cell.spans, strict=True)],
    }


@router.get("/{document}/pages/{number}.png")
def picture(
    document: str,
    number: int,
    width: int = Query(900, ge=_NARROWEST, le=_WIDEST),
    caller: Caller = Depends(reader),
    desk: Desk = Depends(desk),
) -> Response:
    """A picture of the page, `width` pixels wide; drawn from the original at its first use and kept."""
    with desk.engine.connect() as connection:
        file = files.file_of(connection, caller.workspace, document)
        key = files.picture_key(connection, document, number, width)
    png = None
    if key is not None:
        try:
            png = desk.store.get(key)
        except KeyError:
            png = None  # the kept pictures may be thrown away at any time
    if png is None:
        with desk.engine.connect() as connection:
            password = passwords.of(connection, desk.store, document)
        png = sandbox().draw(_bytes(desk.store, file.original_key), file.name, number, width, password=password)
        stored = desk.store.put(caller.workspace, "pictures", png)
        with desk.transaction() as transaction:
            garbage.hold(transaction, desk.store, caller.workspace, [stored.key])
            files.keep_picture(transaction, document, number, width, stored.key)
    return Response(png, media_type="image/png", headers={"Cache-Control": "private, max-age=86400, immutable"})


@router.get("/{document}/pages/{number}")
def page(document: str, number: int, caller: Caller = Depends(reader), desk: Desk = Depends(desk)) -> dict[str, Any]:
    """Page `number` (from 1): its text and its words `[text, box or null, start, end]`; boxes in points, top left."""
    reading = _reading(desk, caller, document)
    if not 1 <= number <= len(reading.pages):
        raise NotFound(f"The document has {len(reading.pages)} pages, not {number}.")
    return _page(reading, reading.pages[number - 1])


def _page(reading: Reading, found: Page) -> dict[str, Any]:
    marks = [mark for mark in reading.marks if found.start <= mark.start < found.end]
    return {
        "number": found.number,
        "width": found.width,
        "height": found.height,
        "source": found.source,
        "quality": found.quality,
        "language": found.language,
        "start": found.start,
        "end": found.end,
        "text": reading.text[found.start : found.end],
        "words": [[word.text, word.box, word.start, word.end] for word in found.words],
        "marks": [{"kind": mark.kind, "start": mark.start, "end": mark.end} for mark in marks],
    }


class Again(BaseModel):
    """How to start a document again; the password opens an encrypted file."""

    model_config = ConfigDict(extra="forbid")

    password: SecretStr | None = Field(default=None, min_length=1, max_length=1_000)


@router.post("/{document}/retry", status_code=202)
def retry(
    document: str, again: Again | None = None, caller: Caller = Depends(reviewer), desk: Desk = Depends(desk)
) -> dict[str, Any]:
    """Start a failed or canceled document again, with a password where its file needs one."""
    password = again.password if again is not None else None
    sealed = sealed_into(desk.store, caller.workspace, password.get_secret_value()) if password else None
    with desk.transaction() as transaction:
        file = files.file_of(transaction, caller.workspace, document)
        if file.state not in ("failed", "canceled"):
            raise Conflict(
                f"The document is {file.state}; only failed and canceled ones can be started again.",
                action="Wait for it to end." if file.state in ("pending", "running") else "",
            )
        if sealed is not None:
            garbage.hold(transaction, desk.store, caller.workspace, [sealed.secret_key])
            passwords.keep(transaction, document, sealed)
        queues.send(transaction, caller.workspace, [Read(document=document)])
        if file.batch_id is not None:
            batches.reopen(transaction, file.batch_id)
        access.record(transaction, caller.workspace, caller.name, "document.retry", document)
        found = documents.one(transaction, caller.workspace, document)
    return found or {}


@router.delete("/{document}", status_code=204)
def delete(document: str, caller: Caller = Depends(admin), desk: Desk = Depends(desk)) -> Response:
    """Forget the document and everything found inside it: rows, text, pictures, and bytes nobody else uses."""
    with desk.transaction() as transaction:
        files.file_of(transaction, caller.workspace, document)
        keys = files.keys_of(transaction, files.family(transaction, document))
        family = ledger.forget(transaction, caller.workspace, document)
        garbage.discard(transaction, caller.workspace, keys)
        access.record(transaction, caller.workspace, caller.name, "document.delete", document, inside=len(family) - 1)
    garbage.sweep(desk.engine, desk.store, caller.workspace, keys=keys)
    return Response(status_code=204)


def _reading(desk: Desk, caller: Caller, document: str) -> Reading:
    with desk.engine.connect() as connection:
        files.file_of(connection, caller.workspace, document)
        return facts.reading(connection, desk.store, document)


def _bytes(store: Store, key: str) -> bytes:
    try:
        return store.get(key)
    except KeyError:
        raise NotFound("The bytes of this document are not in the store any more.") from None
