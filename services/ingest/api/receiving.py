"""Receive the files of one request: bytes into the store as they come, then everything else in one transaction.

A crash between the two leaves bytes that nobody points at, never a row without bytes; the client repeats the
request with its Idempotency-Key and nothing happens twice.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import deque
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

#: Files of one request that go into the store at the same time.
SIDE_BY_SIDE = 8

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
    arrivals = _Arrivals(keep, room_bytes)
    try:
        async for piece in request.stream():
            for part in form.feed(piece):
                await arrivals.take(part)
        await arrivals.settle()
    finally:
        await arrivals.let_go()
        form.close()
    failpoints.at("multipart.all_stored")
    return Received(arrivals.fields, arrivals.entries())


async def _plain_fields(request: Request) -> dict[str, str]:
    """The fields of a form without files: how clients open an empty batch."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _LONGEST_PLAIN_FORM:
            raise Refused("The form is too long.", action="Send files as multipart/form-data.", code="invalid_request")
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


class _Arrivals:
    """The parts of a form on their way into the store, a few side by side and answered in their order.

    A disk settles several files at the cost of one: 188 files/s one by one, 2,231 with eight (docs/measurements).
    """

    def __init__(self, keep: Keep, room_bytes: int | None) -> None:
        self.fields: dict[str, str] = {}
        self._keep = keep
        self._room_bytes = room_bytes
        self._brought = 0
        self._entries: list[tuple[str, Arrived | Reason | None]] = []
        self._under_way: deque[asyncio.Task[None]] = deque()

    async def take(self, part: Part) -> None:
        """Begin to keep a file; waits where SIDE_BY_SIDE others are under way. Raises Refused as `received` does."""
        if part.file is None:
            self.fields[part.field] = part.value
            return
        name, refused = part.name or "file", _refusal(part)
        self._check(part)
        place = len(self._entries)
        self._entries.append((name, refused))
        if refused is not None:
            part.file.close()
            return
        while len(self._under_way) >= SIDE_BY_SIDE:
            await self._under_way.popleft()
        self._under_way.append(asyncio.create_task(self._put(place, name, part.file)))

    async def settle(self) -> None:
        """Wait until every file is kept; raises what keeping one raised."""
        while self._under_way:
            await self._under_way.popleft()

    async def let_go(self) -> None:
        """Wait for what is still under way, whatever becomes of it: its threads read open files."""
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def entries(self) -> list[tuple[str, Arrived | Reason]]:
        """What became of each file, in order."""
        return [(name, entry) for name, entry in self._entries if entry is not None]

    async def _put(self, place: int, name: str, file: BinaryIO) -> None:
        with file:
            stored = await run_in_threadpool(self._keep, file)
        self._entries[place] = (name, Arrived(name, stored.key, stored.sha256, stored.size_bytes))
        failpoints.at("multipart.one_stored")

    def _check(self, part: Part) -> None:
        """Stop a request that cannot be taken before all of it has come; the commit counts exactly."""
        most, self._brought = settings().request_files, self._brought + (0 if part.too_large else part.size_bytes)
        wrong: Refused | None = None
        if len(self._entries) >= most:
            wrong = Refused(
                f"The request has more than {most:,} files.",
                action="Send the rest in further requests to the same batch.",
                code="too_many_files",
            )
        elif self._room_bytes is not None and self._brought > self._room_bytes:
            wrong = Full(
                f"This workspace has room for {self._room_bytes:,} more bytes, and the request brings more.",
                action="Delete documents that are not needed any more, or ask the operator for more room.",
            )
        if wrong is not None:
            if part.file is not None:
                part.file.close()
            raise wrong


def _refusal(part: Part) -> Reason | None:
    if part.too_large:
        limit = settings().file_bytes
        message = f"The file has {part.size_bytes:,} bytes; at most {limit:,} are taken."
        return Reason("too_large", message, "Split the file and send the parts.")
    if part.size_bytes == 0:
        return Reason("empty", "The file is empty (0 bytes).", "Send the file again.")
    return None


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
