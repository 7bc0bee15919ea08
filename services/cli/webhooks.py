"""`dossier webhook …`: make, list and remove webhooks, look at their deliveries, replay the dead ones."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from services.cli import output
from services.cli.client import connect

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Webhook = Annotated[str, typer.Argument(help="The webhook's id, whk_…")]


def add(
    url: Annotated[str, typer.Argument(help="Where to post: https://…")],
    event: Annotated[list[str] | None, typer.Option(help="Only this event, as batch.finished; may repeat.")] = None,
    json: Json = False,
) -> None:
    """Make a webhook; its secret is printed this once."""
    made = connect().post("/v1/webhooks", json={"url": url} | ({"events": event} if event else {}))
    if json:
        output.as_json(made)
        return
    output.out.print(f"{made['id']}: {', '.join(made['events'])}", highlight=False)
    output.out.print(f"secret, shown only now: {made['secret']}", highlight=False, soft_wrap=True)


def listed(json: Json = False) -> None:
    """List the webhooks, with what waits and what nobody took."""
    found = list(connect().pages("/v1/webhooks"))
    if json:
        output.as_json(found)
        return
    columns = ["webhook", "url", "events", "waiting", "dead", "off"]
    output.table("Webhooks", columns, [_row(one) for one in found])


def remove(webhook: Webhook, json: Json = False) -> None:
    """Delete a webhook with its secret and its deliveries."""
    connect().delete(f"/v1/webhooks/{webhook}")
    output.as_json({"removed": webhook}) if json else output.out.print("Removed.")


def deliveries(
    webhook: Webhook,
    state: Annotated[str | None, typer.Option(help="Only waiting, delivered or dead ones.")] = None,
    json: Json = False,
) -> None:
    """Show the newest deliveries of a webhook: how often they were tried, and what went wrong."""
    found = connect().get(f"/v1/webhooks/{webhook}/deliveries", state=state, limit=50)["items"]
    if json:
        output.as_json(found)
        return
    columns = ["delivery", "event", "state", "tries", "trouble"]
    rows = [(one["id"], one["event"], one["state"], one["attempts"], one["trouble"] or "") for one in found]
    output.table("Deliveries", columns, rows)


def replay(webhook: Webhook, json: Json = False) -> None:
    """Send everything again that nobody took."""
    done = connect().post(f"/v1/webhooks/{webhook}/replay")
    output.as_json(done) if json else output.out.print(f"{done['replayed']} deliveries are sent again.")


def _row(webhook: dict[str, Any]) -> tuple[Any, ...]:
    off = "yes" if webhook["disabled_at"] else ""
    return webhook["id"], webhook["url"], ", ".join(webhook["events"]), webhook["waiting"], webhook["dead"], off
