"""Documents that were read and stated about, without the services that do it: stand-ins for their published views."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Connection, Engine, text
from starlette.testclient import TestClient

import services.review.tasks  # noqa: F401  # registers the handler
from services.review.api import router
from services.review.settings import ReviewSettings, settings
from shared import access, http, ledger, queues
from shared.desk import Desk
from shared.documents import Page, Reading, Word, encode
from shared.jobs import Check

TEXT = "Claim of Jürgen Müller over 1.250,00 EUR"
PATH = ["Claims", "Motor", "Accident"]
AMOUNT = TEXT.index("1.250,00")

_STAND_INS = """
    DROP VIEW IF EXISTS ingest.published_readings CASCADE;
    DROP SCHEMA IF EXISTS classify CASCADE; CREATE SCHEMA classify;
    DROP SCHEMA IF EXISTS extract CASCADE; CREATE SCHEMA extract;
    CREATE TABLE ingest.published_readings (document_id text, reading_key text);
    CREATE TABLE classify.published_classes (document_id text, path text[], confidence float[], in_scope bool,
        model text, created_at timestamptz DEFAULT now());
    CREATE TABLE extract.published_fields (document_id text, name text, position int, value jsonb, text text,
        confidence float, evidence jsonb, engine text, model text, type text, created_at timestamptz DEFAULT now());
"""


@pytest.fixture
def engine(engine: Engine) -> Engine:
    with engine.begin() as connection:
        connection.execute(text(_STAND_INS))
    return engine


@pytest.fixture(autouse=True)
def policy(monkeypatch: pytest.MonkeyPatch) -> Iterator[ReviewSettings]:
    """No random audit sample, so that a test knows what passes; and eleven labels are enough (0.8 ** 11 < 0.1)."""
    monkeypatch.setenv("DOSSIER_REVIEW_TARGET", "0.8")
    monkeypatch.setenv("DOSSIER_REVIEW_PROBABILITY", "0.9")
    monkeypatch.setenv("DOSSIER_REVIEW_AUDIT_SHARE", "0")
    settings.cache_clear()
    yield settings()
    settings.cache_clear()


@pytest.fixture
def client_as(desk: Desk, key_for: Callable[[access.Role], str]) -> Callable[[access.Role], TestClient]:
    """A client of review's routes with a key of that role."""
    app = http.application(desk, [router])
    return lambda role: TestClient(app, headers={"Authorization": f"Bearer {key_for(role)}"})


@pytest.fixture
def client(client_as: Callable[[access.Role], TestClient]) -> TestClient:
    return client_as("admin")


@pytest.fixture
def document(desk: Desk, workspace: str) -> Callable[..., str]:
    """Makes a document that is done: read, classified with `confidence`, and its amount found."""

    def make(confidence: float | None = 0.9, *, amount: float | None = 0.9, grounded: bool = True) -> str:
        identity = ledger.new_id("doc")
        with desk.transaction() as transaction:
            row = {"id": identity, "workspace_id": workspace, "name": "claim.txt", "state": "succeeded"}
            ledger.add_documents(transaction, [row])
            _read(transaction, desk, workspace, identity)
            _state(transaction, identity, confidence, amount, grounded)
        return identity

    return make


def _read(connection: Connection, desk: Desk, workspace: str, document: str) -> None:
    words, cursor = [], 0
    for word in TEXT.split(" "):
        words.append(Word(word, None, cursor, cursor + len(word)))
        cursor += len(word) + 1
    reading = Reading(TEXT, [Page(1, 0, 0, 0, len(TEXT), words)], "text/plain", "en")
    reading.check()
    stored = desk.store.put(workspace, "readings", encode(reading))
    query = "INSERT INTO ingest.published_readings VALUES (:document, :key)"
    connection.execute(text(query), {"document": document, "key": stored.key})


def _state(
    connection: Connection, document: str, confidence: float | None, amount: float | None, grounded: bool
) -> None:
    connection.execute(
        text(
            "INSERT INTO classify.published_classes (document_id, path, confidence, in_scope, model)"
            " VALUES (:document, :path, :confidence, true, 'built-in')"
        ),
        {"document": document, "path": PATH, "confidence": [0.99, 0.95, confidence]},
    )
    end = AMOUNT + len("1.250,00")
    place = {"document": document, "page": 1, "boxes": [], "start": AMOUNT, "end": end, "quote": TEXT[AMOUNT:end]}
    connection.execute(
        text(
            "INSERT INTO extract.published_fields (document_id, name, position, value, text, confidence, evidence,"
            " engine, model, type) VALUES (:document, 'amount', 0, '\"1250.00\"', '1.250,00', :confidence,"
            " CAST(:evidence AS jsonb), 'candidates', 'built-in', 'amount')"
        ),
        {"document": document, "confidence": amount, "evidence": json.dumps(place) if grounded else None},
    )


@pytest.fixture
def check(desk: Desk, workspace: str) -> Callable[..., None]:
    """Runs the Check of these documents as a worker would."""

    def run(*documents: str) -> None:
        with desk.transaction() as transaction:
            queues.send(transaction, workspace, [Check(document=document) for document in documents])
        queues.drain(desk)

    return run
