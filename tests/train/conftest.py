"""The train room alone: its routes, its handler, and labels in the shape of review's published view."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text
from starlette.testclient import TestClient

from services import rooms
from services.train.gate import Pair
from shared import documents, http, ledger, queues, registry
from shared.access import Role
from shared.desk import Desk
from shared.jobs import Settle
from shared.registry import Version
from shared.store import FolderStore

NEEDED = ("torch", "transformers", "peft", "bitsandbytes", "accelerate")
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]
if MISSING and os.environ.get("CI"):
    raise RuntimeError(f"CI must test the fine-tuning; not installed: {', '.join(MISSING)}")

#: A long run of a second.
RECIPE = {
    "rank": 4, "length": 128, "steps": 6, "checkpoint_every": 3, "warmup_steps": 1, "learning_rate": 5e-3,
    "device": "cpu", "gradient_checkpointing": False,
}  # fmt: skip


@pytest.fixture(scope="session")
def fine_tuning() -> None:
    """Asked for by every test that needs the extra."""
    if MISSING:
        pytest.skip(f"the extra 'train-gpu' is not installed: {', '.join(MISSING)}")


@pytest.fixture
def client(desk: Desk, key_for: Callable[[Role], str]) -> Iterator[TestClient]:
    app = http.application(desk, [rooms.router("train")])
    with TestClient(app, headers={"Authorization": f"Bearer {key_for('admin')}"}) as client:
        yield client


@pytest.fixture
def labelled(engine: Engine, workspace: str) -> Callable[..., None]:
    """Gives documents their class: `labelled({"doc_1": "claims/motor"})`. Review's view is a table here."""
    with engine.begin() as connection:
        connection.execute(
            text(
                "DROP SCHEMA IF EXISTS review CASCADE; CREATE SCHEMA review; CREATE TABLE review.published_labels ("
                "id text PRIMARY KEY, workspace_id text, document_id text, task text, name text, path text[],"
                " value jsonb, evidence jsonb, author text, created_at timestamptz DEFAULT clock_timestamp(),"
                " audit boolean NOT NULL DEFAULT false); CREATE TABLE review.published_verdicts ("
                "document_id text, decision text, reasons jsonb, created_at timestamptz)"
            )
        )

    def label(classes: dict[str, str], workspace: str = workspace) -> None:
        with engine.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO review.published_labels (id, workspace_id, document_id, task, path, author)"
                    " VALUES (:id, :workspace, :document, 'class', :path, 'anna')"
                ),
                [
                    {"id": f"lab_{document}", "workspace": workspace, "document": document, "path": path.split("/")}
                    for document, path in classes.items()
                ],
            )

    return label


@pytest.fixture
def learned(engine: Engine, store: FolderStore, workspace: str) -> Callable[..., Version]:
    """Registers a classifier as a room does that has learned one, with its comparison where it made one."""

    def make(
        artefact: bytes, run: str | None = None, pairs: Sequence[Pair] = (), against: str | None = None
    ) -> Version:
        metrics: dict[str, Any] = {"accuracy": 0.9}
        if against is not None:
            lines = b"".join(json.dumps(pair.__dict__).encode() + b"\n" for pair in pairs)
            key = store.put(workspace, "comparisons", lines).key
            metrics |= {"compared_with": against, "comparison_key": key}
        with engine.begin() as connection:
            return registry.register(connection, store, workspace, "classifier", artefact, {}, metrics, run)

    return make


@pytest.fixture
def settle(desk: Desk, workspace: str) -> Callable[[str, str], None]:
    """Sends Settle for a run and a version, and runs it as a worker would."""
    rooms.open_handlers("train")

    def run(run: str, version: str) -> None:
        with desk.engine.begin() as connection:
            [(job, *_)] = ledger.add(connection, workspace, [Settle(run=run, version=version)])
        held = ledger.claim(desk.engine, job)
        assert held is not None
        queues.run(desk, held)

    return run


@pytest.fixture
def asked(
    client: TestClient, labelled: Callable[..., None], engine: Engine, store: FolderStore, workspace: str
) -> Callable[..., str]:
    """Asks for a generator from eight labelled and read documents, two of them held out; the run's id."""
    texts = {f"doc_{number}": f"Police Nr. {4711 + number}" for number in (1, 2, 3, 4, 6, 7, 16, 18)}
    labelled(dict.fromkeys(texts, "policies/home"))
    with engine.begin() as connection:
        connection.execute(
            text(
                "DROP SCHEMA IF EXISTS ingest CASCADE; CREATE SCHEMA ingest;"
                " CREATE TABLE ingest.published_readings (document_id text, reading_key text)"
            )
        )
        for document, written in texts.items():
            reading = documents.Reading(written, [documents.Page(1, 0, 0, 0, len(written), [])], "text/plain")
            connection.execute(
                text("INSERT INTO ingest.published_readings VALUES (:document, :key)"),
                {"document": document, "key": store.put(workspace, "readings", documents.encode(reading)).key},
            )

    def ask(extra: dict[str, Any] | None = None, **changes: Any) -> str:
        body = {"role": "generator", "promote": True, "parameters": RECIPE | changes} | (extra or {})
        answer = client.post("/v1/runs", json=body)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    return ask


@pytest.fixture(scope="session")
def base(fine_tuning: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama with random weights, large enough for whole NF4 blocks."""
    from services.train.tiny import Shape, write_base

    texts = [json.dumps(record) for record in _records(30)]
    shape = Shape(vocabulary=400, hidden=128, layers=2, heads=2, context=256)
    return write_base(texts, tmp_path_factory.mktemp("base"), shape, seconds=0)


@pytest.fixture(scope="session")
def all_records() -> list[dict[str, Any]]:
    """Thirty instructions of one turn."""
    return _records(30)


@pytest.fixture
def records() -> list[dict[str, Any]]:
    """Twelve instructions of one turn."""
    return _records(12)


def _records(count: int) -> list[dict[str, Any]]:
    return [
        {
            "messages": [
                {"role": "user", "content": f"Police Nr. {4711 + number}, Betrag {number},50 EUR"},
                {"role": "assistant", "content": json.dumps({"amount": f"{number}.50"})},
            ]
        }
        for number in range(count)
    ]
