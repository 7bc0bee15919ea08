"""The one door to Postgres: engines, and migrations with one schema per service.

Tables live with their owners (`services/*/tables.py`, `shared/ledger.py`); this module knows none of them.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import OperationalError

from shared.errors import Unavailable

MIGRATIONS = Path(__file__).parent / "migrations"


def engine_from(url: str, *, pool_size: int = 5) -> Engine:
    """An engine whose sessions speak UTC and never wait for ever on a lock or on a dead connection.

    Raises nothing yet: the first use connects.
    """
    return create_engine(
        url,
        pool_size=pool_size,
        max_overflow=2 * pool_size,
        pool_pre_ping=True,
        pool_timeout=30,
        connect_args={
            "connect_timeout": 5,
            "options": "-c timezone=UTC -c lock_timeout=30s -c idle_in_transaction_session_timeout=300s",
        },
    )


def migrate(engine: Engine, schema: str, versions: Path) -> None:
    """Bring `schema` to the newest revision in the folder `versions`; safe to run by several at once.

    Each schema has its own `alembic_version` table, so services migrate apart from each other. Raises Unavailable
    where the database cannot be reached.
    """
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("version_locations", str(versions).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    try:
        with engine.begin() as connection:
            # Two starting processes would both create the first tables: one waits here for the other.
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('dossier.migrate'))"))
            connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{schema}"'))
            config.attributes.update(connection=connection, schema=schema)
            command.upgrade(config, "head")
    except OperationalError as down:
        raise Unavailable(
            "The database cannot be reached.",
            action="Check DOSSIER_DATABASE_URL and that PostgreSQL runs (dossier doctor).",
            private=str(down.orig),
        ) from down
