"""Documents as people list them: the ledger's state, the reading, the class, the verdict, in one query.

Reads other services only through their published views. A person's class outranks a machine's.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, Row, text


class Wanted(BaseModel):
    """Which documents to list; None leaves a condition out. `category` is the first level of the class."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    batch: str | None = None
    state: str | None = None
    category: str | None = None
    language: str | None = None
    needs_review: bool | None = None
    #: Part of the name, in any case.
    q: str | None = None
    parent: str | None = None


def listed(
    connection: Connection, workspace: str, wanted: Wanted, cursor: str | None, limit: int
) -> list[dict[str, Any]]:
    """At most `limit` documents older than `cursor`, newest first."""
    values = wanted.model_dump() | {"workspace": workspace, "cursor": cursor, "limit": limit, "document": None}
    values["q"] = _pattern(wanted.q)
    return [shown(row) for row in connection.execute(_LIST, values)]


def one(connection: Connection, workspace: str, document: str) -> dict[str, Any] | None:
    """The document with its notes; None where this workspace has none with that id."""
    values = Wanted().model_dump() | {"workspace": workspace, "cursor": None, "limit": 1, "document": document}
    row = connection.execute(_LIST, values).first()
    return None if row is None else shown(row) | {"notes": row.notes or [], "progress": row.progress}


def shown(row: Row[Any]) -> dict[str, Any]:
    """The document as the API shows it."""
    return {
        "id": row.id,
        "batch": row.batch_id,
        "parent": row.parent_id,
        "name": row.name,
        "state": row.state,
        "reason": row.reason,
        "media_type": row.media_type,
        "language": row.language,
        "page_count": row.page_count,
        "size_bytes": row.size_bytes,
        "path": row.path,
        "class_confidence": None if row.human or not row.confidence else row.confidence[-1],
        "decision": row.decision,
        "duplicate_of": row.duplicate_of,
        "created_at": row.created_at,
        "finished_at": row.finished_at,
    }


def _pattern(part: str | None) -> str | None:
    if part is None:
        return None
    escaped = part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


_LIST = text(
    "SELECT documents.*, readings.media_type, readings.language, readings.page_count, readings.notes,"
    " files.size_bytes, files.duplicate_of, COALESCE(said.path, published_classes.path) AS path,"
    " said.path IS NOT NULL AS human, published_classes.confidence, published_verdicts.decision"
    " FROM ledger.documents"
    " LEFT JOIN ingest.files ON files.document_id = documents.id"
    " LEFT JOIN ingest.readings ON readings.document_id = documents.id"
    " LEFT JOIN classify.published_classes ON published_classes.document_id = documents.id"
    " LEFT JOIN review.published_verdicts ON published_verdicts.document_id = documents.id"
    " LEFT JOIN LATERAL (SELECT path FROM review.published_labels WHERE task = 'class'"
    "  AND published_labels.document_id = documents.id AND NOT audit ORDER BY created_at DESC LIMIT 1) AS said ON true"
    " WHERE documents.workspace_id = :workspace"
    " AND (CAST(:document AS text) IS NULL OR documents.id = :document)"
    " AND (CAST(:cursor AS text) IS NULL OR documents.id < :cursor)"
    " AND (CAST(:batch AS text) IS NULL OR documents.batch_id = :batch)"
    " AND (CAST(:parent AS text) IS NULL OR documents.parent_id = :parent)"
    " AND (CAST(:state AS text) IS NULL OR documents.state = :state)"
    " AND (CAST(:language AS text) IS NULL OR readings.language = :language)"
    " AND (CAST(:category AS text) IS NULL OR (COALESCE(said.path, published_classes.path))[1] = :category)"
    " AND (CAST(:needs_review AS boolean) IS NULL"
    "  OR (COALESCE(published_verdicts.decision, '') = 'needs_review') = :needs_review)"
    " AND (CAST(:q AS text) IS NULL OR documents.name ILIKE :q)"
    " ORDER BY documents.id DESC LIMIT :limit"
)
