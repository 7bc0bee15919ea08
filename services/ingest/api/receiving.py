"""Receive the files of one request: bytes into the store as they come, then everything else in one transaction.

A crash between the two leaves bytes that nobody points at, never a row without bytes; the client repeats the
request with its Idempotency-Key and nothing happens twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import partial
from typing import Any, BinaryIO
from urllib.parse import parse_qsl

import msgspec
from fastapi import Request
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from services.ingest.api import failpoints
from services.ingest.quotas import Full
from services.ingest.settings import settings
from services.ingest.tables import files, garbage, quotas
from services.ingest.tables.files import Arrived
from services.ingest.uploads import Form, Part
from shared import queues
from shared.desk import Desk
from shared.errors import Refused
from shared.jobs import Job, Read
from shared.ledger import Reason
from shared.store import BLOCK_BYTES, Store, Stored

_LONGEST_PLAIN_FORM = 64_000
#: A batch of more files is bulk: nobody sits and waits for it, so it stands back behind those that somebody does.
INTERACTIVE_FILES = 20

#: What becomes of a file's bytes: into the store, or only hashed where the request was answered before.
Keep = Callable[[BinaryIO], Stored]


class Received(msgspec.Struct):
    """What a request brought: per file, in order, either what is in the store or why it was refused."""

    fields: dict[str, str]
    arrived: list[tuple[str, Arrived | Reason]]

    def fingerprint(self) -> str:
        """The same for the same fields and files, however the request's body was put together."""
        files_ = [[name, *entry[2:4]] if isinstance(entry, Arrived) else [name, *entry] for name, entry in self.arrived]
        return hashlib.sha256(json.dumps([sorted(self.fields.items()), files_]).encode()).hexdigest()


def keeping(store: Store, workspace: str) -> Keep:
    """Keeps files as originals of the workspace."""
    return partial(store.put, workspace, "originals")


def hashing(file: BinaryIO) -> Stored:
    """Keeps nothing: reads the file for its hash and size."""
    digest, size_bytes = hashlib.sha256(), 0
    while block := file.read(BLOCK_BYTES):
        digest.update(block)
        size_bytes += len(block)
    return Stored("", digest.hexdigest(), size_bytes)


async def received(request: Request, keep: Keep, *, room_bytes: int | None = None) -> Received:
    """Read the whole request; each file has gone through `keep` when this returns.

    Raises Refused where the body is no multipart form, is cut off, has too many files, or brings more than
    `room_bytes`.
    """
    content_type = request.headers.get("content-type", "")
    if content_type.startswith("application/x-www-form-urlencoded"):
        return Received(await _plain_fields(request), [])
    form = Form(content_type, file_bytes=settings().file_bytes)
    found = Received({}, [])
    try:
        async for piece in request.stream():
            for part in form.feed(piece):
                await _take(part, found, keep)
                _check_room(found, room_bytes)
    finally:
        form.close()
    failpoints.at("multipart.all_stored")
    return found


async def _plain_fields(request: Request) -> dict[str, str]:
    """The fields of a form without files: how clients open an empty batch."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _LONGEST_PLAIN_FORM:
            raise Refused("The form is too long.", action="Send files as multipart/form-data.", code="invalid_request")
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


async def _take(part: Part, found: Received, keep: Keep) -> None:
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
        stored = await run_in_threadpool(keep, file)
        found.arrived.append((name, Arrived(name, stored.key, stored.sha256, stored.size_bytes)))
    failpoints.at("multipart.one_stored")


def _refusal(part: Part) -> Reason | None:
    if part.too_large:
        limit = settings().file_bytes
        message = f"The file has {part.size_bytes:,} bytes; at most {limit:,} are taken."
        return Reason("too_large", message, "Split the file and send the parts.")
    if part.size_bytes == 0:
        return Reason("empty", "The file is empty (0 bytes).", "Send the file again.")
    return None


def _check_room(found: Received, room_bytes: int | None) -> None:
    """Stop a request that cannot fit before all of it has come; the commit counts exactly."""
    if room_bytes is None:
        return
    brought = sum(entry.size_bytes for _, entry in found.arrived if isinstance(entry, Arrived))
    if brought > room_bytes:
        raise Full(
            f"This workspace has room for {room_bytes:,} more bytes, and the request brings more.",
            action="Delete documents that are not needed any more, or ask the operator for more room.",
        )


def admitted(connection: Connection, store: Store, workspace: str, batch: str, found: Received) -> list[dict[str, Any]]:
    """Make documents of what arrived and send their jobs; the answer per file, in the order of the request.

    Raises the refusal of a workspace that would hold too much.
    """
    arrived = [entry for _, entry in found.arrived if isinstance(entry, Arrived)]
    garbage.hold(connection, store, workspace, [file.original_key for file in arrived])
    made = files.admit(connection, workspace, batch, arrived)
    new: list[Job] = [Read(document=one.document) for one in made if one.duplicate_of is None]
    queues.send(connection, workspace, new, bulk=files.count_in(connection, batch) > INTERACTIVE_FILES)
    if new:
        quotas.check(connection, workspace, settings().quota)
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


def room_bytes(desk: Desk, workspace: str) -> int | None:
    """How many more bytes the workspace may hold, None without a limit. Raises the refusal of one that is full."""
    quota = settings().quota
    if not quota.any:
        return None
    with desk.engine.begin() as connection:
        quotas.check(connection, workspace, quota)
        held = quotas.usage(connection, workspace)
    return None if quota.bytes is None else quota.bytes - held.bytes
