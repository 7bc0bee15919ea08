"""Fetch a version's files, for an init container beside a generation server.

    python -m services.train.tasks.fetching --version mv_… --to FOLDER [--without-version FOLDER]

FOLDER appears whole, with every hash checked, or not at all. An empty version means that nothing was promoted yet: then
FOLDER becomes a link to the weights that the operator put there.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sqlalchemy import Connection, select

from services.train.publishing import fetched
from shared import logs, registry
from shared.database import engine_from
from shared.errors import DossierError, NotFound
from shared.registry import Version
from shared.settings import load
from shared.store import Store, store_from


def fetch(connection: Connection, store: Store, version: str, to: Path, without: Path | None) -> Path:
    """Put the version's files in `to`; with an empty `version` a link to `without`. Raises NotFound, Unavailable."""
    if not version:
        if without is None:
            raise NotFound("No version was named.", action="Promote a generator, or name --without-version.")
        to.symlink_to(without)
        return to
    return fetched(registry.artefact(store, _version(connection, version)), store, to)


def _version(connection: Connection, version: str) -> Version:
    """The generator with this id, of whichever workspace: ids are unique, and whoever runs this may read them all."""
    versions = registry.model_versions
    workspace = connection.execute(select(versions.c.workspace_id).where(versions.c.id == version)).scalar()
    return registry.find(connection, workspace or "", "generator", version)


def main() -> int:
    """Read the command line, fetch; 1 with the reason where that fails."""
    parser = argparse.ArgumentParser(prog="python -m services.train.tasks.fetching", description=__doc__)
    parser.add_argument("--version", required=True)
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--without-version", type=Path)
    given = parser.parse_args()
    logs.configure("fetching")
    environment = load()
    engine = engine_from(environment.database_url.get_secret_value())
    try:
        with engine.connect() as connection:
            store = store_from(environment.resolved_store_url())
            fetch(connection, store, given.version, given.to, given.without_version)
    except DossierError as wrong:
        sys.stderr.write(f"{wrong.public} {wrong.action}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
