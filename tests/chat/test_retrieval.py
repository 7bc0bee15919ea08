"""Terms and ranking."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chat.memory import MemoryIndex, indexed
from services.chat.questions import kind_of, language_of
from services.chat.retrieval import Passage, Question, Statistics, ranked
from services.chat.terms import LANGUAGES, folded, stop_words, terms
from shared.documents import Reading


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("fr", "l'assuré résilie le contrat", "L’ASSURÉ résilient les contrats"),
        ("de", "Der Versicherungsnehmer kündigte die Verträge", "versicherungsnehmer kündigten Vertrag"),
        ("en", "The insured cancelled policies", "insured cancels a policy"),
        ("de", "Straße", "STRASSE"),
        (None, "Prénom", "prenom"),
    ],
)
def test_forms_of_one_word_are_one_term(language: str | None, one: str, other: str) -> None:
    shared = set(terms(one, language)) & set(terms(other, language))
    assert len(shared) >= len(set(terms(other, language))) - 1


@pytest.mark.parametrize("written", ["POL-2024/17", "pol-2024/17", "POL.2024.17"])
def test_an_identifier_is_found_whole_and_by_its_parts(written: str) -> None:
    found = terms(f"Ref. {written} of today", "en")
    assert {"pol202417", "pol", "2024", "17"} <= set(found)


def test_an_amount_is_one_term_however_its_thousands_are_separated() -> None:
    assert {"1791790"} <= set(terms("1,791,790", "en")) & set(terms("1.791.790", "de")) & set(terms("1'791'790", "fr"))


@given(st.text(max_size=300), st.sampled_from([*LANGUAGES, None, "lb"]))
def test_terms_are_folded_and_never_stop_words(text: str, language: str | None) -> None:
    for term in terms(text, language):
        assert term
        assert len(term) <= 64
        assert term not in stop_words(language)


@pytest.mark.parametrize(
    ("question", "kind", "language"),
    [
        ("When did the accident happen?", "date", "en"),
        ("Wann ist der Vertrag abgelaufen?", "date", "de"),
        ("Quelle est la date d'échéance du contrat ?", "date", "fr"),
        ("How much is the deductible?", "number", "en"),
        ("Wie hoch ist die Prämie?", "number", "de"),
        ("Combien coûte un passeport ?", "number", "fr"),
        ("Who signed the report?", "name", "en"),
        ("Wer hat das Gutachten erstellt?", "name", "de"),
        ("Qui doit payer les frais ?", "name", "fr"),
        ("Peut-on résilier le contrat ?", "yes_no", "fr"),
        ("Is theft covered when I am away?", "yes_no", "en"),
        ("Warum wurde der Antrag abgelehnt?", "reason", "de"),
        ("Wo befindet sich das Fahrzeug?", "place", "de"),
        ("Which garage made the estimate?", "thing", "en"),
    ],
)
def test_a_question_says_what_kind_of_answer_it_wants(question: str, kind: str, language: str) -> None:
    assert (kind_of(question), language_of(question)) == (kind, language)


def passage(text: str, similarity: float = 0.0, language: str | None = "en") -> Passage:
    return Passage("doc", "name", 1, 0, len(text), text, language, similarity)


def test_a_rare_word_weighs_more_than_a_frequent_one() -> None:
    statistics = Statistics(100, 4.0, {"polici": 90, "hailston": 2})
    both = [passage("policy"), passage("hailstone")]
    assert [one.passage.text for one in ranked(Question("hailstone policy"), both, statistics)] == [
        "hailstone",
        "policy",
    ]


def test_meaning_decides_where_words_do_not() -> None:
    both = [passage("alpha", 0.1), passage("beta", 0.8)]
    assert ranked(Question("gamma"), both, Statistics(2, 1.0, {}))[0].passage.text == "beta"


def test_coverage_is_the_share_of_the_question_by_rarity() -> None:
    statistics = Statistics(10, 2.0, {"hail": 1, "damag": 5})
    (one,) = ranked(Question("hail damage"), [passage("the damage")], statistics)
    rare, common = (math.log(1 + (10 - found + 0.5) / (found + 0.5)) for found in (1, 5))
    assert one.coverage == pytest.approx(common / (rare + common))


@given(st.lists(st.tuples(st.text(max_size=40), st.floats(-1, 1)), max_size=8), st.text(max_size=60))
def test_ranking_keeps_every_passage_and_falls_in_score(given_: list[tuple[str, float]], question: str) -> None:
    passages = [passage(text, similarity) for text, similarity in given_]
    found = ranked(Question(question), passages, Statistics(len(passages), 3.0, {}))
    assert sorted(id(one.passage) for one in found) == sorted(map(id, passages))
    assert all(one.score >= other.score for one, other in pairwise(found))
    assert all(0 <= one.coverage <= 1 + 1e-9 for one in found)


class Letters:
    """An encoder of a kind: a text's vector is the counts of its letters. Real vectors, no model."""

    def encode(self, texts: list[str], max_tokens: int = 256) -> Any:
        rows = [[1e-6 + folded(text).count(chr(97 + place % 26)) for place in range(384)] for text in texts]
        vectors = np.array(rows, np.float32).reshape(len(texts), 384)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_the_index_in_memory_brings_what_shares_words_and_what_is_near(make_reading: Callable[..., Reading]) -> None:
    documents = [
        indexed("one", make_reading("The hail broke the glass."), Letters()),
        indexed("two", make_reading("Nothing to see."), Letters()),
        indexed("none", make_reading(""), Letters()),
    ]
    index = MemoryIndex(documents)
    question = Question("Which hail?")
    vector = Letters().encode([question.text])[0]
    passages, statistics = index.candidates(question.all_terms(index.languages), vector, 1)
    assert "one" in {one.document for one in passages}
    assert (statistics.passages, statistics.frequency["hail"]) == (2, 1)
