"""`dossier measure`: the record formats hold, and the gold of a test file changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.cli import measuring
from shared.errors import Refused

GOLD = ("path", "fields", "answers", "evidence", "answerable")
STORIES = {
    ("Claims", "Motor"): "the car was hit at the crossing, bumper and headlight are broken, the police came",
    ("Claims", "Water"): "a pipe burst in the kitchen, water ran through the ceiling and ruined the floor",
    ("Letters", "Termination"): "I hereby cancel my contract at the end of the term and ask for a confirmation",
}


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOSSIER_HOME", str(tmp_path / "home"))


def written(path: Path, records: list[dict[str, Any]], *, blind: bool = False) -> Path:
    kept = [{k: v for k, v in record.items() if not (blind and k in GOLD)} for record in records]
    path.write_text("".join(json.dumps(record) + "\n" for record in kept))
    return path


def predictions(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def with_and_without_gold(
    folder: Path, records: list[dict[str, Any]], measure: Callable[[Path, Path], None]
) -> list[dict[str, Any]]:
    """The predictions; fails where they differ between a test file with its gold and one without."""
    measure(written(folder / "seen.jsonl", records), folder / "p1.jsonl")
    measure(written(folder / "blind.jsonl", records, blind=True), folder / "p2.jsonl")
    assert predictions(folder / "p1.jsonl") == predictions(folder / "p2.jsonl")
    return predictions(folder / "p1.jsonl")


def test_classes_are_predicted_without_looking_at_the_gold(tmp_path: Path) -> None:
    def records(count: int, tag: str) -> list[dict[str, Any]]:
        return [
            {"id": f"{tag}{number}{path[1]}", "text": f"{words}, number {number}", "path": list(path)}
            for number in range(count)
            for path, words in STORIES.items()
        ]

    train = written(tmp_path / "train.jsonl", records(8, "train"))
    found = with_and_without_gold(
        tmp_path, records(2, "test"), lambda test, out: measuring.classify(test=test, out=out, train=train)
    )
    assert [one["path"] for one in found] == [list(path) for path in STORIES] * 2
    for one in found:
        assert len(one["confidence"]) == len(one["path"])
        assert all(level is None or 0 <= level <= 1 for level in one["confidence"])
        assert one["abstained"] is False


def test_fields_are_filled_without_looking_at_the_gold(tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    fields = [
        {"name": "invoice_number", "type": "identifier", "description": "number of the invoice", "many": False},
        {"name": "total", "type": "amount", "description": "total amount to pay", "many": False},
    ]
    schema.write_text(json.dumps({"name": "invoice", "fields": fields}))

    def record(number: int) -> dict[str, Any]:
        amount = f"{100 + 7 * number}.50"
        words = f"INVOICE|Invoice number: R-{4000 + number}|Date 3 May 2026|Total EUR {amount}".split("|")
        lines = [[line, 50, 50 + 30 * place, 400, 65 + 30 * place] for place, line in enumerate(words)]
        return {
            "id": f"i{number}",
            "pages": [{"width": 595, "height": 842, "words": lines}],
            "fields": {"invoice_number": f"R-{4000 + number}", "total": amount},
        }

    train = written(tmp_path / "train.jsonl", [record(number) for number in range(12)])
    found = with_and_without_gold(
        tmp_path,
        [record(number) for number in range(12, 16)],
        lambda test, out: measuring.extract(schema=schema, test=test, out=out, train=train),
    )
    assert [one["fields"]["total"]["value"] for one in found] == ["184.50", "191.50", "198.50", "205.50"]


def test_questions_are_answered_without_looking_at_the_gold(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    text = "The policy covers water damage.\n\nThe deductible for water damage is 450 euros per claim.\n"
    (tmp_path / "files" / "policy.txt").write_text(text)
    record = {
        "id": "q1",
        "question": "What is the deductible for water damage?",
        "documents": ["files/policy.txt"],
        "answers": ["450 euros"],
        "evidence": [{"document": "files/policy.txt", "page": None, "text": "450 euros per claim"}],
        "answerable": True,
    }
    found = with_and_without_gold(tmp_path, [record], lambda test, out: measuring.answer(test=test, out=out))
    assert "450" in found[0]["answer"]
    assert found[0]["retrieved"][0]["document"] == "files/policy.txt"
    for citation in found[0]["citations"]:
        assert text[citation["start"] : citation["end"]] == citation["quote"]


def test_a_broken_record_is_named_by_its_line(tmp_path: Path) -> None:
    (tmp_path / "test.jsonl").write_text('{"id": "a", "text": "fine"}\nnot json\n')
    with pytest.raises(Refused, match="line 2"):
        measuring.classify(test=tmp_path / "test.jsonl", out=tmp_path / "out.jsonl", train=tmp_path / "test.jsonl")


def test_a_line_ends_where_the_file_says_and_not_at_every_character_that_could_end_one(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(json.dumps({"id": "1", "text": "a\x85b\u2028c"}, ensure_ascii=False) + "\n", encoding="utf-8")
    measuring._check(path)
    path.write_text('{"id": "1"}\n["no record"]\n')
    with pytest.raises(Refused, match="line 2"):
        measuring._check(path)
