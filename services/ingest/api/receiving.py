"""Receive the files of one request: bytes into the store as they come, then everything else in one transaction.

A crash between the two leaves bytes that nobody points at, never a row without bytes; the client repeats the
request with its Idempotency-Key and nothing happens twice.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import msgspec
from fastapi import Request
from pydantic_core import to_jsonable_python
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from services.ingest.settings import settings
from services.ingest.tables import batches, files
from services.ingest.tables.files import Arrived
from services.ingest.uploads import Form, Part
from shared import queues
from shared.desk import Desk
from shared.errors import Refused
from shared.jobs import Job, Read
from shared.ledger import Reason
from shared.store import Store

_LONGEST_PLAIN_FORM = 64_000
#: A batch of more files is bulk: nobody sits and waits for it, so it stands back behind those that somebody does.
INTERACTIVE_FILES = 20


class Received(msgspec.Struct):
    """What a request brought: per file, in order, either what is in the store or why it was refused."""

    fields: dict[str, str]
    arrived: list[tuple[str, Arrived | Reason]]


async def received(request: Request, store: Store, workspace: str) -> Received:
    """Read the whole request; files are in the store when this returns.

    Raises Refused where the body is no multipart form, is cut off, or has too many files.
    """
    content_type = request.headers.get("content-type", "")
    if content_type.startswith("application/x-www-form-urlencoded"):
        return Received(await _plain_fields(request), [])
    form = Form(content_type, file_bytes=settings().file_bytes)
    found = Received({}, [])
    try:
        async for piece in request.stream():
            for part in form.feed(piece):
                await _take(part, found, store, workspace)
    finally:
        form.close()
    return found


async def _plain_fields(request: Request) -> dict[str, str]:
    """The fields of a form without files: how clients open an empty batch."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _LONGEST_PLAIN_FORM:
            raise Refused("The form is too long.", action="Send files as multipart/form-data.", code="invalid_request")
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


async def _take(part: Part, found: Received, store: Store, workspace: str) -> None:
    if part.file is None:
        found.fields[part.field] = part.value
        return
    with part.file as file:
        if len(found.arrived) >= settings().request_files:
            raise Refused(
                f"The request has more than {settings().request_files:,} files.",
                action="Send the rest in further requests to the same batch.",
                code="too_many_files",
            )
        name = part.name or "file"
        refused = _refusal(part)
        if refused is not None:
            found.arrived.append((name, refused))
            return
        stored = await run_in_threadpool(store.put, workspace, "originals", file)
        found.arrived.append((name, Arrived(name, stored.key, stored.sha256, stored.size_bytes)))


def _refusal(part: Part) -> Reason | None:
    if part.too_large:
        limit = settings().file_bytes
        message = f"The file has {part.size_bytes:,} bytes; at most {limit:,} are taken."
        return Reason("too_large", message, "Split the file and send the parts.")
    if part.size_bytes == 0:
        return Reason("empty", "The file is empty (0 bytes).", "Send the file again.")
    return None


def admitted(connection: Connection, workspace: str, batch: str, found: Received) -> list[dict[str, Any]]:
    """Make documents of what arrived and send their jobs; the answer per file, in the order of the request."""
    arrived = [entry for _, entry in found.arrived if isinstance(entry, Arrived)]
    made = files.admit(connection, workspace, batch, arrived)
    new: list[Job] = [Read(document=one.document) for one in made if one.duplicate_of is None]
    queues.send(connection, workspace, new, bulk=files.count_in(connection, batch) > INTERACTIVE_FILES)
    documents = iter(made)
    answers = []
    for name, entry in found.arrived:
        if isinstance(entry, Reason):
            answers.append(_answer(name, "refused", reason=entry._asdict()))
        else:
            one = next(documents)
            outcome = "created" if one.duplicate_of is None else "duplicate_of"
            answers.append(_answer(name, outcome, document=one.document, duplicate_of=one.duplicate_of))
    return answers


def _answer(name: str, outcome: str, **known: Any) -> dict[str, Any]:
    return {"name": name, "outcome": outcome, "document": None, "duplicate_of": None, "reason": None} | known


async def answered_before(request: Request, desk: Desk, workspace: str) -> dict[str, Any] | None:
    """The answer that a request with the same Idempotency-Key was given; the body is then read and dropped."""
    key = request.headers.get("idempotency-key")
    if not key:
        return None

    def look() -> dict[str, Any] | None:
        with desk.engine.connect() as connection:
            return batches.answer_given(connection, workspace, key[:200], request.url.path)

    answer = await run_in_threadpool(look)
    if answer is not None:
        async for _ in request.stream():
            pass  # a client that is cut off in the middle of its body never reads the answer
    return answer


class AnsweredMeanwhile(Exception):  # not an error: it unrolls the transaction
    """Another request with the same Idempotency-Key was faster; its answer is the answer."""


def remember(connection: Connection, request: Request, workspace: str, answer: dict[str, Any]) -> None:
    """Keep the answer under the request's Idempotency-Key, if it has one; raises AnsweredMeanwhile."""
    key = request.headers.get("idempotency-key")
    if key and not batches.keep_answer(connection, workspace, key[:200], request.url.path, to_jsonable_python(answer)):
        raise AnsweredMeanwhile
