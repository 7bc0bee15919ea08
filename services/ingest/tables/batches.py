"""Batches, and how far they are."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, text

from shared.errors import Conflict, NotFound

#: States in which nothing more happens to a document by itself.
_ENDED = ("succeeded", "failed", "canceled", "skipped")


def add(connection: Connection, batch: str, workspace: str, name: str, by: str) -> None:
    """Record an empty batch that is still open for files."""
    connection.execute(_ADD, {"id": batch, "workspace": workspace, "name": name, "by": by})


def finalize(connection: Connection, workspace: str, batch: str) -> None:
    """Close the batch for files; closing it again changes nothing. Raises NotFound."""
    owned(connection, workspace, batch)
    connection.execute(_FINALIZE, {"id": batch})


def cancel(connection: Connection, workspace: str, batch: str) -> None:
    """Close the batch and note that a person gave it up; its documents are the ledger's business."""
    owned(connection, workspace, batch)
    connection.execute(_CANCEL, {"id": batch})


def reopen(connection: Connection, batch: str) -> None:
    """Some of its documents start again: it is not canceled any more."""
    connection.execute(_REOPEN, {"id": batch})


def open_for_files(connection: Connection, workspace: str, batch: str) -> None:
    """Raise NotFound where there is no such batch, Conflict where it takes no more files; locks it otherwise."""
    row = owned(connection, workspace, batch)
    if row.finalized_at is not None:
        raise Conflict(f"Batch {batch} is finalized.", action="Begin a new batch for more files.")


def owned(connection: Connection, workspace: str, batch: str) -> Row[Any]:
    """The batch, locked against changes of its state; raises NotFound where this workspace has none with that id."""
    row = connection.execute(_OWNED, {"id": batch, "workspace": workspace}).first()
    if row is None:
        raise NotFound(f"There is no batch {batch}.", action="GET /v1/batches lists them.")
    return row


def shown(connection: Connection, workspace: str, batch: str) -> dict[str, Any]:
    """The batch as the API shows it; raises NotFound."""
    found = _shown_all(connection, _ONE, {"workspace": workspace, "id": batch})
    if not found:
        raise NotFound(f"There is no batch {batch}.", action="GET /v1/batches lists them.")
    return found[0]


def listed(connection: Connection, workspace: str, cursor: str | None, limit: int) -> list[dict[str, Any]]:
    """At most `limit` batches older than `cursor`, newest first."""
    return _shown_all(connection, _LIST, {"workspace": workspace, "cursor": cursor, "limit": limit})


def newly_ended(connection: Connection) -> list[tuple[str, str]]:
    """(workspace, batch) of every batch that has ended since it was last asked; each is given once for each end."""
    return [(row.workspace_id, row.id) for row in connection.execute(_ANNOUNCE)]


def failed_documents(connection: Connection, workspace: str, batch: str) -> list[str]:
    """The documents of the batch that a retry would start again: failed and canceled ones."""
    return list(connection.execute(_FAILED, {"workspace": workspace, "batch": batch}).scalars())


def _shown_all(connection: Connection, query: Any, values: dict[str, Any]) -> list[dict[str, Any]]:
    return [_batch(row) for row in connection.execute(query, values)]


def _batch(row: Row[Any]) -> dict[str, Any]:
    counts: dict[str, int] = row.counts or {}
    total = sum(counts.values())
    ended = sum(counts.get(state, 0) for state in _ENDED)
    finalized = row.finalized_at is not None
    return {
        "id": row.id,
        "name": row.name,
        "state": _state(counts, finalized, row.canceled_at is not None),
        "counts": counts,
        "needs_review": row.needs_review,
        "total": total,
        "percent_completed": round(100 * ended / total, 1) if total else (100.0 if finalized else 0.0),
        "created_at": row.created_at,
        "last_progress_at": row.last_progress_at,
        "finalized": finalized,
    }


def _state(counts: dict[str, int], finalized: bool, canceled: bool) -> str:
    """The batch's state from those of its documents; duplicates count as done."""
    if counts.get("running"):
        return "running"
    if counts.get("pending"):
        return "running" if any(counts.get(state) for state in _ENDED) else "pending"
    if not finalized:
        return "running" if counts else "pending"
    good, bad = counts.get("succeeded", 0) + counts.get("skipped", 0), counts.get("failed", 0)
    if counts.get("canceled") or (canceled and not counts):
        return "partially_succeeded" if good and not canceled else "canceled"
    if bad:
        return "partially_succeeded" if good else "failed"
    return "succeeded"


def ended(batch: dict[str, Any]) -> bool:
    """Whether nothing more happens to a batch as `shown` gives it."""
    return batch["state"] in ("succeeded", "partially_succeeded", "failed", "canceled")


_COLUMNS = (
    "SELECT batches.id, batches.name, batches.finalized_at, batches.canceled_at, batches.created_at,"
    " progress.counts, progress.last_progress_at, COALESCE(waiting.found, 0) AS needs_review FROM ingest.batches"
    " LEFT JOIN LATERAL (SELECT jsonb_object_agg(state, found) AS counts, max(latest) AS last_progress_at FROM"
    "  (SELECT state, count(*) AS found, max(updated_at) AS latest FROM ledger.documents"
    "   WHERE batch_id = batches.id GROUP BY state) AS by_state) AS progress ON true"
    " LEFT JOIN LATERAL (SELECT count(*) AS found FROM ledger.documents"
    "  JOIN review.published_verdicts ON published_verdicts.document_id = documents.id"
    "  WHERE documents.batch_id = batches.id AND decision = 'needs_review') AS waiting ON true"
    " WHERE batches.workspace_id = :workspace"
)
_ONE = text(f"{_COLUMNS} AND batches.id = :id")
_LIST = text(
    f"{_COLUMNS} AND (CAST(:cursor AS text) IS NULL OR batches.id < :cursor) ORDER BY batches.id DESC LIMIT :limit"
)
_ADD = text("INSERT INTO ingest.batches (id, workspace_id, name, created_by) VALUES (:id, :workspace, :name, :by)")
_FINALIZE = text("UPDATE ingest.batches SET finalized_at = clock_timestamp() WHERE id = :id AND finalized_at IS NULL")
_CANCEL = text(
    "UPDATE ingest.batches SET canceled_at = clock_timestamp(),"
    " finalized_at = COALESCE(finalized_at, clock_timestamp()) WHERE id = :id"
)
_REOPEN = text("UPDATE ingest.batches SET canceled_at = NULL, announced_at = NULL WHERE id = :id")
_ANNOUNCE = text(
    "UPDATE ingest.batches SET announced_at = clock_timestamp() WHERE id IN (SELECT id FROM ingest.batches AS ended"
    "  WHERE finalized_at IS NOT NULL AND announced_at IS NULL AND NOT EXISTS (SELECT FROM ledger.documents"
    "   WHERE batch_id = ended.id AND state IN ('pending', 'running')) ORDER BY id LIMIT 200 FOR UPDATE SKIP LOCKED)"
    " RETURNING id, workspace_id"
)
_OWNED = text("SELECT * FROM ingest.batches WHERE id = :id AND workspace_id = :workspace FOR UPDATE")
_FAILED = text(
    "SELECT id FROM ledger.documents WHERE workspace_id = :workspace AND batch_id = :batch"
    " AND state IN ('failed', 'canceled') ORDER BY id"
)
