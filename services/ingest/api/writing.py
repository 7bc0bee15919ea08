"""One PATCH of a resumable upload: its bytes become pieces in the store, and the last of them a document.

A piece counts when its row is committed, after its bytes are durable; so the offset survives whatever dies. The end
of the upload, the document with its job, and the answer are one transaction: there is no upload that is complete and
forgotten.
"""

from __future__ import annotations

import datetime
import io
from collections.abc import Iterator, Sequence
from typing import Any, cast

from services.ingest.api import failpoints
from services.ingest.api.receiving import Received, admitted
from services.ingest.settings import settings
from services.ingest.tables import batches, garbage, uploads
from services.ingest.tables.files import Arrived
from services.ingest.tables.uploads import Piece, Upload
from services.ingest.tus import Checksum, ChecksumMismatch, TooLarge
from shared import access, ledger
from shared.access import Caller
from shared.desk import Desk
from shared.errors import Conflict, Refused
from shared.store import Store

#: What a broken connection loses at the most, and what is held in memory for each upload under way.
PIECE_BYTES = 8 << 20


class Writing:
    """Takes the body of one PATCH piece by piece. With a checksum nothing counts before all of it has come."""

    def __init__(self, desk: Desk, caller: Caller, upload: Upload, checksum: Checksum | None) -> None:
        self._desk = desk
        self._caller = caller
        self._upload = upload
        self._checksum = checksum
        self._uncounted: list[Piece] = []
        self._last: bytes | None = None
        #: Where the next byte goes, counted or not.
        self.offset = upload.received

    def take(self, content: bytes) -> None:
        """The next bytes, as many as PIECE_BYTES. Raises TooLarge beyond the upload's size, Conflict, Unavailable."""
        if not content:
            return
        if self.offset + len(content) > self._upload.size_bytes:
            raise TooLarge(
                f"The upload was announced with {self._upload.size_bytes:,} bytes, and more of them came.",
                action="Begin a new upload with the right Upload-Length.",
            )
        if self._checksum is not None:
            self._checksum.update(content)
        if self.offset + len(content) == self._upload.size_bytes:
            self._last = content
        else:
            key = self._desk.store.put(self._caller.workspace, "pieces", content).key
            failpoints.at("tus.piece_stored")
            self._uncounted.append(Piece(self.offset, len(content), key))
            if self._checksum is None:
                self._count()
        self.offset += len(content)

    def end(self) -> None:
        """All of the body has come. Raises ChecksumMismatch, and whatever admitting the document raises."""
        if self._checksum is not None:
            try:
                self._checksum.check()
            except ChecksumMismatch:
                self._drop([piece.key for piece in self._uncounted])
                raise
        if self._last is not None:
            self._complete(self._last)
        else:
            self._count()

    def _count(self) -> None:
        """Let what is in the store count."""
        pieces, self._uncounted = self._uncounted, []
        if not pieces:
            return
        workspace = self._caller.workspace
        with self._desk.transaction() as transaction:
            garbage.hold(transaction, self._desk.store, workspace, [piece.key for piece in pieces])
            uploads.append(transaction, workspace, self._upload.id, pieces, expiry())
        failpoints.at("tus.piece_committed")
        last = pieces[-1]
        self._upload = self._upload._replace(received=last.start + last.size_bytes)

    def _complete(self, last: bytes) -> None:
        """Put the pieces together and make a document of them."""
        desk, workspace, upload = self._desk, self._caller.workspace, self._upload
        with desk.engine.connect() as connection:
            pieces = uploads.pieces_of(connection, upload.id)
        keys = [piece.key for piece in (*pieces, *self._uncounted)]
        whole = cast(Any, io.BufferedReader(_Joined(desk.store, keys, last)))
        stored = desk.store.put(workspace, "originals", whole)
        failpoints.at("tus.whole_stored")
        found = Received({}, [(upload.name, Arrived(upload.name, stored.key, stored.sha256, stored.size_bytes))])
        with desk.transaction() as transaction:
            batch = upload.batch or ledger.new_id("bat")
            if upload.batch is None:
                batches.add(transaction, batch, workspace, upload.name, self._caller.name)
                access.record(transaction, workspace, self._caller.name, "batch.make", batch)
            else:
                _still_open(transaction, workspace, batch)
            (answer,) = admitted(transaction, desk.store, workspace, batch, found)
            if upload.batch is None:
                batches.finalize(transaction, workspace, batch)
            uploads.complete(transaction, workspace, upload, batch, answer)
            failpoints.at("tus.written")
        failpoints.at("tus.committed")
        self._drop(keys)

    def _drop(self, keys: Sequence[str]) -> None:
        """Delete pieces that are not needed any more; a crash before that leaves them to the collector."""
        if keys:
            with self._desk.transaction() as transaction:
                garbage.discard(transaction, self._caller.workspace, keys)
            garbage.sweep(self._desk.engine, self._desk.store, self._caller.workspace, keys=keys)


def expiry() -> datetime.datetime:
    """When an upload that was touched now is removed."""
    return datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=settings().upload_hours)


def _still_open(transaction: Any, workspace: str, batch: str) -> None:
    """As `batches.open_for_files`, but no conflict of offsets, which a client would answer by trying again."""
    try:
        batches.open_for_files(transaction, workspace, batch)
    except Conflict as closed:
        raise Refused(closed.public, action=closed.action, code="batch_finalized") from closed


class _Joined(io.RawIOBase):
    """The pieces in the store, one after the other, and then the last one; holds one of them at a time."""

    def __init__(self, store: Store, keys: Sequence[str], last: bytes) -> None:
        super().__init__()
        self._parts = self._contents(store, keys, last)
        self._part = memoryview(b"")

    def readable(self) -> bool:
        """It can be read, once."""
        return True

    def readinto(self, buffer: Any) -> int:
        """As `io.RawIOBase.readinto`; 0 at the end."""
        if not self._part:
            self._part = memoryview(next(self._parts, b""))
        count = min(len(buffer), len(self._part))
        buffer[:count] = self._part[:count]
        self._part = self._part[count:]
        return count

    @staticmethod
    def _contents(store: Store, keys: Sequence[str], last: bytes) -> Iterator[bytes]:
        for key in keys:
            yield store.get(key)
        yield last
