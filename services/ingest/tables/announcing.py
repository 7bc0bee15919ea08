"""From the stream of events to deliveries: each event once to each webhook that wants it, in one transaction."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from sqlalchemy import Connection

from services.ingest.tables import batches, webhooks
from services.ingest.webhooks import body_of
from shared import events, ledger, queues
from shared.desk import Desk
from shared.events import Event
from shared.jobs import Deliver

#: Events looked at in one transaction.
_GROUP = 500


class Announcement(NamedTuple):
    """Something that webhooks of a workspace may want to hear."""

    workspace: str
    event: str
    at: datetime.datetime
    facts: dict[str, Any]


def announce(desk: Desk) -> int:
    """Turn what has happened since the last time into deliveries with their jobs; how many. One process at a time."""
    made = 0
    while True:
        with desk.transaction() as transaction:
            position = webhooks.told_until(transaction)
            if position is None:
                return made
            happened = events.after(desk.engine, position, limit=_GROUP)
            told = [_of_document(event) for event in happened]
            if len(happened) < _GROUP:
                told += _of_batches(transaction)
            made += _deliver(transaction, told)
            if happened:
                webhooks.tell_until(transaction, happened[-1].position)
        if len(happened) < _GROUP:
            return made


def _of_document(event: Event) -> Announcement:
    reason = event.reason["code"] if event.reason else None
    facts = {"document": event.document, "batch": event.batch, "state": event.state, "reason": reason}
    return Announcement(event.workspace, f"document.{event.state}", event.at, facts)


def _of_batches(connection: Connection) -> Iterable[Announcement]:
    now = datetime.datetime.now(datetime.UTC)
    for workspace, batch in batches.newly_ended(connection):
        shown = batches.shown(connection, workspace, batch)
        facts = {"batch": batch, "state": shown["state"], "counts": shown["counts"]}
        yield Announcement(workspace, "batch.finished", now, facts)


def _deliver(connection: Connection, told: list[Announcement]) -> int:
    listening = defaultdict(list)
    for hook in webhooks.listening(connection, sorted({one.workspace for one in told})):
        listening[hook.workspace_id].append(hook)
    rows: list[dict[str, Any]] = []
    jobs: defaultdict[str, list[Deliver]] = defaultdict(list)
    for one in told:
        event_id = ledger.new_id("evt")
        for hook in listening[one.workspace]:
            if one.event in hook.events and one.at >= hook.created_at:
                delivery = ledger.new_id("dlv")
                body = body_of(one.event, one.at, one.facts)
                rows.append(
                    {"id": delivery, "webhook": hook.id, "event_id": event_id, "event": one.event, "body": body}
                )
                jobs[one.workspace].append(Deliver(delivery=delivery))
    webhooks.deliver_later(connection, rows)
    for workspace, sent in jobs.items():
        queues.send(connection, workspace, sent)
    return len(rows)
