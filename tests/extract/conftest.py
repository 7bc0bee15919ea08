"""The extract room alone: printed documents made up from lines, and documents that were read and classified."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text
from starlette.testclient import TestClient

from services import rooms
from services.extract.evaluate import reading_from_pages
from services.extract.fitting import Labelled, fit
from services.extract.ranker import Ranker
from services.extract.schema import FieldSpec
from services.extract.searched import Searched
from shared import access, http, ledger, queues
from shared.desk import Desk
from shared.documents import Reading, encode
from shared.jobs import Extract

PATH = ["Claims", "Motor"]


def printed(*lines: str | Sequence[str]) -> Reading:
    """One page of these lines, 14 points apart; the cells of a line stand 200 points apart."""
    words = []
    for number, line in enumerate(lines):
        for column, cell in enumerate([line] if isinstance(line, str) else line):
            left, top = 50.0 + 200 * column, 50.0 + 14 * number
            words.append([cell, left, top, left + 5 * len(cell), top + 10])
    return reading_from_pages([{"width": 595, "height": 842, "words": words}])


@pytest.fixture
def page() -> Callable[..., Reading]:
    return printed


FIELDS = (
    FieldSpec(name="invoice_number", type="identifier"),
    FieldSpec(name="invoice_date", type="date"),
    FieldSpec(name="total", type="amount"),
    FieldSpec(name="supplier", type="party"),
    FieldSpec(name="items", type="list"),
)
_NAMES = ("Garage Weber GmbH", "Autohaus Klein AG", "Glas Muller SA", "Carrosserie Petit SARL", "Hoffmann Ltd")
_ITEMS = ("Windscreen", "Front bumper", "Left door", "Headlight", "Rear mirror", "Paint work")


def invoice(seed: int) -> tuple[Reading, dict[str, list[str]]]:
    """An invoice of one of two layouts, and what is true about it; the same seed, the same invoice."""
    chance = random.Random(seed)
    number = f"RE-{chance.randint(1000, 9999)}/{chance.randint(10, 99)}"
    day = f"2024-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}"
    shown_day = f"{day[8:]}.{day[5:7]}.{day[:4]}"
    items = chance.sample(_ITEMS, 2)
    prices = [round(chance.uniform(50, 900), 2) for _ in items]
    total = f"{sum(prices):.2f}"
    name = chance.choice(_NAMES)
    rows = [[item, f"{price:.2f}"] for item, price in zip(items, prices, strict=True)]
    if chance.random() < 0.5:
        head = [name, ["Invoice number", number], ["Invoice date", shown_day]]
        lines = [*head, ["Description", "Price"], *rows, ["Total", f"EUR {total}"]]
    else:
        head = [["Rechnungsnummer", "Rechnungsdatum"], [number, shown_day], f"Lieferant: {name}"]
        lines = [*head, ["Beschreibung", "Preis"], *rows, ["Gesamtbetrag", f"{total} EUR"]]
    truth = {"invoice_number": [number], "invoice_date": [day], "total": [total], "supplier": [name], "items": items}
    return printed(*lines), truth


@pytest.fixture
def make_invoice() -> Callable[[int], tuple[Reading, dict[str, list[str]]]]:
    return invoice


@pytest.fixture(scope="session")
def fields() -> tuple[FieldSpec, ...]:
    return FIELDS


@pytest.fixture(scope="session")
def ranker() -> Ranker:
    """A ranker that learned from 24 invoices."""
    learned_from = [invoice(seed) for seed in range(24)]
    return fit(FIELDS, [Labelled(Searched.of(reading), truth) for reading, truth in learned_from])


# --- the room on a database --------------------------------------------------------------------------------------


@pytest.fixture
def engine(engine: Engine) -> Engine:
    """Classify's published view is a table here: its room is not open."""
    with engine.begin() as connection:
        connection.execute(
            text(
                "DROP SCHEMA IF EXISTS classify CASCADE; CREATE SCHEMA classify; CREATE TABLE"
                " classify.published_classes (document_id text, path text[], confidence float[], in_scope bool,"
                " model text, created_at timestamptz DEFAULT now())"
            )
        )
    return engine


@pytest.fixture
def client_as(desk: Desk, key_for: Callable[[access.Role], str]) -> Callable[[access.Role], TestClient]:
    """A client of extract's routes with a key of that role."""
    app = http.application(desk, [rooms.router("extract")])
    return lambda role: TestClient(app, headers={"Authorization": f"Bearer {key_for(role)}"})


@pytest.fixture
def client(client_as: Callable[[access.Role], TestClient]) -> TestClient:
    return client_as("admin")


@pytest.fixture
def put(desk: Desk, engine: Engine, workspace: str) -> Callable[..., str]:
    """Records a read and classified document: `put(reading, name="a.pdf", path=[...])`; its id. Sends nothing."""

    def put(reading: Reading, name: str = "a.pdf", path: Sequence[str] = PATH, workspace: str = workspace) -> str:
        document = ledger.new_id("doc")
        stored = desk.store.put(workspace, "readings", encode(reading))
        row = {"document": document, "workspace": workspace, "key": stored.key, "path": list(path)}
        with engine.begin() as connection:
            ledger.add_documents(connection, [{"id": document, "workspace_id": workspace, "name": name}])
            for statement in _READ_AND_CLASSIFIED:
                connection.execute(text(statement), row)
        return document

    return put


@pytest.fixture
def extracted(desk: Desk, workspace: str) -> Callable[[str], None]:
    """Sends a document through extraction and the check that follows."""
    for service in ("extract", "review"):
        rooms.open_handlers(service)

    def run(document: str) -> None:
        with desk.transaction() as transaction:
            queues.send(transaction, workspace, [Extract(document=document)])
        assert queues.drain(desk) == ["extract.extract", "review.check"]

    return run


@pytest.fixture
def label(engine: Engine, workspace: str) -> Callable[..., None]:
    """Says what a person says: `label(document, "total", "12.50")`."""

    def say(document: str, name: str, value: Any, *, audit: bool = False) -> None:
        with engine.begin() as connection:
            _say(connection, workspace, document, name, value, audit)

    return say


def _say(connection: Connection, workspace: str, document: str, name: str, value: Any, audit: bool) -> None:
    connection.execute(
        text(
            "INSERT INTO review.labels (id, workspace_id, document_id, task, name, value, author, audit) VALUES"
            " (:id, :workspace, :document, 'field', :name, CAST(:value AS jsonb), 'anna', :audit)"
        ),
        {
            "id": ledger.new_id("lab"),
            "workspace": workspace,
            "document": document,
            "name": name,
            "value": json.dumps(value),
            "audit": audit,
        },
    )


_READ_AND_CLASSIFIED = (
    "INSERT INTO ingest.files (document_id, workspace_id, original_key, sha256, size_bytes)"
    " VALUES (:document, :workspace, 'x', 'x', 1)",
    "INSERT INTO ingest.readings (document_id, reading_key, media_type, page_count, characters, source, notes,"
    " container) VALUES (:document, :key, 'application/pdf', 1, 1, 'text', '[]', false)",
    "INSERT INTO classify.published_classes (document_id, path, confidence, in_scope, model)"
    " VALUES (:document, :path, '{0.9,0.9}', true, 'mv_1')",
)
