"""Routes: schemas in and out, the fields of a document with people's words in place, export, and other workspaces."""

from __future__ import annotations

import csv
import io
import json

import pytest
import yaml
from openpyxl import load_workbook
from sqlalchemy import text

from shared import access

SCHEMAS = {
    "schemas": [
        {"name": "Claims", "path": ["Claims"], "fields": [{"name": "total", "type": "amount", "required": True}]},
        {
            "name": "Motor",
            "path": ["Claims", "Motor"],
            "fields": [{"name": "plate", "type": "identifier", "anchors": ["Kennzeichen"]}],
        },
    ]
}


@pytest.fixture
def schemas(client):
    answer = client.put("/v1/schemas", content=yaml.safe_dump(SCHEMAS), headers={"Content-Type": "application/yaml"})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
def claim(put, extracted, schemas, page):
    """A document that was extracted."""
    document = put(page(["Kennzeichen", "LU 4711"], ["Total", "EUR 12.50"]), name="=claim.pdf")
    extracted(document)
    return document


def test_schemas_come_back_as_json_and_as_yaml(client, schemas):
    listed = client.get("/v1/schemas").json()["items"]
    assert [schema["name"] for schema in listed] == ["Claims", "Motor"]
    written = client.get("/v1/schemas", headers={"Accept": "application/yaml"}).text
    assert yaml.safe_load(written) == {
        "schemas": [
            {"name": "Claims", "path": ["Claims"], "fields": SCHEMAS["schemas"][0]["fields"]},
            {"name": "Motor", "path": ["Claims", "Motor"], "fields": SCHEMAS["schemas"][1]["fields"]},
        ]
    }


def test_a_schema_resolves_to_its_parents_fields_too(client, schemas):
    own = client.get("/v1/schemas/Motor").json()
    assert [field["name"] for field in own["fields"]] == ["plate"]
    merged = client.get("/v1/schemas/Motor?resolved=true").json()
    assert [field["name"] for field in merged["fields"]] == ["total", "plate"]


def test_a_schema_that_does_not_fit_is_refused_and_nothing_changes(client, schemas):
    answer = client.put("/v1/schemas/Motor", json={"name": "Motor", "fields": [{"name": "x", "type": "colour"}]})
    assert answer.status_code == 422
    assert answer.json()["code"] == "schema_invalid"
    assert "'colour'" in answer.json()["detail"]
    assert [field["name"] for field in client.get("/v1/schemas/Motor").json()["fields"]] == ["plate"]


def test_a_name_that_is_not_the_bodys_is_refused(client, schemas):
    assert client.put("/v1/schemas/Other", json={"name": "Motor", "fields": []}).status_code == 422
    assert client.get("/v1/schemas/Other").status_code == 404


def test_a_change_extracts_the_documents_below_again(client, claim, engine):
    same = client.put("/v1/schemas/Motor", json=client.get("/v1/schemas/Motor").json())
    assert same.json()["extracted_again"] == 0
    changed = client.put("/v1/schemas/Motor", json={"name": "Motor", "path": ["Claims", "Motor"], "fields": []})
    assert changed.json()["extracted_again"] == 1
    with engine.connect() as connection:
        waiting = connection.execute(text("SELECT name FROM ledger.jobs WHERE state = 'waiting'")).scalars().all()
    assert waiting == ["extract.extract"]
    assert client.delete("/v1/schemas/Motor").status_code == 204
    assert client.get("/v1/schemas/Motor").status_code == 404


@pytest.mark.parametrize("role", ["reader", "reviewer"])
def test_only_an_admin_changes_schemas(client_as, schemas, role):
    client = client_as(role)
    assert client.get("/v1/schemas").status_code == 200
    assert client.put("/v1/schemas", content="schemas: []").status_code == 403
    assert client.delete("/v1/schemas/Motor").status_code == 403


def test_a_document_shows_every_field_of_its_schema_also_the_empty_ones(client, put, extracted, schemas, page):
    document = put(page(["Total", "EUR 12.50"]))
    extracted(document)
    shown = client.get(f"/v1/documents/{document}/fields").json()
    assert shown["schema"] == "Motor"
    total, plate = shown["fields"]
    assert (total["name"], total["required"], plate["name"], plate["values"]) == ("total", True, "plate", [])
    (value,) = total["values"]
    assert (value["value"], value["text"], value["confidence"]) == ("12.50", "12.50", None)
    assert value["evidence"]["quote"] == "12.50"


def test_a_persons_word_stands_in_place_of_the_machines_also_after_extracting_again(client, claim, label, extracted):
    label(claim, "total", "13.00")
    label(claim, "plate", None)
    label(claim, "plate", "XX 1", audit=True)
    extracted(claim)
    total, plate = client.get(f"/v1/documents/{claim}/fields").json()["fields"]
    assert [(value["value"], value["engine"], value["model"]) for value in total["values"]] == [
        ("13.00", "human", "anna")
    ]
    assert plate["values"] == []


def test_a_document_that_was_not_extracted_has_no_schema(client, put, page):
    assert client.get(f"/v1/documents/{put(page('x'))}/fields").json()["fields"] == []


def test_another_workspace_sees_nothing(claim, engine, desk, schemas):
    from starlette.testclient import TestClient

    from services import rooms
    from shared import http

    with engine.begin() as connection:
        other = access.add_workspace(connection, "other")
        key = access.issue(connection, other, "other", "admin")[1]
    stranger = TestClient(http.application(desk, [rooms.router("extract")]), headers={"Authorization": f"Bearer {key}"})
    assert stranger.get(f"/v1/documents/{claim}/fields").status_code == 404
    assert stranger.get("/v1/schemas").json()["items"] == []
    assert claim not in stranger.get("/v1/export?format=jsonl").text


def test_export_tells_the_same_in_three_formats(client, claim, label):
    label(claim, "total", "13.00")
    answer = client.get("/v1/export")
    assert answer.headers["content-disposition"] == 'attachment; filename="dossier-export.csv"'
    (row,) = csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff")))
    assert (row["name"], row["path"], row["total"], row["plate"]) == (
        "'=claim.pdf",
        "Claims / Motor",
        "13.00",
        "LU 4711",
    )
    line = json.loads(client.get("/v1/export?format=jsonl").text)
    assert {value["name"]: value["value"] for value in line["values"]} == {"total": "13.00", "plate": "LU 4711"}
    book = load_workbook(io.BytesIO(client.get("/v1/export?format=xlsx").content))
    assert list(book["1 Motor"].values)[1][4:6] == (13.0, "LU 4711")


def test_an_export_of_a_batch_holds_no_other(client, claim):
    assert client.get("/v1/export?format=jsonl&batch=bat_none").text == ""
    assert client.get("/v1/export?format=pdf").status_code == 422
