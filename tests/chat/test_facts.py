"""Questions that ask for a field of a class of documents are answered from what was extracted or stated."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, text
from starlette.testclient import TestClient

from services import rooms
from shared import ledger
from shared.documents import Reading, evidence_for

TREE = {
    "levels": ["category", "type"],
    "nodes": [
        {
            "name": "Billing",
            "description": "",
            "children": [
                {"name": "Glazier invoice", "description": "Windows repaired. FR: facture du vitrier. DE: Glaser."},
                {"name": "Garage invoice", "description": "Cars repaired. FR: facture du garage. DE: Werkstatt."},
            ],
        }
    ],
}
FIELDS = [
    {"name": "invoice_number", "type": "identifier", "anchors": ["Invoice no.", "Facture n°"]},
    {"name": "invoice_date", "type": "date", "anchors": ["Invoice date", "Date de facture", "Rechnungsdatum"]},
    {"name": "total_amount", "type": "amount", "description": "amount to pay", "anchors": ["Total", "Gesamtbetrag"]},
    {"name": "supplier", "type": "party", "description": "company that sent the invoice", "anchors": []},
]
GLAZIER = "Vitrier Lumen\nInvoice no. F-771\nInvoice date 3 May 2024\nWindow replaced\nTotal 480.00 EUR"
GARAGE = "Garage Muller\nInvoice no. F-902\nInvoice date 9 June 2024\nBumper painted\nTotal 1,210.50 EUR"
VALUES = {
    "glazier.pdf": {"invoice_number": "F-771", "invoice_date": "3 May 2024", "total_amount": "480.00 EUR"},
    "garage.pdf": {"invoice_number": "F-902", "invoice_date": "9 June 2024", "total_amount": "1,210.50 EUR"},
}


@pytest.fixture
def bills(
    engine: Engine, workspace: str, put: Callable[..., str], make_reading: Callable[..., Reading]
) -> dict[str, str]:
    """Two invoices with their classes and fields; their ids by name."""
    rooms.open_handlers("chat")
    documents = {"glazier.pdf": put("glazier.pdf", GLAZIER), "garage.pdf": put("garage.pdf", GARAGE)}
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO classify.taxonomies VALUES (:workspace, 1, CAST(:tree AS jsonb), 'test')"),
            {"workspace": workspace, "tree": json.dumps(TREE)},
        )
        connection.execute(
            text(
                "INSERT INTO extract.schemas (workspace_id, name, version, path, fields, author)"
                " VALUES (:workspace, 'bill', 1, '{Billing}', CAST(:fields AS jsonb), 'test')"
            ),
            {"workspace": workspace, "fields": json.dumps(FIELDS)},
        )
        for name, leaf, body in (
            ("glazier.pdf", "Glazier invoice", GLAZIER),
            ("garage.pdf", "Garage invoice", GARAGE),
        ):
            _know(connection, workspace, documents[name], leaf, make_reading(body), VALUES[name])
    return documents


def _know(connection: Any, workspace: str, document: str, leaf: str, reading: Reading, values: dict[str, str]) -> None:
    row = {"document": document, "workspace": workspace, "path": ["Billing", leaf]}
    connection.execute(
        text(
            "INSERT INTO classify.classes (document_id, workspace_id, path, confidence, in_scope, alternatives,"
            " model, taxonomy_version) VALUES (:document, :workspace, :path, '{0.9,0.9}', true, '[]', 'm', 1)"
        ),
        row,
    )
    connection.execute(
        text("INSERT INTO extract.extractions (document_id, workspace_id, path) VALUES (:document, :workspace, :path)"),
        row,
    )
    for name, value in values.items():
        start = reading.text.index(value)
        evidence = evidence_for(reading, document, start, start + len(value))
        connection.execute(
            text(
                "INSERT INTO extract.fields (document_id, name, position, type, value, text, confidence, evidence,"
                " engine, model) VALUES (:document, :name, 0, :type, to_jsonb(CAST(:value AS text)), :value, 0.87,"
                " CAST(:evidence AS jsonb), 'candidates', 'm')"
            ),
            row
            | {"name": name, "value": value, "evidence": evidence.model_dump_json()}
            | {"type": next(field["type"] for field in FIELDS if field["name"] == name)},
        )


def ask(client: TestClient, question: str, **more: Any) -> tuple[str, list[dict[str, Any]]]:
    """What is answered, and its citations."""
    body = {"messages": [{"role": "user", "content": question}]} | more
    message = client.post("/v1/chat/completions", json=body).json()["choices"][0]["message"]
    return message["content"], [one["document_citation"] for one in message["annotations"]]


@pytest.mark.parametrize(
    ("question", "document", "value"),
    [
        ("What is the total of the glazier's invoice?", "glazier.pdf", "480.00 EUR"),
        ("What is the total of the garage's invoice?", "garage.pdf", "1,210.50 EUR"),
        ("Quelle est la date de la facture du vitrier ?", "glazier.pdf", "3 May 2024"),
        ("Wie lautet das Rechnungsdatum der Werkstatt?", "garage.pdf", "9 June 2024"),
        ("What is the total of invoice F-902?", "garage.pdf", "1,210.50 EUR"),
    ],
)
def test_the_field_and_the_document_are_found_by_their_words(
    client: TestClient, bills: dict[str, str], question: str, document: str, value: str
) -> None:
    content, citations = ask(client, question)
    assert content.startswith(f"{value} (")
    assert document in content
    assert [(one["document"], one["quote"]) for one in citations] == [(bills[document], value)]
    assert content[citations[0]["content_start"] : citations[0]["content_end"]] == value


def test_the_answer_says_how_far_it_can_be_trusted(
    client: TestClient, engine: Engine, workspace: str, bills: dict[str, str]
) -> None:
    assert "not checked by a person, 87 % sure" in ask(client, "What is the total of the glazier's invoice?")[0]
    _say(engine, workspace, bills["glazier.pdf"], '"480.00 EUR"')
    assert "confirmed by a person" in ask(client, "What is the total of the glazier's invoice?")[0]


def test_what_a_person_contradicted_is_not_answered(
    client: TestClient, engine: Engine, workspace: str, bills: dict[str, str]
) -> None:
    _say(engine, workspace, bills["glazier.pdf"], '"999.00 EUR"')
    content, _ = ask(client, "What is the total of the glazier's invoice?")
    assert "sure" not in content


def test_documents_that_fit_alike_are_all_named(client: TestClient, bills: dict[str, str]) -> None:
    content, citations = ask(client, "What is the total amount?")
    assert {one["document"] for one in citations} == set(bills.values())
    assert content.count("\n") == 1


def test_a_question_for_no_field_is_left_to_the_reader(client: TestClient, bills: dict[str, str]) -> None:
    content, _ = ask(client, "What was painted?")
    assert "% sure" not in content


def test_named_documents_limit_the_facts(client: TestClient, bills: dict[str, str]) -> None:
    only = {"documents": [bills["garage.pdf"]]}
    _, citations = ask(client, "What is the total amount?", metadata=only)
    assert {one["document"] for one in citations} == {bills["garage.pdf"]}


def test_a_foreign_workspace_knows_no_facts(stranger: TestClient, bills: dict[str, str]) -> None:
    content, citations = ask(stranger, "What is the total of invoice F-902?")
    assert (content, citations) == ("The documents do not say.", [])


def _say(engine: Engine, workspace: str, document: str, value: str) -> None:
    """A person's word on the total of a document."""
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO review.labels (id, workspace_id, document_id, task, name, value, author, audit)"
                " VALUES (:id, :workspace, :document, 'field', 'total_amount', CAST(:value AS jsonb), 'Ann', false)"
            ),
            {"id": ledger.new_id("lab"), "workspace": workspace, "document": document, "value": value},
        )
