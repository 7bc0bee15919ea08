"""Which passages answer a question best: word matching and meaning, fused.

Words are weighed by BM25 (Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework", section 3.4),
meaning by the cosine of sentence vectors. The two are added after the BM25 scores were scaled to 0..1 by their
maximum: such a sum keeps how much better one passage is than the next, which rank fusion throws away (Bruch et al.
2022, arXiv:2210.11934; measured here too, docs/decisions/0040-fusion.md).

This module ranks candidates it is given; finding them is the index's work.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.chat.questions import language_of
from services.chat.terms import LANGUAGES, stop_words, terms

#: BM25's saturation of repeated words and its punishment of long passages; the usual values.
K1, B = 1.2, 0.75
#: How many candidates each side (words, vectors) brings; the ranking looks at their union.
CANDIDATES = 100
#: In a smaller collection, that a word is absent says little about how rare it is.
FEW_PASSAGES = 100
#: What a cosine of 1 weighs beside the best BM25 score.
SIMILARITY_WEIGHT = 0.5


Vectors = NDArray[np.float32]


class SentenceEncoder(Protocol):
    """What is needed of `shared.encoder.Encoder`."""

    def encode(self, texts: list[str], max_tokens: int = 256) -> Vectors:
        """One unit vector for each text."""


@dataclass(frozen=True)
class Passage:
    """A chunk as a candidate: `text` is `[start:end]` of its document's text, on one page.

    `similarity` is the cosine between its vector and the question's, -1..1.
    """

    document: str
    name: str
    page: int
    start: int
    end: int
    text: str
    language: str | None
    similarity: float


@dataclass(frozen=True)
class Statistics:
    """What BM25 knows of the whole collection; `frequency` has the number of passages for each question term."""

    passages: int
    mean_length: float
    frequency: Mapping[str, int]

    def rarity(self, term: str) -> float:
        """Inverse document frequency, above 0; highest for a term that no passage has."""
        found = min(self.frequency.get(term, 0), self.passages)
        return math.log(1 + (self.passages - found + 0.5) / (found + 0.5))


@dataclass(frozen=True)
class Ranked:
    """A passage with its score (higher is better, comparable within one question only).

    `coverage` is the share, 0..1, of the question's words by rarity that the passage has; `overlap` is the same with
    the rarities of a collection of at least `FEW_PASSAGES`, so that it means the same for one letter and for a million.
    """

    passage: Passage
    score: float
    coverage: float
    overlap: float


class Question:
    """A question, analysed in every language that its passages may have."""

    def __init__(self, text: str) -> None:
        self.text = text
        # "What" is a rare word among German passages, and says nothing all the same.
        self._small_words = stop_words(language_of(text))
        self._terms: dict[str | None, Counter[str]] = {}

    def terms(self, language: str | None) -> Counter[str]:
        """The question's terms as a passage in that language would have them."""
        if language not in self._terms:
            self._terms[language] = Counter(terms(self.text, language, self._small_words))
        return self._terms[language]

    def all_terms(self, languages: Iterable[str | None] = LANGUAGES) -> set[str]:
        """The terms in any of the languages: what to look for in a collection that has them all."""
        return {term for language in languages for term in self.terms(language)}


def ranked(question: Question, passages: Sequence[Passage], statistics: Statistics) -> list[Ranked]:
    """The passages, best first; those at one score keep their order."""
    counted = [Counter(terms(passage.text, passage.language)) for passage in passages]
    words = [
        _bm25(question.terms(passage.language), counts, statistics)
        for passage, counts in zip(passages, counted, strict=True)
    ]
    best = max(words, default=0.0) or 1.0
    widened = replace(statistics, passages=max(statistics.passages, FEW_PASSAGES))
    scored = [
        Ranked(
            passage,
            word / best + SIMILARITY_WEIGHT * passage.similarity,
            _coverage(question.terms(passage.language), counts, statistics),
            _coverage(question.terms(passage.language), counts, widened),
        )
        for passage, counts, word in zip(passages, counted, words, strict=True)
    ]
    return sorted(scored, key=lambda one: -one.score)


def _bm25(asked: Counter[str], counts: Counter[str], statistics: Statistics) -> float:
    norm = K1 * (1 - B + B * counts.total() / max(statistics.mean_length, 1.0))
    score = 0.0
    for term, weight in asked.items():
        count = counts.get(term, 0)
        if count:
            score += min(weight, 2) * statistics.rarity(term) * count * (K1 + 1) / (count + norm)
    return score


def _coverage(asked: Counter[str], counts: Counter[str], statistics: Statistics) -> float:
    total = sum(statistics.rarity(term) for term in asked)
    return sum(statistics.rarity(term) for term in asked if term in counts) / total if total else 0.0
