"""The files of documents: where their bytes are, which of them are duplicates, what was read from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from shared import ledger
from shared.errors import NotFound


class Arrived(NamedTuple):
    """A file that is in the store already and wants to become a document."""

    name: str
    original_key: str
    sha256: str
    size_bytes: int


class Admitted(NamedTuple):
    """What became of it: `duplicate_of` is the document that stands for the same bytes, None for a new one."""

    name: str
    document: str
    duplicate_of: str | None


def admit(
    connection: Connection,
    workspace: str,
    batch: str | None,
    arrived: Sequence[Arrived],
    *,
    parent: str | None = None,
    depth: int = 0,
) -> list[Admitted]:
    """Make a document of each file, in order. One that the workspace holds already becomes a skipped document.

    The first with some bytes stands for all of them, unless its document failed or was canceled: then the new one
    takes its place. Two requests with the same file wait for each other here. Sends no jobs.
    """
    fresh: dict[str, str] = {}
    ids = sorted(ledger.new_id("doc") for _ in arrived)  # ids of one millisecond are in no order by themselves
    for file, document in zip(arrived, ids, strict=True):
        fresh.setdefault(file.sha256, document)
    owners = _owners(connection, workspace, fresh)
    admitted = [
        Admitted(file.name, document, None if owners[file.sha256] == document else owners[file.sha256])
        for file, document in zip(arrived, ids, strict=True)
    ]
    common = {"workspace_id": workspace, "batch_id": batch, "parent_id": parent}
    ledger.add_documents(connection, [_document(entry) | common for entry in admitted])
    rows = [
        {
            "document": entry.document,
            "workspace": workspace,
            "key": file.original_key,
            "sha256": file.sha256,
            "size": file.size_bytes,
            "depth": depth,
            "duplicate_of": entry.duplicate_of,
        }
        for file, entry in zip(arrived, admitted, strict=True)
    ]
    if rows:
        connection.execute(_FILE, rows)
    return admitted


def _owners(connection: Connection, workspace: str, fresh: dict[str, str]) -> dict[str, str]:
    """For each SHA-256 the document that stands for it from now on."""
    hashes = sorted(fresh)  # always in one order: two requests must not wait for each other in a circle
    values = {"workspace": workspace, "hashes": hashes, "documents": [fresh[one] for one in hashes]}
    return {row.sha256: row.document_id for row in connection.execute(_OWN, values)}


def _document(entry: Admitted) -> dict[str, Any]:
    if entry.duplicate_of is None:
        return {"id": entry.document, "name": entry.name}
    reason = {
        "code": "duplicate",
        "message": f"The same file is here already, as document {entry.duplicate_of}.",
        "action": "Open that one.",
    }
    return {"id": entry.document, "name": entry.name, "state": "skipped", "reason": reason}


def file_of(connection: Connection, workspace: str, document: str) -> Row[Any]:
    """Name, batch_id, state, original_key, sha256, size_bytes, depth of a document; raises NotFound."""
    row = connection.execute(_FILE_OF, {"document": document, "workspace": workspace}).first()
    if row is None:
        raise NotFound(f"There is no document {document}.", action="Check the id, and the workspace of the key.")
    return row


def children_of(connection: Connection, document: str) -> Sequence[Row[Any]]:
    """The documents found inside this one: id, name, state, sha256, in order."""
    return connection.execute(_CHILDREN, {"document": document}).all()


def count_in(connection: Connection, batch: str) -> int:
    """How many documents the batch has so far, duplicates included."""
    return int(connection.execute(_COUNT, {"batch": batch}).scalar_one())


def keep_reading(connection: Connection, document: str, reading: dict[str, Any]) -> None:
    """Make this the document's only reading; page pictures stay, they come from the original."""
    connection.execute(_READING, {"document": document} | reading)


def picture_key(connection: Connection, document: str, page: int, width: int) -> str | None:
    """Where the picture of a page lies, None where it was not drawn yet."""
    key: str | None = connection.execute(_PICTURE, {"document": document, "page": page, "width": width}).scalar()
    return key


def keep_picture(connection: Connection, document: str, page: int, width: int, key: str) -> None:
    """Remember where the picture of a page lies."""
    connection.execute(_KEEP_PICTURE, {"document": document, "page": page, "width": width, "key": key})


def family(connection: Connection, document: str) -> list[str]:
    """The document and everything found inside it, at any depth."""
    return list(connection.execute(_FAMILY, {"document": document}).scalars())


def keys_of(connection: Connection, documents: Sequence[str]) -> list[str]:
    """Every store key that only these documents use: what may be deleted once their rows are gone."""
    return list(connection.execute(_KEYS, {"documents": list(documents)}).scalars())


_COUNT = text("SELECT count(*) FROM ledger.documents WHERE batch_id = :batch")
_OWN = text(
    "INSERT INTO ingest.contents AS held (workspace_id, sha256, document_id)"
    " SELECT :workspace, sha256, document_id FROM unnest(CAST(:hashes AS text[]), CAST(:documents AS text[]))"
    "  AS fresh(sha256, document_id)"
    " ON CONFLICT (workspace_id, sha256) DO UPDATE SET document_id = CASE WHEN EXISTS"
    "  (SELECT 1 FROM ledger.documents WHERE id = held.document_id AND state NOT IN ('failed', 'canceled'))"
    "  THEN held.document_id ELSE excluded.document_id END RETURNING sha256, document_id"
)
_FILE = text(
    "INSERT INTO ingest.files (document_id, workspace_id, original_key, sha256, size_bytes, depth, duplicate_of)"
    " VALUES (:document, :workspace, :key, :sha256, :size, :depth, :duplicate_of)"
)
_FILE_OF = text(
    "SELECT documents.name, documents.batch_id, documents.state, original_key, sha256, size_bytes, depth"
    " FROM ingest.files JOIN ledger.documents ON documents.id = files.document_id"
    " WHERE files.document_id = :document AND files.workspace_id = :workspace"
)
_CHILDREN = text(
    "SELECT documents.id, documents.name, documents.state, files.sha256 FROM ledger.documents"
    " JOIN ingest.files ON files.document_id = documents.id WHERE parent_id = :document ORDER BY documents.id"
)
_READING = text(
    "INSERT INTO ingest.readings (document_id, reading_key, media_type, language, page_count, characters, quality,"
    "  source, notes, container) VALUES (:document, :reading_key, :media_type, :language, :page_count, :characters,"
    "  :quality, :source, :notes, :container)"
    " ON CONFLICT (document_id) DO UPDATE SET reading_key = excluded.reading_key, media_type = excluded.media_type,"
    "  language = excluded.language, page_count = excluded.page_count, characters = excluded.characters,"
    "  quality = excluded.quality, source = excluded.source, notes = excluded.notes,"
    "  container = excluded.container, created_at = clock_timestamp()"
).bindparams(bindparam("notes", type_=JSONB))
_PICTURE = text(
    "SELECT picture_key FROM ingest.pictures WHERE document_id = :document AND page = :page AND width = :width"
)
_KEEP_PICTURE = text(
    "INSERT INTO ingest.pictures (document_id, page, width, picture_key) VALUES (:document, :page, :width, :key)"
    " ON CONFLICT DO NOTHING"
)
_FAMILY = text(
    "WITH RECURSIVE inside AS (SELECT CAST(:document AS text) AS id UNION"
    " SELECT documents.id FROM ledger.documents JOIN inside ON documents.parent_id = inside.id) SELECT id FROM inside"
)
_KEYS = text(
    "WITH used AS (SELECT document_id, original_key AS key FROM ingest.files"
    "  UNION ALL SELECT document_id, reading_key FROM ingest.readings"
    "  UNION ALL SELECT document_id, picture_key FROM ingest.pictures"
    "  UNION ALL SELECT document_id, secret_key FROM ingest.passwords)"
    " SELECT key FROM used GROUP BY key HAVING bool_and(document_id = ANY(:documents))"
)
