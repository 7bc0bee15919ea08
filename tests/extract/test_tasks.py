"""Handlers on a real database: fields are filled, people's words stand, and labels become a promoted ranker."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
from sqlalchemy import text

from services import rooms
from services.extract import tables
from services.extract.archive import packed
from services.extract.schema import FieldSpec, Schema
from services.extract.settings import settings
from shared import facts, ledger, queues, registry
from shared.generation import ScriptedGenerator
from shared.jobs import FitExtractor


@pytest.fixture
def schema(engine, workspace, fields):
    """A schema for the path of the documents."""
    made = Schema(name="invoice", path=("Claims",), fields=fields)
    with engine.begin() as connection:
        tables.keep_schema(connection, workspace, made, "anna")
    return made


@pytest.fixture
def fitted(desk, engine, workspace):
    """Runs FitExtractor on labels of the snapshot's form; the end of its job and what it sent."""
    rooms.open_handlers("extract")

    def run(lines):
        run_id = ledger.new_id("run")
        key = desk.store.put(workspace, "snapshots", "".join(json.dumps(line) + "\n" for line in lines).encode()).key
        with engine.begin() as connection:
            connection.execute(
                text(
                    "DROP SCHEMA IF EXISTS train CASCADE; CREATE SCHEMA train; CREATE TABLE train.published_runs"
                    " (id text, workspace_id text, role text, snapshot_key text, promote bool, parameters jsonb)"
                )
            )
            connection.execute(
                text("INSERT INTO train.published_runs VALUES (:id, :workspace, 'extractor', :key, true, '{}')"),
                {"id": run_id, "workspace": workspace, "key": key},
            )
        with desk.transaction() as transaction:
            queues.send(transaction, workspace, [FitExtractor(run=run_id)])
        with engine.connect() as connection:
            job = connection.execute(text("SELECT id FROM ledger.jobs WHERE name = 'extract.fit'")).scalar_one()
        held = ledger.claim(desk.engine, job)
        assert held is not None
        queues.run(desk, held)
        with engine.connect() as connection:
            state = connection.execute(text("SELECT state, reason FROM ledger.jobs WHERE id = :id"), {"id": job}).one()
            sent = connection.execute(text("SELECT body FROM ledger.jobs WHERE name = 'train.settle'")).scalars().all()
        return state, sent

    return run


def _lines(document, truth, *, held_out=False):
    return [
        {"author": "anna", "document": document, "evidence": None, "held_out": held_out, "label": f"lab_{name}",
         "name": name, "path": None, "task": "field", "value": values if name == "items" else values[0]}
        for name, values in truth.items()
    ]  # fmt: skip


def test_the_fields_of_the_class_are_filled_with_evidence_on_the_page(put, extracted, schema, page, engine):
    reading = page(["Invoice number", "RE-4711/2"], ["Invoice date", "05.03.2024"], ["Total", "EUR 12.50"])
    document = put(reading)
    extracted(document)
    with engine.connect() as connection:
        values = {value.name: value for value in facts.fields_of(connection, document)}
    assert {name: value.value for name, value in values.items()} == {
        "invoice_number": "RE-4711/2",
        "invoice_date": "2024-03-05",
        "total": "12.50",
    }
    for value in values.values():
        assert value.evidence.document == document
        assert value.evidence.quote == reading.text[value.evidence.start : value.evidence.end]


def test_extracting_twice_leaves_the_values_once(put, extracted, schema, page, engine):
    document = put(page(["Total", "EUR 12.50"]))
    extracted(document)
    extracted(document)
    with engine.connect() as connection:
        assert len(facts.fields_of(connection, document)) == 1


def test_a_document_of_a_class_without_a_schema_has_no_fields(put, extracted, schema, page, engine):
    document = put(page(["Total", "EUR 12.50"]), path=["Letters"])
    extracted(document)
    with engine.connect() as connection:
        assert facts.fields_of(connection, document) == []
        assert tables.path_of(connection, document) == ("Letters",)


def test_a_persons_word_on_the_class_decides_which_fields_are_wanted(put, extracted, schema, page, engine, workspace):
    document = put(page(["Total", "EUR 12.50"]), path=["Letters"])
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO review.labels (id, workspace_id, document_id, task, path, author)"
                " VALUES ('lab_1', :workspace, :document, 'class', '{Claims,Motor}', 'anna')"
            ),
            {"workspace": workspace, "document": document},
        )
    extracted(document)
    with engine.connect() as connection:
        assert [value.name for value in facts.fields_of(connection, document)] == ["total"]


def test_labels_become_a_version_that_extracts_better_than_the_anchors(
    put, extracted, schema, fitted, make_invoice, engine, desk, workspace
):
    lines = []
    for seed in range(14):
        reading, truth = make_invoice(seed)
        lines += _lines(put(reading), truth, held_out=seed >= 10)
    state, sent = fitted(lines)
    assert state.state == "done"
    with engine.begin() as connection:
        version = registry.find(connection, workspace, "extractor", sent[0]["version"])
        registry.promote(connection, workspace, "extractor", version.id, by="anna", reason="test")
        connection.execute(text("DELETE FROM ledger.jobs"))
    assert version.metrics["held_out_fields"] == 20
    assert version.metrics["held_out_right"] > 0.6
    assert version.metrics["fields"]["total"]["candidate_recall"] == 1.0
    reading, truth = make_invoice(77)
    document = put(reading)
    extracted(document)
    with engine.connect() as connection:
        values = facts.fields_of(connection, document)
        models = connection.execute(text("SELECT DISTINCT model FROM extract.fields")).scalars().all()
    assert models == [version.id]
    assert {value.value for value in values if value.name == "items"} == set(truth["items"])
    assert all(value.confidence is not None for value in values)


def test_a_second_version_is_compared_with_the_one_in_use(put, schema, fitted, make_invoice, engine, desk, workspace):
    lines = []
    for seed in range(8):
        reading, truth = make_invoice(seed)
        lines += _lines(put(reading), truth, held_out=seed >= 6)
    _, sent = fitted(lines)
    with engine.begin() as connection:
        registry.promote(connection, workspace, "extractor", sent[0]["version"], by="anna", reason="test")
        connection.execute(text("DELETE FROM ledger.jobs"))
    _, sent_again = fitted(lines[5:])
    with engine.connect() as connection:
        second = registry.find(connection, workspace, "extractor", sent_again[0]["version"])
    assert second.metrics["compared_with"] == sent[0]["version"]
    pairs = [json.loads(line) for line in desk.store.get(second.metrics["comparison_key"]).splitlines()]
    assert len(pairs) == 10
    assert set(pairs[0]) == {"document", "about", "truth", "candidate", "promoted"}


def test_too_few_labels_are_refused_with_what_to_do(put, schema, fitted, make_invoice):
    reading, truth = make_invoice(1)
    state, sent = fitted(_lines(put(reading), truth))
    assert state.state == "quarantined"
    assert state.reason["code"] == "too_few_labels"
    assert "review queue" in state.reason["action"]
    assert sent == []


def test_labels_of_fields_that_no_schema_knows_are_passed_over(put, schema, fitted, make_invoice):
    reading, _ = make_invoice(1)
    state, _ = fitted(_lines(put(reading), {"colour": ["red"]}))
    assert state.reason["code"] == "too_few_labels"


def test_schemas_have_versions_and_a_deleted_one_can_come_back(engine, workspace):
    first = Schema(name="a", fields=(FieldSpec(name="x", type="text"),))
    second = Schema(name="a", path=("Claims",), fields=(FieldSpec(name="x", type="date"),))
    with engine.begin() as connection:
        tables.keep_schema(connection, workspace, first, "anna")
        tables.keep_schema(connection, workspace, second, "anna")
        assert tables.schemas_of(connection, workspace) == [second]
        tables.keep_schema(connection, workspace, second, "anna", deleted=True)
        assert tables.schemas_of(connection, workspace) == []
        tables.keep_schema(connection, workspace, first, "anna")
        assert tables.schemas_of(connection, workspace) == [first]


def test_a_promoted_version_that_an_older_dossier_wrote_is_passed_over_and_the_log_says_so(
    put, extracted, schema, page, engine, desk, workspace, ranker, caplog
):
    source = zipfile.ZipFile(io.BytesIO(packed(ranker)))
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in source.namelist():
            content = source.read(name)
            if name == "manifest.json":
                content = json.dumps(json.loads(content) | {"format": "dossier-ranker/1"}).encode()
            archive.writestr(name, content)
    with engine.begin() as connection:
        old = registry.register(connection, desk.store, workspace, "extractor", target.getvalue(), {}, {})
        registry.promote(connection, workspace, "extractor", old.id, by="anna", reason="test")
    document = put(page(["Total", "EUR 12.50"]))
    extracted(document)
    with engine.connect() as connection:
        (value,) = facts.fields_of(connection, document)
    assert (value.value, value.engine, value.confidence) == ("12.50", "candidates", None)
    assert f"version {old.id} is not used" in caplog.text


def test_with_a_generation_server_the_model_is_asked_and_its_answer_is_kept_for_learning(
    put, extracted, schema, page, engine, desk, workspace, monkeypatch
):
    monkeypatch.setenv("DOSSIER_EXTRACT_GENERATE", "true")
    settings.cache_clear()
    answer = {"supplier": "Garage Weber", "total": None, "invoice_number": None, "invoice_date": None, "items": []}
    object.__setattr__(desk, "generator", ScriptedGenerator([json.dumps(answer)]))
    document = put(page("Beste Grüße von Garage Weber", ["Total", "EUR 12.50"]))
    extracted(document)
    settings.cache_clear()
    with engine.connect() as connection:
        values = {value.name: (value.value, value.engine) for value in facts.fields_of(connection, document)}
        assert tables.generated_of(connection, document)["supplier"] == ["Garage Weber"]
    assert values == {"supplier": ("Garage Weber", "generated"), "total": ("12.50", "candidates")}


def test_corrected_documents_of_the_class_are_found_as_examples(put, extracted, schema, page, label, engine, workspace):
    first, second = put(page(["Total", "EUR 12.50"])), put(page(["Total", "EUR 13.50"]))
    for document in (first, second):
        extracted(document)
    label(first, "total", "12.50")
    label(first, "items", ["Door", "Lamp"])
    label(second, "total", "13.50", audit=True)
    with engine.connect() as connection:
        found = tables.corrected_like(connection, workspace, second, ["Claims", "Motor"], 20)
        assert found == {first: {"total": ["12.50"], "items": ["Door", "Lamp"]}}
        assert tables.corrected_like(connection, workspace, first, ["Claims", "Motor"], 20) == {}
