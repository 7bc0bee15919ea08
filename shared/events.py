"""What became of documents, as a stream that nobody can miss a part of: for followers, and for webhooks.

The database writes an event in the transaction in which a document ends. Its position in the stream is given later,
by whoever reads next and one at a time, so that positions follow the commits: what a reader has passed is never
added to. Events go with their document.
"""

from __future__ import annotations

import datetime
from typing import Any, NamedTuple

from sqlalchemy import Engine, text


class Event(NamedTuple):
    """A document came to its end (again): `state` is succeeded, failed, canceled or skipped."""

    position: int
    workspace: str
    batch: str | None
    document: str
    state: str
    #: {code, message, action}; None for a success.
    reason: dict[str, Any] | None
    at: datetime.datetime


def after(
    engine: Engine, position: int, *, workspace: str | None = None, batch: str | None = None, limit: int = 500
) -> list[Event]:
    """At most `limit` events behind `position`, in order; of one workspace or batch, or all."""
    _number(engine)
    with engine.connect() as connection:
        values = {"position": position, "workspace": workspace, "batch": batch, "limit": limit}
        return [Event(*row) for row in connection.execute(_AFTER, values)]


def latest(engine: Engine) -> int:
    """The position of the newest event that was committed; 0 where there is none."""
    _number(engine)
    with engine.connect() as connection:
        return int(connection.execute(_LATEST).scalar_one())


def _number(engine: Engine) -> None:
    """Give every committed event its position, one process at a time."""
    with engine.connect() as connection:
        if connection.execute(_UNNUMBERED).first() is None:
            return
    with engine.begin() as connection:
        connection.execute(_ALONE)
        connection.execute(_NUMBER)


_UNNUMBERED = text("SELECT 1 FROM ledger.events WHERE position IS NULL LIMIT 1")
_ALONE = text("SELECT pg_advisory_xact_lock(hashtext('dossier.events'))")
#: The order by id is settled before positions are drawn from the sequence.
_NUMBER = text(
    "UPDATE ledger.events SET position = numbered.position FROM (SELECT id, nextval('ledger.event_positions') AS"
    " position FROM (SELECT id FROM ledger.events WHERE position IS NULL ORDER BY id) AS waiting) AS numbered"
    " WHERE events.id = numbered.id"
)
_AFTER = text(
    "SELECT position, workspace_id, batch_id, document_id, state, reason, at FROM ledger.events"
    " WHERE position > :position AND (CAST(:workspace AS text) IS NULL OR workspace_id = :workspace)"
    " AND (CAST(:batch AS text) IS NULL OR batch_id = :batch) ORDER BY position LIMIT :limit"
)
_LATEST = text("SELECT COALESCE(max(position), 0) FROM ledger.events")
