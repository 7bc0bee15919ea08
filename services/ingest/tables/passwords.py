"""Passwords of encrypted files, sealed: needed whenever the file is read again or a page of it is drawn."""

from __future__ import annotations

from sqlalchemy import Connection, text

from services.ingest.sealing import Sealed, opened
from services.ingest.tables import garbage
from shared.store import Store


def keep(connection: Connection, document: str, sealed: Sealed) -> None:
    """This is the document's password from now on."""
    connection.execute(_KEEP, sealed._asdict() | {"document": document})


def of(connection: Connection, store: Store, document: str) -> str | None:
    """The document's password; None where nobody gave one."""
    row = connection.execute(_OF, {"document": document}).first()
    return None if row is None else opened(store, Sealed(row.secret_key, bytes(row.sealed)))


def forget(connection: Connection, workspace: str, document: str) -> list[str]:
    """Drop the document's password; what may be swept from the store after the commit."""
    keys = list(connection.execute(_FORGET, {"document": document}).scalars())
    garbage.discard(connection, workspace, keys)
    return keys


_KEEP = text(
    "INSERT INTO ingest.passwords (document_id, secret_key, sealed) VALUES (:document, :secret_key, :sealed)"
    " ON CONFLICT (document_id) DO UPDATE SET secret_key = excluded.secret_key, sealed = excluded.sealed"
)
_OF = text("SELECT secret_key, sealed FROM ingest.passwords WHERE document_id = :document")
_FORGET = text("DELETE FROM ingest.passwords WHERE document_id = :document RETURNING secret_key")
