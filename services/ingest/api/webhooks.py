"""Webhooks: make, list, remove, look at their deliveries, replay the dead ones."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from services.ingest.sealing import sealed_into
from services.ingest.settings import settings
from services.ingest.tables import garbage, webhooks
from services.ingest.webhooks import EVENTS, EventName, checked_url, new_secret
from shared import access, ledger, queues
from shared.access import Caller
from shared.desk import Desk
from shared.http import admin, desk
from shared.jobs import Deliver

router = APIRouter(prefix="/webhooks", tags=["ingest"])


class New(BaseModel):
    """A webhook to make; without `events` it hears of all."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(max_length=2_000)
    events: list[EventName] = Field(default=list(EVENTS), min_length=1)


class Replay(BaseModel):
    """Which dead deliveries to send again; without `deliveries`, all of them."""

    model_config = ConfigDict(extra="forbid")

    deliveries: list[str] = Field(default=[], max_length=1_000)


@router.post("", status_code=201)
def make(new: New, caller: Caller = Depends(admin), desk: Desk = Depends(desk)) -> dict[str, Any]:
    """Make a webhook. Its secret is in this answer and never shown again."""
    url = checked_url(new.url, private=settings().webhooks_private)
    secret, webhook = new_secret(), ledger.new_id("whk")
    sealed = sealed_into(desk.store, caller.workspace, secret)
    with desk.transaction() as transaction:
        garbage.hold(transaction, desk.store, caller.workspace, [sealed.secret_key])
        webhooks.add(transaction, caller.workspace, webhook, url, sorted(set(new.events)), sealed, caller.name)
        access.record(transaction, caller.workspace, caller.name, "webhook.make", webhook)
        return webhooks.one(transaction, caller.workspace, webhook) | {"secret": secret}


@router.get("")
def listed(
    cursor: str | None = None,
    limit: int = Query(50, ge=1, le=200),
    caller: Caller = Depends(admin),
    desk: Desk = Depends(desk),
) -> dict[str, Any]:
    """The webhooks of the workspace, newest first."""
    with desk.engine.connect() as connection:
        found = webhooks.listed(connection, caller.workspace, cursor, limit + 1)
    return _page(found, limit)


@router.get("/{webhook}")
def one(webhook: str, caller: Caller = Depends(admin), desk: Desk = Depends(desk)) -> dict[str, Any]:
    """One webhook, and how many of its deliveries wait or are dead."""
    with desk.engine.connect() as connection:
        return webhooks.one(connection, caller.workspace, webhook)


@router.delete("/{webhook}", status_code=204)
def remove(webhook: str, caller: Caller = Depends(admin), desk: Desk = Depends(desk)) -> Response:
    """Delete the webhook with its secret and its deliveries."""
    with desk.transaction() as transaction:
        keys = webhooks.remove(transaction, caller.workspace, webhook)
        garbage.discard(transaction, caller.workspace, keys)
        access.record(transaction, caller.workspace, caller.name, "webhook.remove", webhook)
    garbage.sweep(desk.engine, desk.store, caller.workspace, keys=keys)
    return Response(status_code=204)


@router.get("/{webhook}/deliveries")
def deliveries(
    webhook: str,
    state: Literal["waiting", "delivered", "dead"] | None = None,
    cursor: str | None = None,
    limit: int = Query(50, ge=1, le=200),
    caller: Caller = Depends(admin),
    desk: Desk = Depends(desk),
) -> dict[str, Any]:
    """What was sent, or is to be: event, attempts, the receiver's last status, the last trouble."""
    with desk.engine.connect() as connection:
        webhooks.one(connection, caller.workspace, webhook)
        found = webhooks.deliveries(connection, caller.workspace, webhook, state, cursor, limit + 1)
    return _page(found, limit)


@router.post("/{webhook}/replay", status_code=202)
def replay(
    webhook: str, chosen: Replay | None = None, caller: Caller = Depends(admin), desk: Desk = Depends(desk)
) -> dict[str, Any]:
    """Send dead deliveries again, with the ids of their events; a webhook that was switched off hears again."""
    with desk.transaction() as transaction:
        wanted = chosen.deliveries if chosen is not None else []
        again = webhooks.revive(transaction, caller.workspace, webhook, wanted)
        queues.send(transaction, caller.workspace, [Deliver(delivery=delivery) for delivery in again])
        access.record(transaction, caller.workspace, caller.name, "webhook.replay", webhook, deliveries=len(again))
        return webhooks.one(transaction, caller.workspace, webhook) | {"replayed": len(again)}


def _page(found: list[dict[str, Any]], limit: int) -> dict[str, Any]:
    return {"items": found[:limit], "next_cursor": found[limit - 1]["id"] if len(found) > limit else None}
