"""A small world for the classifier: an insurer's taxonomy, letters about each class, and the real encoder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, text
from starlette.testclient import TestClient

from services import rooms
from services.classify.learning import Example
from services.classify.taxonomy import Taxonomy, from_yaml
from shared import http, ledger
from shared.access import Role
from shared.desk import Desk
from shared.documents import Page, Reading, encode
from shared.encoder import Encoder
from shared.store import FolderStore

TREE = """
levels: [category, type]
nodes:
  - name: claims
    children:
      - {name: motor accident, description: "Report of a car accident, damage to a vehicle, collision."}
      - {name: water damage, description: "Burst pipe, flooded kitchen, Wasserschaden, dégât des eaux."}
  - name: money
    children:
      - {name: invoice, description: "A bill with an amount to pay, Rechnung, facture."}
      - {name: reminder, description: "Reminder of an unpaid premium, Mahnung, rappel."}
  - name: medical certificate
    description: "A doctor certifies illness or inability to work, Arztzeugnis, certificat médical."
"""

SENTENCES: dict[tuple[str, ...], list[str]] = {
    ("claims", "motor accident"): [
        "My car was hit by a lorry at the crossing in {place}; the bumper and the left door are broken.",
        "Ich melde einen Unfall mit meinem Auto in {place}, die Stossstange ist beschädigt.",
        "Constat amiable: collision entre deux voitures à {place}, aile avant enfoncée.",
        "The other driver in {place} did not brake and drove into my vehicle from behind.",
    ],
    ("claims", "water damage"): [
        "A pipe burst in our kitchen in {place} and the water ruined the floor.",
        "Nach dem Rohrbruch in {place} steht der Keller unter Wasser, das Parkett ist aufgequollen.",
        "Dégât des eaux dans la salle de bain à {place}, le plafond du voisin est taché.",
        "Water came through the ceiling of the flat in {place} after the washing machine leaked.",
    ],
    ("money", "invoice"): [
        "Invoice for repairs in {place}: please pay the total amount of 1,250.00 within thirty days.",
        "Rechnung der Werkstatt in {place}, Gesamtbetrag 890,00 EUR, zahlbar innert 30 Tagen.",
        "Facture de l'atelier de {place}, montant total 430,00 EUR à régler sous trente jours.",
        "Bill of the workshop in {place}: labour and parts, VAT included, amount due 99.90.",
    ],
    ("money", "reminder"): [
        "Second reminder: the premium of your policy in {place} is still unpaid.",
        "Mahnung: Ihre Prämie für {place} ist noch nicht bezahlt, bitte überweisen Sie sofort.",
        "Rappel: votre prime pour {place} reste impayée, veuillez régulariser.",
        "Last notice before your cover in {place} is cancelled for the overdue premium.",
    ],
    ("medical certificate",): [
        "I certify that the patient from {place} is unable to work until Friday because of influenza.",
        "Ärztliches Zeugnis: der Patient aus {place} ist arbeitsunfähig bis Ende Monat.",
        "Certificat médical: la patiente de {place} est en arrêt de travail pour dix jours.",
        "Doctor's note: the patient in {place} suffers from back pain and must rest for a week.",
    ],
}
PLACES = ["Ghent", "Arlon", "Luxembourg", "Trier", "Metz", "Esch", "Namur", "Bonn", "Nancy", "Liège"]


@pytest.fixture(scope="session")
def encoder(cache: Path) -> Encoder:
    return Encoder.load(None, cache, threads=1)


@pytest.fixture
def tree_yaml() -> str:
    return TREE


@pytest.fixture(scope="session")
def tree() -> Taxonomy:
    return from_yaml(TREE)


@pytest.fixture(scope="session")
def letters() -> Callable[[int], list[Example]]:
    """`letters(n)`: n letters of each class, every one different, classes taking turns."""

    def write(count: int) -> list[Example]:
        rng = np.random.default_rng(7)
        written = []
        for number in range(count):
            for path, sentences in SENTENCES.items():
                body = sentences[number % len(sentences)].format(place=PLACES[number // len(sentences) % len(PLACES)])
                written.append(Example(f"{body} Reference {rng.integers(10_000, 99_999)}.", (path,)))
        return written

    return write


@pytest.fixture
def client(desk: Desk, key_for: Callable[[Role], str], neighbours: None) -> Iterator[TestClient]:
    """The room alone, with an admin key."""
    app = http.application(desk, [rooms.router("classify")])
    with TestClient(app, headers={"Authorization": f"Bearer {key_for('admin')}"}) as client:
        yield client


@pytest.fixture
def neighbours(engine: Engine) -> None:
    """The views of the other rooms, as tables of that shape; and this room's handlers, registered."""
    rooms.open_handlers("classify")
    with engine.begin() as connection:
        connection.execute(
            text(
                "DROP SCHEMA IF EXISTS ingest CASCADE; DROP SCHEMA IF EXISTS review CASCADE;"
                "DROP SCHEMA IF EXISTS train CASCADE; CREATE SCHEMA ingest; CREATE SCHEMA review; CREATE SCHEMA train;"
                "CREATE TABLE ingest.published_readings (document_id text, reading_key text);"
                "CREATE TABLE review.published_labels (id text, workspace_id text, document_id text, task text,"
                " name text, path text[], value jsonb, evidence jsonb, author text, created_at timestamptz,"
                " audit boolean);"
                "CREATE TABLE train.published_runs (id text, workspace_id text, role text, snapshot_key text,"
                " promote boolean, parameters jsonb)"
            )
        )


@pytest.fixture
def read(engine: Engine, store: FolderStore, workspace: str, neighbours: None) -> Callable[[str], str]:
    """Makes a document with that text, as ingest leaves it; its id."""

    def make(content: str) -> str:
        document = ledger.new_id("doc")
        reading = Reading(
            text=content, pages=[Page(1, 0, 0, 0, len(content), [])], media_type="text/plain", language=None
        )
        key = store.put(workspace, "readings", encode(reading)).key
        with engine.begin() as connection:
            ledger.add_documents(connection, [{"id": document, "workspace_id": workspace, "name": "letter.txt"}])
            connection.execute(
                text("INSERT INTO ingest.published_readings VALUES (:document, :key)"),
                {"document": document, "key": key},
            )
        return document

    return make
