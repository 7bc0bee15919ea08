"""Webhooks, and the deliveries to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, text

from services.ingest.sealing import Sealed
from services.ingest.webhooks import LONGEST_PAUSE_S, PAUSE_S, Outcome
from shared.errors import NotFound


class Delivery(NamedTuple):
    """One event on its way to one webhook. `pause_s`: its receiver is to be left alone for so long."""

    id: str
    webhook: str
    url: str
    event_id: str
    body: str
    attempts: int
    sealed: Sealed
    pause_s: float


def add(
    connection: Connection, workspace: str, webhook: str, url: str, events: Sequence[str], sealed: Sealed, by: str
) -> None:
    """Record a webhook; it hears of what happens from now on."""
    values = {"id": webhook, "workspace": workspace, "url": url, "events": list(events), "by": by}
    connection.execute(_ADD, values | sealed._asdict())


def listed(connection: Connection, workspace: str, cursor: str | None, limit: int) -> list[dict[str, Any]]:
    """At most `limit` webhooks of the workspace older than `cursor`, newest first, without their secrets."""
    values = {"workspace": workspace, "cursor": cursor, "limit": limit, "webhook": None}
    return [dict(row._mapping) for row in connection.execute(_LIST, values)]


def one(connection: Connection, workspace: str, webhook: str) -> dict[str, Any]:
    """One webhook. Raises NotFound."""
    values = {"workspace": workspace, "cursor": None, "limit": 1, "webhook": webhook}
    row = connection.execute(_LIST, values).first()
    if row is None:
        raise NotFound(f"There is no webhook {webhook}.", action="GET /v1/webhooks lists them.")
    return dict(row._mapping)


def remove(connection: Connection, workspace: str, webhook: str) -> list[str]:
    """Delete a webhook and its deliveries; the store's key to its secret. Raises NotFound."""
    keys = list(connection.execute(_REMOVE, {"id": webhook, "workspace": workspace}).scalars())
    if not keys:
        raise NotFound(f"There is no webhook {webhook}.", action="GET /v1/webhooks lists them.")
    return keys


def listening(connection: Connection, workspaces: Sequence[str]) -> Sequence[Row[Any]]:
    """The webhooks that want to hear: id, workspace_id, events, created_at."""
    return connection.execute(_LISTENING, {"workspaces": list(workspaces)}).all()


def deliver_later(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Record deliveries: dicts of id, webhook, event_id, event, body."""
    if rows:
        connection.execute(_DELIVERY, list(rows))


def waiting(connection: Connection, workspace: str, delivery: str) -> Delivery | None:
    """A delivery that is still to be made; None where it was made, given up, or its webhook is gone."""
    row = connection.execute(_WAITING, {"id": delivery, "workspace": workspace}).first()
    if row is None:
        return None
    sealed = Sealed(row.secret_key, bytes(row.sealed))
    return Delivery(row.id, row.webhook_id, row.url, row.event_id, row.body, row.attempts, sealed, row.pause_s)


def tried(connection: Connection, delivery: Delivery, outcome: Outcome, *, dead: bool) -> None:
    """Note what a try came to; a receiver that did not take it is left alone for a while, one that is gone for good."""
    state = "delivered" if outcome.taken else ("dead" if dead else "waiting")
    noted = {"id": delivery.id, "state": state, "status": outcome.status, "trouble": outcome.trouble or None}
    connection.execute(_TRIED, noted)
    pause = {"webhook": delivery.webhook, "pause": PAUSE_S, "longest": LONGEST_PAUSE_S, "gone": outcome.gone}
    connection.execute(_REST if not outcome.taken else _AWAKE, pause)


def deliveries(
    connection: Connection, workspace: str, webhook: str, state: str | None, cursor: str | None, limit: int
) -> list[dict[str, Any]]:
    """At most `limit` deliveries of a webhook older than `cursor`, newest first."""
    values = {"workspace": workspace, "webhook": webhook, "state": state, "cursor": cursor, "limit": limit}
    return [dict(row._mapping) for row in connection.execute(_DELIVERIES, values)]


def revive(connection: Connection, workspace: str, webhook: str, chosen: Sequence[str]) -> list[str]:
    """Let dead deliveries (all, or the chosen ones) wait again, and the webhook hear again; their ids."""
    one(connection, workspace, webhook)
    connection.execute(_AWAKE, {"webhook": webhook})
    values = {"webhook": webhook, "all": not chosen, "chosen": list(chosen)}
    return list(connection.execute(_REVIVE, values).scalars())


def told_until(connection: Connection) -> int | None:
    """How far in the stream of events webhooks were told; locks it. None while another process is at it."""
    position: int | None = connection.execute(_TOLD).scalar()
    return position


def tell_until(connection: Connection, position: int) -> None:
    """Webhooks were told of everything up to `position`."""
    connection.execute(_TELL, {"position": position})


_ADD = text(
    "INSERT INTO ingest.webhooks (id, workspace_id, url, events, secret_key, sealed, created_by)"
    " VALUES (:id, :workspace, :url, :events, :secret_key, :sealed, :by)"
)
_LIST = text(
    "SELECT id, url, events, created_by, created_at, disabled_at, failures,"
    " (SELECT count(*) FROM ingest.deliveries WHERE webhook_id = webhooks.id AND state = 'waiting') AS waiting,"
    " (SELECT count(*) FROM ingest.deliveries WHERE webhook_id = webhooks.id AND state = 'dead') AS dead"
    " FROM ingest.webhooks WHERE workspace_id = :workspace"
    " AND (CAST(:webhook AS text) IS NULL OR id = :webhook)"
    " AND (CAST(:cursor AS text) IS NULL OR id < :cursor) ORDER BY id DESC LIMIT :limit"
)
_REMOVE = text("DELETE FROM ingest.webhooks WHERE id = :id AND workspace_id = :workspace RETURNING secret_key")
_LISTENING = text(
    "SELECT id, workspace_id, events, created_at FROM ingest.webhooks"
    " WHERE workspace_id = ANY(:workspaces) AND disabled_at IS NULL"
)
_DELIVERY = text(
    "INSERT INTO ingest.deliveries (id, webhook_id, event_id, event, body)"
    " VALUES (:id, :webhook, :event_id, :event, :body)"
)
_WAITING = text(
    "SELECT deliveries.id, webhook_id, url, event_id, body, attempts, secret_key, sealed, GREATEST(0,"
    "  extract(epoch FROM COALESCE(paused_until, clock_timestamp()) - clock_timestamp()))::float AS pause_s"
    " FROM ingest.deliveries JOIN ingest.webhooks ON webhooks.id = webhook_id"
    " WHERE deliveries.id = :id AND workspace_id = :workspace AND state = 'waiting' AND disabled_at IS NULL"
)
_TRIED = text(
    "UPDATE ingest.deliveries SET attempts = attempts + 1, state = :state, status = :status, trouble = :trouble,"
    " ended_at = CASE WHEN :state = 'waiting' THEN NULL ELSE clock_timestamp() END WHERE id = :id"
)
_REST = text(
    "UPDATE ingest.webhooks SET failures = failures + 1, paused_until = clock_timestamp()"
    "  + make_interval(secs => LEAST(:longest, :pause * power(2, LEAST(failures, 20)))),"
    " disabled_at = CASE WHEN :gone THEN clock_timestamp() ELSE disabled_at END WHERE id = :webhook"
)
_AWAKE = text(
    "UPDATE ingest.webhooks SET failures = 0, paused_until = NULL, disabled_at = NULL WHERE id = :webhook"
    " AND (failures > 0 OR disabled_at IS NOT NULL)"
)
_DELIVERIES = text(
    "SELECT deliveries.id, event_id, event, state, attempts, status, trouble, deliveries.created_at, ended_at"
    " FROM ingest.deliveries JOIN ingest.webhooks ON webhooks.id = webhook_id"
    " WHERE workspace_id = :workspace AND webhook_id = :webhook"
    " AND (CAST(:state AS text) IS NULL OR state = :state)"
    " AND (CAST(:cursor AS text) IS NULL OR deliveries.id < :cursor) ORDER BY deliveries.id DESC LIMIT :limit"
)
_REVIVE = text(
    "UPDATE ingest.deliveries SET state = 'waiting', attempts = 0, ended_at = NULL"
    " WHERE webhook_id = :webhook AND state = 'dead' AND (:all OR id = ANY(:chosen)) RETURNING id"
)
_TOLD = text("SELECT position FROM ingest.announced FOR UPDATE SKIP LOCKED")
_TELL = text("UPDATE ingest.announced SET position = :position")
