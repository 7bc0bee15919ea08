"""The table of rooms: which services there are, and how to open one.

Everything is found by name, so that an image which holds one service opens that one and knows nothing of the
others. Only this module, `embedded.py` and the command line see several services.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path

from fastapi import APIRouter
from sqlalchemy import Engine

from shared.database import MIGRATIONS, engine_from, migrate
from shared.desk import Desk, Doorbell, Silent
from shared.errors import Refused
from shared.generation import generator_from
from shared.settings import Settings
from shared.store import store_from

#: In the order of their migrations: a view may build on the schemas before it.
SERVICES = ("ingest", "review", "classify", "extract", "chat", "train")


def checked(service: str) -> str:
    """`service`, where there is such a room; raises Refused otherwise."""
    if service not in SERVICES:
        raise Refused(f"There is no service {service!r}.", action=f"The services are {', '.join(SERVICES)}.")
    return service


def router(service: str) -> APIRouter:
    """The routes of a service."""
    found: APIRouter = importlib.import_module(f"services.{checked(service)}.api").router
    return found


def open_handlers(service: str) -> None:
    """Import the handlers of a service, which registers them with the queue."""
    importlib.import_module(f"services.{checked(service)}.tasks")


def migrate_ledger(engine: Engine) -> None:
    """Bring the ledger's schema up to date; comes before every service's own."""
    migrate(engine, "ledger", MIGRATIONS / "versions")


def migrate_service(engine: Engine, service: str) -> None:
    """Bring the schema of one service up to date."""
    migrate(engine, service, Path(__file__).parent / checked(service) / "migrations" / "versions")


def migrate_all(engine: Engine, services: Sequence[str] = SERVICES) -> None:
    """The ledger first, then each service."""
    migrate_ledger(engine)
    for service in services:
        migrate_service(engine, service)


def desk_from(settings: Settings, doorbell: Doorbell | None = None) -> Desk:
    """The desk that these settings describe; connects to nothing yet."""
    generator = None
    if settings.generation_url:
        key = settings.generation_key
        generator = generator_from(
            settings.generation_url,
            settings.generation_kind,
            settings.generation_model,
            key.get_secret_value() if key else None,
            settings.generation_timeout_s,
        )
    cache = settings.home / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    return Desk(
        engine=engine_from(settings.database_url.get_secret_value()),
        store=store_from(settings.resolved_store_url()),
        doorbell=doorbell or Silent(),
        cache=cache,
        generator=generator,
        settings=settings,
    )
