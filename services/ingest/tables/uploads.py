"""Resumable uploads: how far each is, and the pieces that are in the store."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from shared.errors import Conflict, NotFound, Refused


class Piece(NamedTuple):
    """Bytes `start` to `start + size_bytes` of an upload, in the store under `key`."""

    start: int
    size_bytes: int
    key: str


class Upload(NamedTuple):
    """One upload. `batch` None: it becomes a batch of its own. `answer` None: it is not a document yet."""

    id: str
    batch: str | None
    name: str
    metadata: str
    size_bytes: int
    received: int
    answer: dict[str, Any] | None
    created_by: str
    expires_at: datetime.datetime


def add(connection: Connection, workspace: str, upload: Upload) -> None:
    """Record a new upload of which nothing has arrived yet."""
    connection.execute(_ADD, upload._asdict() | {"workspace": workspace, "answer": None})


def one(connection: Connection, workspace: str, upload: str) -> Upload:
    """The upload as it stands. Raises NotFound; Refused with status 410 where its time is over."""
    row = connection.execute(_ONE, {"id": upload, "workspace": workspace}).first()
    if row is None:
        raise NotFound(f"There is no upload {upload}.", action="Begin a new upload.")
    if row.expired:
        raise Expired(f"Upload {upload} has expired.", action="Begin a new upload.")
    return _upload(row)


class Expired(Refused):
    """The upload was left alone for too long."""

    code = "upload_expired"
    status = 410


def append(
    connection: Connection, workspace: str, upload: str, pieces: Sequence[Piece], expires_at: datetime.datetime
) -> None:
    """Add pieces that are in the store already, the first where the upload ends now.

    Raises Conflict where it ends elsewhere: somebody else wrote to it. So there is one writer at a time without
    anybody holding a lock while bytes trickle in.
    """
    end = pieces[-1].start + pieces[-1].size_bytes
    moved = connection.execute(
        _MOVE, {"id": upload, "workspace": workspace, "start": pieces[0].start, "end": end, "expires_at": expires_at}
    )
    if moved.rowcount != 1:
        raise Conflict(
            f"Upload {upload} does not end at byte {pieces[0].start} any more.",
            action="Ask for its offset (HEAD) and go on from there.",
            code="offset_conflict",
        )
    connection.execute(_PIECES, [piece._asdict() | {"upload": upload} for piece in pieces])


def pieces_of(connection: Connection, upload: str) -> list[Piece]:
    """The pieces that have arrived, in order."""
    return [Piece(*row) for row in connection.execute(_PIECES_OF, {"upload": upload})]


def complete(connection: Connection, workspace: str, upload: Upload, batch: str, answer: dict[str, Any]) -> None:
    """The upload has become a document: keep the answer, let go of the pieces.

    Raises Conflict where somebody else wrote to it meanwhile.
    """
    values = {"id": upload.id, "workspace": workspace, "start": upload.received, "batch": batch, "answer": answer}
    if connection.execute(_COMPLETE, values).rowcount != 1:
        raise Conflict(
            f"Upload {upload.id} was completed or ended by another request.",
            action="Ask for its state (GET).",
            code="offset_conflict",
        )
    connection.execute(_DROP_PIECES, {"uploads": [upload.id]})


def remove(connection: Connection, workspace: str, upload: str) -> list[str]:
    """End an upload; the keys of its pieces. A document that it became stays. Raises NotFound."""
    keys = list(connection.execute(_DROP_PIECES, {"uploads": [upload]}).scalars())
    if connection.execute(_REMOVE, {"id": upload, "workspace": workspace}).rowcount != 1:
        raise NotFound(f"There is no upload {upload}.", action="Begin a new upload.")
    return keys


def remove_expired(connection: Connection, workspace: str) -> list[str]:
    """End every upload whose time is over; the keys of their pieces."""
    expired = list(connection.execute(_EXPIRED, {"workspace": workspace}).scalars())
    keys = list(connection.execute(_DROP_PIECES, {"uploads": expired}).scalars())
    connection.execute(_REMOVE_ALL, {"uploads": expired})
    return keys


def _upload(row: Row[Any]) -> Upload:
    return Upload(
        row.id, row.batch_id, row.name, row.metadata, row.size_bytes, row.received, row.answer, row.created_by,
        row.expires_at,
    )  # fmt: skip


_ADD = text(
    "INSERT INTO ingest.uploads (id, workspace_id, batch_id, name, metadata, size_bytes, created_by, expires_at)"
    " VALUES (:id, :workspace, :batch, :name, :metadata, :size_bytes, :created_by, :expires_at)"
)
_ONE = text(
    "SELECT *, expires_at <= clock_timestamp() AS expired FROM ingest.uploads"
    " WHERE id = :id AND workspace_id = :workspace"
)
_MOVE = text(
    "UPDATE ingest.uploads SET received = :end, expires_at = :expires_at"
    " WHERE id = :id AND workspace_id = :workspace AND received = :start AND answer IS NULL AND size_bytes > :end"
)
_PIECES = text(
    "INSERT INTO ingest.pieces (upload_id, start, size_bytes, piece_key) VALUES (:upload, :start, :size_bytes, :key)"
)
_PIECES_OF = text("SELECT start, size_bytes, piece_key FROM ingest.pieces WHERE upload_id = :upload ORDER BY start")
_COMPLETE = text(
    "UPDATE ingest.uploads SET received = size_bytes, batch_id = :batch, answer = :answer"
    " WHERE id = :id AND workspace_id = :workspace AND received = :start AND answer IS NULL"
).bindparams(bindparam("answer", type_=JSONB))
_DROP_PIECES = text("DELETE FROM ingest.pieces WHERE upload_id = ANY(:uploads) RETURNING piece_key")
_EXPIRED = text(
    "SELECT id FROM ingest.uploads WHERE workspace_id = :workspace AND expires_at <= clock_timestamp() FOR UPDATE"
)
_REMOVE = text("DELETE FROM ingest.uploads WHERE id = :id AND workspace_id = :workspace")
_REMOVE_ALL = text("DELETE FROM ingest.uploads WHERE id = ANY(:uploads)")
