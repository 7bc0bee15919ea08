"""The whole pipeline in one process, without a broker: files in through the API, checked facts out."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from shared import facts
from shared.desk import Desk
from shared.documents import Evidence, evidence_for

SAMPLES = Path(__file__).parents[2] / "samples"
Drain = Callable[[], list[str]]


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample corpus, made anew."""
    from samples.make import make

    folder = tmp_path_factory.mktemp("samples")
    make(folder)
    for name in ("taxonomy.yaml", "schemas.yaml"):
        (folder / name).write_bytes((SAMPLES / name).read_bytes())
    return folder


@pytest.fixture
def configured(client: TestClient) -> TestClient:
    """The application with the samples' taxonomy and schemas."""
    yaml = {"Content-Type": "application/yaml"}
    for part in ("taxonomy", "schemas"):
        answer = client.put(f"/v1/{part}", content=(SAMPLES / f"{part}.yaml").read_bytes(), headers=yaml)
        assert answer.is_success, answer.text
    return client


def upload(client: TestClient, files: dict[str, bytes], name: str = "batch") -> dict[str, Any]:
    answer = client.post(
        "/v1/batches", data={"name": name}, files=[("files", (file, content)) for file, content in files.items()]
    )
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def gold(samples: Path) -> dict[str, dict[str, Any]]:
    lines = (samples / "gold.jsonl").read_text().splitlines()
    return {Path(record["file"]).name: record for record in map(json.loads, lines)}


def test_a_document_visits_every_room(client: TestClient, drain: Drain) -> None:
    answer = upload(client, {"letter.txt": b"Dear Sir, I cancel my policy number POL-1 on 3 May 2026. Ann Miller"})
    ran = drain()
    assert ran[0] == "ingest.read"
    assert sorted(ran[1:]) == ["chat.index", "classify.classify", "extract.extract", "review.check"]
    batch = client.get(f"/v1/batches/{answer['batch']['id']}").json()
    assert (batch["state"], batch["counts"]["succeeded"], batch["percent_completed"]) == ("succeeded", 1, 100)


def test_samples_become_facts_with_evidence_that_holds(
    configured: TestClient, drain: Drain, desk: Desk, samples: Path
) -> None:
    """One of each kind of file; every stored evidence is checked against the reading it quotes."""
    chosen: dict[str, Path] = {}
    for name, record in gold(samples).items():
        chosen.setdefault(record["kind"], samples / "documents" / name)
    answer = upload(configured, {path.name: path.read_bytes() for path in chosen.values()})
    drain()
    batch = configured.get(f"/v1/batches/{answer['batch']['id']}").json()
    assert set(batch["counts"]) <= {"succeeded", "skipped"}, configured.get("/v1/documents").json()
    assert check_every_evidence(desk) > 20
    assert check_boxes_on_the_printed_pages(configured, desk) > 10


def check_boxes_on_the_printed_pages(client: TestClient, desk: Desk) -> int:
    """Read the original PDFs again, with the bare library: the boxes hold the quoted words; how many there were."""
    with desk.engine.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT f.document_id, f.evidence FROM extract.published_fields f"
                " JOIN ingest.published_readings r USING (document_id)"
                " WHERE f.evidence IS NOT NULL AND r.media_type = 'application/pdf' AND r.source = 'text'"
            )
        ).all()
    for row in rows:
        evidence = Evidence.model_validate(row.evidence)
        original = client.get(f"/v1/documents/{row.document_id}/original").content
        with closing(pypdfium2.PdfDocument(original)) as pdf:
            # Flattened, so that what is typed into a form counts as printed.
            pdf.init_forms()
            if pdf.formenv:
                with closing(pdf[evidence.page - 1]) as form:
                    form.flatten()
            page = pdf[evidence.page - 1]
            height = page.get_height()
            with closing(page), closing(page.get_textpage()) as words:
                found = " ".join(
                    words.get_text_bounded(x0 - 1, height - y1 - 1, x1 + 1, height - y0 + 1)
                    for x0, y0, x1, y1 in evidence.boxes
                )
        assert letters(evidence.quote) in letters(found), (evidence, found)
    return len(rows)


def letters(printed: str) -> str:
    return "".join(printed.split()).casefold()


def check_every_evidence(desk: Desk) -> int:
    """Check all stored evidence of all documents against their readings; how many there were."""
    with desk.engine.connect() as connection:
        rows = connection.execute(
            text("SELECT document_id, evidence FROM extract.published_fields WHERE evidence IS NOT NULL")
        ).all()
        for row in rows:
            reading = facts.reading(connection, desk.store, row.document_id)
            reading.check()
            evidence = Evidence.model_validate(row.evidence)
            assert evidence.quote == reading.text[evidence.start : evidence.end]
            assert evidence == evidence_for(reading, row.document_id, evidence.start, evidence.end)
    return len(rows)


def test_the_same_file_twice_is_one_document_and_a_pointer_to_it(client: TestClient, drain: Drain) -> None:
    first = upload(client, {"a.txt": b"the same letter"}, "one")["files"][0]
    drain()
    second = upload(client, {"b.txt": b"the same letter"}, "two")["files"][0]
    assert (first["outcome"], second["outcome"]) == ("created", "duplicate_of")
    assert second["duplicate_of"] == first["document"]
    drain()
    again = client.get(f"/v1/documents/{second['document']}").json()
    assert (again["state"], again["duplicate_of"]) == ("skipped", first["document"])


def test_a_broken_file_fails_alone_and_says_what_to_do(client: TestClient, drain: Drain) -> None:
    answer = upload(client, {"broken.pdf": b"%PDF-1.7 and then nothing", "good.txt": b"A good letter about a claim."})
    drain()
    batch = client.get(f"/v1/batches/{answer['batch']['id']}").json()
    assert batch["state"] == "partially_succeeded"
    failed = client.get("/v1/documents", params={"state": "failed"}).json()["items"]
    assert [document["name"] for document in failed] == ["broken.pdf"]
    assert failed[0]["reason"]["message"]
    assert failed[0]["reason"]["action"]


def test_a_corrected_class_brings_the_fields_of_that_class(configured: TestClient, drain: Drain, samples: Path) -> None:
    name, record = next(item for item in gold(samples).items() if item[1]["fields"] and item[1]["kind"] == "pdf")
    upload(configured, {name: (samples / "documents" / name).read_bytes()})
    drain()
    document = configured.get("/v1/documents").json()["items"][0]["id"]
    others = [path for path in leaves(configured.get("/v1/taxonomy").json()["nodes"]) if path != record["path"]]
    for path in (others[0], record["path"]):
        saved = configured.post(
            f"/v1/reviews/{document}", json={"class": {"action": "correct", "path": path}, "fields": []}
        )
        assert saved.is_success, saved.text
        ran = drain()
    assert "extract.extract" in ran
    shown = configured.get(f"/v1/documents/{document}").json()
    assert shown["path"] == record["path"]
    fields = {field["name"] for field in configured.get(f"/v1/documents/{document}/fields").json()["fields"]}
    assert set(record["fields"]) <= fields


def test_a_corrected_value_is_kept_against_the_machine(configured: TestClient, drain: Drain, samples: Path) -> None:
    name, record = next(item for item in gold(samples).items() if item[1]["fields"] and item[1]["kind"] == "pdf")
    upload(configured, {name: (samples / "documents" / name).read_bytes()})
    drain()
    document = configured.get("/v1/documents").json()["items"][0]["id"]
    field = next(iter(record["fields"]))
    body = {
        "class": {"action": "correct", "path": record["path"]},
        "fields": [{"name": field, "action": "correct", "value": "corrected by hand"}],
    }
    assert configured.post(f"/v1/reviews/{document}", json=body).is_success
    drain()
    labels = configured.get("/v1/labels", params={"document": document}).json()["items"]
    assert [label["value"] for label in labels if label["name"] == field] == ["corrected by hand"]


def test_labels_retrain_the_classifier_and_the_new_model_can_be_taken_back(
    configured: TestClient, drain: Drain
) -> None:
    files = {
        f"{kind}-{number}.txt": f"{words} number {number}".encode()
        for kind, words in KINDS.items()
        for number in range(6)
    }
    upload(configured, files)
    drain()
    paths = leaves(configured.get("/v1/taxonomy").json()["nodes"])
    target = dict(zip(KINDS, (paths[0], paths[-1]), strict=True))
    documents = configured.get("/v1/documents", params={"limit": 50}).json()["items"]
    items = [{"document": one["id"], "task": "class", "path": target[one["name"].split("-")[0]]} for one in documents]
    assert configured.post("/v1/labels", json={"items": items}).is_success
    run = configured.post("/v1/runs", json={"role": "classifier", "promote": True}).json()
    drain()
    ended = configured.get(f"/v1/runs/{run['id']}").json()
    assert ended["state"] == "succeeded", ended
    upload(configured, {"new.txt": b"vehicle collision on the motorway, bumper and headlight, number 99"}, "later")
    drain()
    newest = next(one for one in configured.get("/v1/documents").json()["items"] if one["name"] == "new.txt")
    assert newest["path"] == target["crash"]
    versions = configured.get("/v1/registry").json()["items"]
    assert any(version["role"] == "classifier" and version["promoted"] for version in versions)


KINDS = {
    "crash": "vehicle collision on the motorway, bumper and headlight damaged, police report",
    "leave": "I hereby terminate my contract with notice at the end of the term",
}


def leaves(nodes: list[dict[str, Any]], above: tuple[str, ...] = ()) -> list[list[str]]:
    found: list[list[str]] = []
    for node in nodes:
        path = (*above, node["name"])
        found += leaves(node["children"], path) if node.get("children") else [list(path)]
    return found


def test_a_question_is_answered_with_a_quote_that_stands_in_the_document(
    client: TestClient, drain: Drain, desk: Desk
) -> None:
    letter = (
        "The policy POL-2231 of Mrs Anna Weber covers water damage. "
        "The deductible for water damage is 450 euros. The premium is due on 1 March 2026."
    )
    upload(client, {"policy.txt": letter.encode()})
    drain()
    answer = client.post(
        "/v1/chat/completions",
        json={
            "model": "dossier",
            "messages": [{"role": "user", "content": "What is the deductible for water damage?"}],
        },
    ).json()
    message = answer["choices"][0]["message"]
    assert "450" in message["content"]
    citation = message["annotations"][0]["document_citation"]
    with desk.engine.connect() as connection:
        reading = facts.reading(connection, desk.store, citation["document"])
    assert reading.text[citation["start"] : citation["end"]] == citation["quote"]


def test_a_required_field_that_is_not_there_is_asked_of_a_person(
    configured: TestClient, drain: Drain, desk: Desk
) -> None:
    schema = {
        "name": "Everything",
        "path": [],
        "fields": [
            {"name": "secret_code", "type": "identifier", "description": "a code nobody prints", "required": True}
        ],
    }
    assert configured.put("/v1/schemas/Everything", json=schema).is_success
    document = upload(configured, {"note.txt": b"A short note without any code in it."})["files"][0]["document"]
    drain()
    with desk.engine.connect() as connection:
        stated = {field.name: field.value for field in facts.fields_of(connection, document)}
    assert "secret_code" in stated
    assert stated["secret_code"] is None
    reasons = configured.get(f"/v1/reviews/{document}").json()["reasons"]
    assert "secret_code" in {reason["field"] for reason in reasons}
    shown = configured.get(f"/v1/documents/{document}/fields").json()["fields"]
    assert [field["values"] for field in shown if field["name"] == "secret_code"] == [[]]
