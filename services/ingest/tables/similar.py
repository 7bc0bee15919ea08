"""Signatures of readings, found again by the bands they have in common; each workspace looks at its own only."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, text

from services.ingest.similarity import THRESHOLD, bands_of, score

#: So many candidates are compared, the newest: more only where a workspace holds a thousand copies of one text.
_MOST_COMPARED = 1_000
_MOST_SHOWN = 10


def keep(connection: Connection, workspace: str, document: str, signature: bytes | None) -> None:
    """Make this the document's signature; None for a text too short to have one."""
    if signature is None:
        connection.execute(_DROP, {"document": document})
        return
    values = {"document": document, "workspace": workspace, "signature": signature}
    connection.execute(_KEEP, values | {"bands": bands_of(signature, workspace)})


def similar_to(connection: Connection, workspace: str, document: str) -> list[dict[str, Any]]:
    """At most ten documents of the workspace that say nearly the same, most alike first: document, name, score."""
    signature = connection.execute(_OWN, {"document": document, "workspace": workspace}).scalar()
    if signature is None:
        return []
    values = {"document": document, "workspace": workspace, "most": _MOST_COMPARED}
    rows = connection.execute(_CANDIDATES, values | {"bands": bands_of(signature, workspace)})
    scored = [(score(signature, row.signature), row.document_id, row.name) for row in rows]
    alike = sorted((one for one in scored if one[0] >= THRESHOLD), key=lambda one: (-one[0], one[1]))
    return [{"document": other, "name": name, "score": round(found, 2)} for found, other, name in alike[:_MOST_SHOWN]]


_DROP = text("DELETE FROM ingest.signatures WHERE document_id = :document")
_KEEP = text(
    "INSERT INTO ingest.signatures (document_id, workspace_id, signature, bands)"
    " VALUES (:document, :workspace, :signature, CAST(:bands AS int[]))"
    " ON CONFLICT (document_id) DO UPDATE SET signature = excluded.signature, bands = excluded.bands"
)
_OWN = text("SELECT signature FROM ingest.signatures WHERE document_id = :document AND workspace_id = :workspace")
_CANDIDATES = text(
    # Materialized: with the order and the limit in sight, the planner would rather walk through all documents.
    "WITH alike AS MATERIALIZED (SELECT document_id, signature FROM ingest.signatures"
    "  WHERE bands && CAST(:bands AS int[]) AND workspace_id = :workspace AND document_id <> :document)"
    " SELECT document_id, documents.name, signature FROM alike JOIN ledger.documents ON documents.id = document_id"
    " ORDER BY document_id DESC LIMIT :most"
)
