"""Resumable uploads at /v1/uploads: tus 1.0 core, creation, checksum, expiration, termination.

An upload names the file, and the open batch that it belongs to, in its metadata (`filename`, `batch`); without a
batch it becomes one of its own. Beside the protocol, GET tells in JSON what became of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Coroutine
from email.utils import format_datetime
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from services.ingest import tus
from services.ingest.api import failpoints
from services.ingest.api.receiving import room_bytes
from services.ingest.api.repeating import AnsweredMeanwhile, answered, key_of, remember
from services.ingest.api.writing import PIECE_BYTES, Writing, expiry
from services.ingest.quotas import Full
from services.ingest.settings import settings
from services.ingest.tables import batches, garbage, uploads
from services.ingest.tables.uploads import Upload
from services.ingest.uploads import clean_name
from shared import access, ledger
from shared.access import Caller
from shared.desk import Desk
from shared.errors import Conflict, DossierError
from shared.http import desk, problem_of, reader, reviewer


class _TusRoute(APIRoute):
    """Every answer of the protocol, refusals too, says which version it is in."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                response = await handler(request)
            except DossierError as wrong:
                response = problem_of(wrong)
                if isinstance(wrong, tus.OtherVersion):
                    response.headers["Tus-Version"] = tus.VERSION
            response.headers["Tus-Resumable"] = tus.VERSION
            return response

        return answer


router = APIRouter(prefix="/uploads", tags=["ingest"], route_class=_TusRoute)


def writer(request: Request, caller: Caller = Depends(reviewer)) -> Caller:
    """A reviewer or admin who speaks this version of the protocol."""
    tus.check_version(request.headers)
    return caller


@router.options("", status_code=204)
@router.options("/{upload}", status_code=204)
def capabilities(caller: Caller = Depends(reader)) -> Response:
    """What this server can do."""
    headers = {
        "Tus-Version": tus.VERSION,
        "Tus-Extension": tus.EXTENSIONS,
        "Tus-Max-Size": str(settings().file_bytes),
        "Tus-Checksum-Algorithm": ",".join(tus.ALGORITHMS),
    }
    return Response(status_code=204, headers=headers)


@router.post("", status_code=201)
def begin(request: Request, caller: Caller = Depends(writer), desk: Desk = Depends(desk)) -> Response:
    """Begin an upload of Upload-Length bytes; its address is in Location.

    An Idempotency-Key may come along: the same request then gets the same upload.
    """
    metadata = request.headers.get("upload-metadata", "")
    size_bytes = tus.size_from(request.headers, settings().file_bytes)
    named = tus.metadata_from(metadata)
    key, route = key_of(request), request.url.path
    fingerprint = hashlib.sha256(f"{size_bytes} {metadata}".encode()).hexdigest()
    before = answered(desk, caller.workspace, key)
    if before is None:
        name = clean_name((named.get("filename") or named.get("name") or "file").encode())
        new = Upload(
            ledger.new_id("upl"), named.get("batch") or None, name, metadata, size_bytes, 0, None, caller.name, expiry()
        )
        _check_room(desk, caller.workspace, size_bytes)
        try:
            return _begun(_recorded(desk, caller, new, key, route, fingerprint))
        except AnsweredMeanwhile:
            before = answered(desk, caller.workspace, key)
    if before is None:
        raise Conflict("The request with this Idempotency-Key is still being answered.", action="Send it again.")
    before.check(route, fingerprint)
    return _begun(before.body)


def _recorded(desk: Desk, caller: Caller, new: Upload, key: str | None, route: str, fingerprint: str) -> dict[str, Any]:
    answer = {"location": f"{route}/{new.id}", "expires_at": format_datetime(new.expires_at, usegmt=True)}
    with desk.transaction() as transaction:
        if new.batch is not None:
            batches.open_for_files(transaction, caller.workspace, new.batch)
        uploads.add(transaction, caller.workspace, new)
        remember(transaction, caller.workspace, key, route, fingerprint, answer)
        failpoints.at("tus.begun")
    failpoints.at("tus.begun_committed")
    return answer


def _begun(answer: dict[str, Any]) -> Response:
    headers = {"Location": answer["location"], "Upload-Expires": answer["expires_at"]}
    return Response(status_code=201, headers=headers)


def _check_room(desk: Desk, workspace: str, size_bytes: int) -> None:
    room = room_bytes(desk, workspace)
    if room is not None and size_bytes > room:
        raise Full(
            f"This workspace has room for {room:,} more bytes, and the file has {size_bytes:,}.",
            action="Delete documents that are not needed any more, or ask the operator for more room.",
        )


@router.head("/{upload}")
def offset(upload: str, caller: Caller = Depends(writer), desk: Desk = Depends(desk)) -> Response:
    """How much of the upload is here."""
    with desk.engine.connect() as connection:
        found = uploads.one(connection, caller.workspace, upload)
    headers = _progress(found) | {"Upload-Length": str(found.size_bytes), "Cache-Control": "no-store"}
    if found.metadata:
        headers["Upload-Metadata"] = found.metadata
    return Response(status_code=200, headers=headers)


@router.get("/{upload}")
def one(upload: str, caller: Caller = Depends(reader), desk: Desk = Depends(desk)) -> dict[str, Any]:
    """The upload in JSON; `file` is the answer for the file, as in a batch, once all of it has come."""
    with desk.engine.connect() as connection:
        found = uploads.one(connection, caller.workspace, upload)
    return {
        "id": found.id,
        "name": found.name,
        "batch": found.batch,
        "size_bytes": found.size_bytes,
        "received_bytes": found.received,
        "file": found.answer,
        "expires_at": found.expires_at,
    }


@router.patch("/{upload}", status_code=204)
async def append(
    upload: str, request: Request, caller: Caller = Depends(writer), desk: Desk = Depends(desk)
) -> Response:
    """Add bytes at Upload-Offset; with the last of them the upload becomes a document."""

    def load() -> Upload:
        with desk.engine.connect() as connection:
            return uploads.one(connection, caller.workspace, upload)

    begins_at = tus.offset_from(request.headers)
    said = request.headers.get("upload-checksum")
    checksum = tus.Checksum(said) if said is not None else None
    found = await run_in_threadpool(load)
    if begins_at != found.received:
        raise Conflict(
            f"The upload ends at byte {found.received:,}, not at {begins_at:,}.",
            action="Ask for its offset (HEAD) and go on from there.",
            code="offset_conflict",
        )
    if found.answer is None:
        await _write(request, Writing(desk, caller, found, checksum), whole=checksum is not None)
    return Response(status_code=204, headers=_progress(await run_in_threadpool(load)))


async def _write(request: Request, writing: Writing, *, whole: bool) -> None:
    """Pass the body on in pieces. Of one that is cut off, what has come is kept, unless it counts as a whole only."""
    held = bytearray()
    try:
        async for some in request.stream():
            held += some
            while len(held) >= PIECE_BYTES:
                piece = bytes(held[:PIECE_BYTES])
                del held[:PIECE_BYTES]
                await run_in_threadpool(writing.take, piece)
    except ClientDisconnect:
        if not whole and held:
            await run_in_threadpool(writing.take, bytes(held))
            await run_in_threadpool(writing.end)
        raise
    await run_in_threadpool(writing.take, bytes(held))
    await run_in_threadpool(writing.end)


@router.delete("/{upload}", status_code=204)
def end(upload: str, caller: Caller = Depends(writer), desk: Desk = Depends(desk)) -> Response:
    """Give the upload up and drop what has come of it; a document that it became stays."""
    with desk.transaction() as transaction:
        keys = uploads.remove(transaction, caller.workspace, upload)
        garbage.discard(transaction, caller.workspace, keys)
        access.record(transaction, caller.workspace, caller.name, "upload.end", upload)
    if keys:
        garbage.sweep(desk.engine, desk.store, caller.workspace, keys=keys)
    return Response(status_code=204)


@router.post("/{upload}")
async def overridden(
    upload: str, request: Request, caller: Caller = Depends(writer), desk: Desk = Depends(desk)
) -> Response:
    """PATCH, HEAD or DELETE for clients behind something that knows only POST: X-HTTP-Method-Override names it."""
    wanted = request.headers.get("x-http-method-override", "").upper()
    if wanted == "PATCH":
        return await append(upload, request, caller, desk)
    if wanted == "DELETE":
        return await run_in_threadpool(end, upload, caller, desk)
    if wanted == "HEAD":
        return await run_in_threadpool(offset, upload, caller, desk)
    raise tus.Malformed(
        f"X-HTTP-Method-Override is {wanted or 'missing'}.", action="POST to /v1/uploads begins an upload."
    )


def _progress(found: Upload) -> dict[str, str]:
    return {
        "Upload-Offset": str(found.received),
        "Upload-Expires": format_datetime(found.expires_at, usegmt=True),
    }
