"""Measuring answers: the record formats, and that what is measured is what the service does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.chat.evaluate import measure
from services.chat.learn import graded, token_f1
from services.chat.reader import COLUMNS
from shared.documents import Page, Reading
from shared.encoder import Encoder
from shared.errors import Refused

LETTER = "Dear Ms Weber,\n\nYour  contract\tends on 31 December 2025. The premium is 300 EUR.\n"
OTHER = "The garage opens at eight. Nobody works there on Sunday."


@pytest.fixture(scope="module")
def encoder(cache: Path) -> Encoder:
    return Encoder.load(None, cache)


def read_file(path: Path) -> Reading:
    """Cleans white space, as the reading room does: offsets of the reading are not those of the file."""
    if path.suffix == ".bad":
        raise Refused("damaged")
    content = "\n".join(" ".join(line.split()) for line in path.read_text().splitlines())
    return Reading(content, [Page(1, 0, 0, 0, len(content), [])], "text/plain", "en")


@pytest.fixture
def measured(tmp_path: Path, encoder: Encoder) -> Callable[..., list[dict[str, Any]]]:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "letter.txt").write_text(LETTER)
    (tmp_path / "files" / "other.txt").write_text(OTHER)
    (tmp_path / "files" / "broken.bad").write_text("x")

    def run(*records: dict[str, Any], collection: bool = False, index_only: bool = False) -> list[dict[str, Any]]:
        (tmp_path / "test.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
        measure(tmp_path / "test.jsonl", tmp_path / "out.jsonl", encoder, read_file, collection, index_only)
        return [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]

    return run


QUESTION = {"id": "1", "question": "When does the contract end?", "documents": ["files/letter.txt"]}


def test_a_prediction_has_an_answer_with_citations_at_their_place_in_the_file(
    measured: Callable[..., list[dict[str, Any]]],
) -> None:
    (prediction,) = measured(QUESTION)
    assert "31 December 2025" in prediction["answer"]
    assert not prediction["abstained"]
    assert prediction["citations"]
    for one in prediction["citations"]:
        assert one["document"] == "files/letter.txt"
        assert " ".join(LETTER[one["start"] : one["end"]].split()) == " ".join(one["quote"].split())
    assert prediction["retrieved"][0]["document"] == "files/letter.txt"


def test_index_only_retrieves_and_answers_nothing(measured: Callable[..., list[dict[str, Any]]]) -> None:
    (prediction,) = measured(QUESTION, index_only=True)
    assert (prediction["answer"], prediction["abstained"], prediction["citations"]) == ("", True, [])
    assert prediction["retrieved"]


def test_a_folder_means_all_of_its_files_and_a_damaged_one_is_passed_over(
    measured: Callable[..., list[dict[str, Any]]],
) -> None:
    (prediction,) = measured(QUESTION | {"documents": ["files/"]})
    assert {one["document"] for one in prediction["retrieved"]} == {"files/letter.txt", "files/other.txt"}


def test_the_collection_is_searched_only_when_it_is_asked_for(measured: Callable[..., list[dict[str, Any]]]) -> None:
    record = QUESTION | {"collection": "files/"}
    for collection, documents in ((False, 1), (True, 2)):
        (prediction,) = measured(record, collection=collection)
        assert len({one["document"] for one in prediction["retrieved"]}) == documents


def test_gold_in_the_records_changes_nothing(measured: Callable[..., list[dict[str, Any]]]) -> None:
    told = QUESTION | {"answers": ["300 EUR"], "evidence": [{"document": "files/other.txt"}], "answerable": False}
    assert measured(told) == measured(QUESTION)


def test_a_record_that_does_not_fit_is_named_by_its_line(measured: Callable[..., list[dict[str, Any]]]) -> None:
    with pytest.raises(Refused, match=r"test\.jsonl:2"):
        measured(QUESTION, {"id": "2"})


@pytest.mark.parametrize(
    ("said", "answer", "f1"),
    [("12 March", "on 12 March", 0.8), ("The garage", "garage", 1.0), ("a", "b", 0.0), ("Été", "ete", 1.0)],
)
def test_token_overlap_is_counted_as_squad_counts_it(said: str, answer: str, f1: float) -> None:
    assert token_f1(said, answer) == pytest.approx(f1)


def test_a_question_with_a_known_answer_grades_the_pieces_of_its_document(tmp_path: Path, encoder: Encoder) -> None:
    (tmp_path / "a.txt").write_text(LETTER)
    record = {"question": "When does the contract end?", "documents": ["a.txt"], "answers": ["31 December 2025"]}
    (tmp_path / "train.jsonl").write_text(json.dumps(record) + "\n" + json.dumps(record | {"answers": []}) + "\n")
    ((matrix, grades),) = graded(tmp_path / "train.jsonl", encoder)
    assert matrix.shape == (len(grades), len(COLUMNS))
    assert max(grades) == 1.0
    assert min(grades) == 0.0
