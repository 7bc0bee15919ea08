"""Commands about the installation: up, down, doctor, login, and the processes that it is made of."""

from __future__ import annotations

import datetime
import os
import time
from typing import Annotated, Any

import httpx
import typer
import uvicorn

from services import embedded, rooms
from services.cli import doctor as checks
from services.cli import first_run, output
from services.cli.client import home
from services.embedded import DEFAULT_PORT, Place
from shared import access, http, logs, queues
from shared import settings as settings_module
from shared.database import engine_from
from shared.errors import Refused, Unavailable

#: A cold start with a first migration takes about ten seconds on two cores; a slow disk gets much longer.
START_TIMEOUT_S = 180

#: Where both want the processor, the API that somebody waits for comes before the workers.
_WORKER_NICENESS = 5

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def up(
    port: Annotated[int, typer.Option(envvar="DOSSIER_PORT", help="Port of the pages and the API.")] = DEFAULT_PORT,
    samples: Annotated[bool, typer.Option(help="Load the samples on the first run.")] = True,
    json: Json = False,
) -> None:
    """Start Dossier on this machine and print the address of its page."""
    place = Place(home())
    state = embedded.running(place)
    if state is None:
        with output.doing("Starting PostgreSQL, Valkey, the API and the workers …"):
            embedded.start(place, port)
            state = _wait_until_ready(place)
    _adopt(state)
    first_run.prepare(place, state["url"], samples=samples)
    link = _login_link(state["url"])
    if json:
        output.as_json({"url": state["url"], "login": link, "home": str(place.home)})
        return
    output.out.print(f"\nDossier runs at [bold]{state['url']}[/]")
    output.out.print(f"Sign in here (once, within the hour):\n  {link}", soft_wrap=True)
    output.out.print("More links: dossier login · stop: make down · trouble: dossier doctor", style="dim")


def down(json: Json = False) -> None:
    """Stop Dossier on this machine; nothing is lost."""
    stopped = embedded.stop(Place(home()))
    if json:
        output.as_json({"stopped": stopped})
    else:
        output.out.print("Stopped." if stopped else "Nothing was running.")


def login(json: Json = False) -> None:
    """Print a fresh one-time link to sign in as admin."""
    state = embedded.running(Place(home()))
    if state is None:
        raise Refused("Dossier does not run on this machine.", action="Start it with: make up")
    _adopt(state)
    link = _login_link(state["url"])
    output.as_json({"login": link}) if json else output.out.print(link, soft_wrap=True)


def doctor(json: Json = False) -> None:
    """Check every part of the installation and say what to do."""
    state = embedded.running(Place(home()))
    if state is not None:
        _adopt(state)
    found = checks.examine(home(), state)
    if json:
        output.as_json([check._asdict() for check in found])
    else:
        marks = {"ok": "[green]ok[/]", "note": "[yellow]note[/]", "trouble": "[red]trouble[/]"}
        output.table("", ["", "part", "finding"], [(marks[c.status], c.part, c.says()) for c in found])
    if any(check.status == "trouble" for check in found):
        raise typer.Exit(1)


def api(
    service: Annotated[str, typer.Argument(help="A service, or `all` for every one on one port.")],
    host: str = "127.0.0.1",
    port: int = DEFAULT_PORT,
) -> None:
    """Serve the HTTP API of one service, or of all."""
    settings = settings_module.load()
    logs.configure(f"api-{service}", settings.log_level)
    chosen = rooms.SERVICES if service == "all" else (rooms.checked(service),)
    doorbell = queues.CeleryDoorbell(settings.broker_url.get_secret_value())
    app = http.application(rooms.desk_from(settings, doorbell), [rooms.router(name) for name in chosen])
    uvicorn.run(app, host=host, port=port, log_config=None, access_log=False, timeout_graceful_shutdown=10)


def worker(
    service: Annotated[str, typer.Argument(help="The service whose queue to work on.")],
    concurrency: Annotated[int | None, typer.Option(help="Processes; default: the cores for ingest, else 1.")] = None,
) -> None:
    """Run the worker of one service."""
    settings = settings_module.load()
    os.nice(_WORKER_NICENESS)
    logs.configure(f"worker-{service}", settings.log_level)
    rooms.open_handlers(service)
    broker_url = settings.broker_url.get_secret_value()
    queues.worker(
        lambda: rooms.desk_from(settings, queues.CeleryDoorbell(broker_url)),
        broker_url,
        service,
        concurrency=concurrency or ((os.cpu_count() or 1) if service == "ingest" else 1),
        name=f"{service}-{os.getpid()}",
    )


def migrate(service: Annotated[str, typer.Argument(help="A service, or `all`.")] = "all") -> None:
    """Bring the database up to date: the ledger, then one service or all of them."""
    settings = settings_module.load()
    engine = engine_from(settings.database_url.get_secret_value())
    rooms.migrate_all(engine, rooms.SERVICES if service == "all" else [rooms.checked(service)])
    output.out.print("The database is up to date.")


def _wait_until_ready(place: Place) -> dict[str, Any]:
    give_up_at = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < give_up_at:
        state = embedded.running(place)
        if state is not None and _ready(state["url"]):
            return state
        time.sleep(0.3)
    raise Unavailable(
        f"Dossier did not come up within {START_TIMEOUT_S} seconds.",
        action=f"The reason is at the end of {place.logs / 'supervisor.log'} or {place.logs / 'api.log'}.",
    )


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=5, trust_env=False).is_success
    except httpx.TransportError:
        return False


def _adopt(state: dict[str, Any]) -> None:
    """Let this process use the database that the supervisor started."""
    os.environ.update(state["environment"])


def _login_link(url: str) -> str:
    engine = engine_from(settings_module.load().database_url.get_secret_value())
    with engine.begin() as connection:
        workspace = access.workspaces(connection)[0].id
        valid = datetime.timedelta(minutes=access.LOGIN_MINUTES)
        link = access.issue(connection, workspace, "admin", "admin", kind="login", valid=valid)[1]
    engine.dispose()
    return f"{url}/login?key={link}"
