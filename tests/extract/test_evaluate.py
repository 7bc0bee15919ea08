"""Measuring: the record formats, and that the gold of what is measured is never looked at."""

from __future__ import annotations

import json

import pytest

from services.extract.evaluate import measure, reading_from_pages, typed_values
from services.extract.schema import Schema, as_plain
from shared.errors import Refused


@pytest.fixture
def record(make_invoice):
    """A record of the neutral format, with its gold."""

    def make(seed: int) -> dict:
        reading, truth = make_invoice(seed)
        words = [[word.text, *word.box] for word in reading.words()]
        fields = {name: values if name == "items" else values[0] for name, values in truth.items()}
        return {"id": f"r{seed}", "pages": [{"width": 595, "height": 842, "words": words}], "fields": fields}

    return make


@pytest.fixture
def folder(tmp_path, fields, record):
    schema = as_plain(Schema(name="invoice", fields=fields))
    del schema["path"]
    (tmp_path / "schema.json").write_text(json.dumps(schema))
    _write(tmp_path / "train.jsonl", [record(seed) for seed in range(12)])
    _write(tmp_path / "test.jsonl", [record(seed) for seed in range(40, 44)])
    return tmp_path


def _write(path, records):
    path.write_text("".join(json.dumps(one) + "\n" for one in records))


def _measured(folder, out="out.jsonl", read_file=None):
    figures = measure(
        folder / "schema.json", folder / "train.jsonl", folder / "test.jsonl", folder / out, read_file or (lambda p: p)
    )
    return figures, [json.loads(line) for line in (folder / out).read_text().splitlines()]


def test_predictions_have_value_confidence_page_and_text_for_every_field(folder, fields):
    figures, lines = _measured(folder)
    assert [line["id"] for line in lines] == ["r40", "r41", "r42", "r43"]
    for line in lines:
        assert set(line["fields"]) == {field.name for field in fields}
    total = lines[0]["fields"]["total"]
    assert set(total) == {"value", "confidence", "page", "text", "boxes"}
    assert total["page"] == 1
    assert isinstance(lines[0]["fields"]["items"], list)
    assert figures["trained_on"] == 12
    assert figures["fields"]["total"]["candidate_recall"] == 1.0


def test_the_gold_of_the_test_records_changes_nothing(folder, record):
    _, with_gold = _measured(folder)
    without = [{key: value for key, value in record(seed).items() if key != "fields"} for seed in range(40, 44)]
    _write(folder / "test.jsonl", without)
    assert _measured(folder)[1] == with_gold


def test_a_file_that_cannot_be_read_is_answered_with_nothing_and_the_reason(folder):
    def refuse(path):
        raise Refused(f"{path.name} is encrypted.")

    _write(folder / "test.jsonl", [{"id": "a", "file": "files/a.pdf"}, {"id": "b"}])
    figures, lines = _measured(folder, read_file=refuse)
    assert figures["unreadable"] == 2
    assert lines[0]["error"] == "a.pdf is encrypted."
    assert set(lines[0]["fields"].values()) == {None}
    assert lines[1]["error"] == "The record has neither pages nor a file."


def test_files_are_read_beside_their_jsonl(folder, make_invoice):
    asked = []

    def read(path):
        asked.append(path)
        return make_invoice(40)[0]

    _write(folder / "test.jsonl", [{"id": "a", "file": "files/a.pdf"}])
    _, lines = _measured(folder, read_file=read)
    assert asked == [folder / "files" / "a.pdf"]
    assert lines[0]["fields"]["total"] is not None


def test_a_line_given_as_one_entry_becomes_words_with_their_share_of_the_width():
    reading = reading_from_pages(
        [{"width": 100, "height": 50, "words": [["AB CD", 10, 0, 60, 10], ["E", 70, 1, 80, 9]]}]
    )
    reading.check()
    assert reading.text == "AB CD E\n"
    assert [word.box for word in reading.words()] == [(10, 0, 30, 10), (40, 0, 60, 10), (70, 1, 80, 9)]


def test_gold_becomes_lists_of_text():
    assert typed_values({"a": None, "b": "x", "c": ["y", None, " "], "d": 12}) == {
        "a": [],
        "b": ["x"],
        "c": ["y"],
        "d": ["12"],
    }


def test_a_broken_line_is_refused_with_its_number(folder):
    (folder / "train.jsonl").write_text('{"id": "a", "pages": []}\n{"id"\n')
    with pytest.raises(Refused, match=r"train\.jsonl, line 2"):
        _measured(folder)
