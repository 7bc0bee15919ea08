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


def test_a_dry_run_says_which_documents_would_be_extracted_again_and_changes_nothing(client, claim):
    before = client.get("/v1/schemas/Motor").json()
    changed = before | {"fields": []}
    said = client.put("/v1/schemas/Motor?dry_run=true", json=changed).json()
    assert (said["extracted_again"], said["documents"]) == (1, [claim])
    assert client.get("/v1/schemas/Motor").json() == before
    client.put("/v1/schemas/Motor", json=changed)
    versions = client.get("/v1/schemas/Motor/versions").json()["items"]
    assert [(one["version"], one["fields"]) for one in versions] == [(2, 0), (1, 1)]
    assert client.get("/v1/schemas/None/versions").status_code == 404


def test_a_schema_goes_out_and_in_as_json_schema(client, schemas):
    written = client.get("/v1/schemas/Motor", headers={"Accept": "application/schema+json"}).json()
    assert written["properties"]["plate"]["type"] == "string"
    written["properties"]["brand"] = {"type": "string", "description": "who made the car"}
    kept = client.put("/v1/schemas/Motor", json=written).json()
    assert [(field["name"], field["type"]) for field in kept["fields"]] == [("plate", "identifier"), ("brand", "text")]
    assert kept["path"] == ["Claims", "Motor"]


def test_a_field_can_be_tried_before_it_is_saved(client, client_as, put, schemas, page, engine):
    first, second = (put(page(["Vorgang Blau", f"B-{number}1/{number}"])) for number in (4, 5))
    field = {"name": "xyz", "type": "identifier"}
    place = {"start": 13, "end": 19}
    asked = {"field": field, "documents": [first, second], "said": {first: {"values": ["B-41/4"], **place}}}
    found = client.post("/v1/schemas/preview", json=asked).json()
    assert [[value["value"] for value in one["values"]] for one in found["documents"]] == [["B-41/4"], ["B-51/5"]]
    assert found["documents"][1]["values"][0]["evidence"]["quote"] == "B-51/5"
    assert client_as("reader").post("/v1/schemas/preview", json=asked).status_code == 403
    assert client.post("/v1/schemas/preview", json=asked | {"documents": ["doc_none"]}).status_code == 404
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM extract.fields")).scalar() == 0


def test_broken_rules_and_line_items_are_shown_with_the_fields(client, put, extracted, page):
    schema = {
        "name": "Motor",
        "path": ["Claims", "Motor"],
        "fields": [{"name": "total", "type": "amount", "anchors": ["Total"]}],
        "line_items": [{"name": "description", "type": "text"}, {"name": "amount", "type": "amount"}],
        "constraints": [{"kind": "known", "fields": ["total"]}],
    }
    assert client.put("/v1/schemas/Motor", json=schema).status_code == 200
    rows = [["Description", "Amount"], ["Door", "100.00"], ["Mirror", "50.00"], ["Total", "160.00"]]
    document = put(page(*rows))
    extracted(document)
    shown = client.get(f"/v1/documents/{document}/fields").json()
    assert [flag["code"] for flag in shown["flags"]] == ["broken_known", "sum_differs"]
    assert [row["cells"]["amount"]["value"] for row in shown["line_items"]["rows"]] == ["100.00", "50.00"]
    book = load_workbook(io.BytesIO(client.get("/v1/export?format=xlsx").content))
    assert list(book["2 Motor rows"].values)[1][4:] == ("Door", 100)
    assert client.get("/v1/export?format=parquet").content[:4] == b"PAR1"
