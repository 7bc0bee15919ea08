"""What can be seen of a piece that may be an answer: in its sentence, around it, in the words of the question.

Plain numbers, most of them 0 or 1; `reader.py` weighs them. A feature is added at the end of its group here, and then
the trees are grown again (`learn.py`).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.chat.retrieval import Question, Ranked, Statistics
from services.chat.sentences import sentences
from services.chat.spans import Token, pieces, tokens_of
from services.chat.tabular import Span, cells, heads, is_row
from services.chat.terms import grams, stem, stop_words, terms

#: Passages and sentences that are read closely.
MOST_PASSAGES = 6
MOST_SENTENCES = 12

Matrix = NDArray[np.float64]
#: Sentences in, their cosines with the question out.
Likeness = Callable[[list[str]], Sequence[float]]

#: What is looked at in a piece; the order is that of the columns.
FEATURES = (
    # of the sentence
    "coverage", "passage_coverage", "passage_score", "first_passage", "first_sentence", "sentence_rank",
    "similarity", "similarity_rank", "similarity_first", "row",
    # of the piece in the sentence
    "whole", "words", "log_words", "words_1", "words_2", "words_3_4", "words_5_8", "words_9_20", "words_21",
    "place", "begins", "ends", "overlap", "all_overlap", "near", "adjacent_left", "adjacent_right", "repeats",
    # what stands around it
    "left_determiner", "left_stop", "left_sign", "left_be", "left_number", "left_word", "left_bracket", "left_colon",
    "right_stop", "right_sign", "right_comma", "right_word", "right_bracket", "right_number",
    "begins_determiner", "begins_stop", "inside_comma", "inside_stop",
    # what it is
    "digits", "year", "date", "amount", "percent", "number_word", "only_number", "number_and_word", "unit",
    "capital", "all_capital", "capitals", "capital_left_out", "quoted", "bare",
    # a cell
    "cell", "cell_number", "cell_heads", "cell_label", "cell_both", "cell_first",
)  # fmt: skip


_YEAR = re.compile(r"\b(?:1[0-9]|20)\d\d\b")
_DATE = re.compile(
    r"\b\d{1,2}[./-]\d{1,2}[./-]\d{2,4}\b|\b\d{4}-\d\d-\d\d\b|\b(?:jan|feb|fev|mar|mär|apr|avr|may|mai|jun|juin|jul|juil|"
    r"aug|aoû|sep|oct|okt|nov|dec|dez|déc)\w*\b",
    re.IGNORECASE,
)
_AMOUNT = re.compile(r"[$€£]|\b(?:eur|euros?|usd|chf|dollars?|francs?)\b", re.IGNORECASE)
_PERCENT = re.compile(r"%|\b(?:percent|per cent|prozent|pour cent)\b", re.IGNORECASE)
_NUMBER_WORD = re.compile(
    r"^(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|ein\w*|zwei|drei|vier|funf|sechs|sieben|acht|neun|"
    r"zehn|elf|zwolf|un|une|deux|trois|quatre|cinq|sept|huit|neuf|dix|onze|douze|half|hundert\w*|hundreds?|thousands?|"
    r"millions?|millionen|first|second|third|erste\w*|zweite\w*|dritte\w*|premier|premiere|deuxieme)$"
)
_UNIT_WORD = re.compile(
    r"^(?:years?|months?|weeks?|days?|hours?|minutes?|jahre?n?|monate?n?|wochen?|tage?n?|stunden?|minuten?|ans?|annees?|mois|"
    r"semaines?|jours?|heures?|kilomet\w*|meters?|metres?|miles?|km|m|kg|people|persons?|personen|personnes?|members?)$"
)
_DETERMINERS = frozenset(
    ("the", "a", "an", "der", "die", "das", "den", "dem", "des", "ein", "eine", "einen", "einem", "einer", "le", "la",
     "les", "un", "une", "l", "du")
)  # fmt: skip
_BE = frozenset(
    ("is", "was", "are", "were", "be", "been", "called", "named", "ist", "war", "sind", "waren", "wird", "wurde",
     "wurden", "heisst", "est", "sont", "etait", "etaient", "sera")
)  # fmt: skip


@dataclass(frozen=True)
class Piece:
    """A candidate answer: `[start, end)` of its document's text, inside `sentence`, from the passage at `rank`."""

    rank: int
    sentence: Span
    start: int
    end: int


def seen(
    question: Question, found: Sequence[Ranked], texts: Sequence[str], statistics: Statistics, likeness: Likeness
) -> tuple[list[Piece], Matrix]:
    """Every candidate piece with its features, shape (pieces, len(FEATURES))."""
    near: list[_Sentence] = []
    for rank, (one, text) in enumerate(zip(found[:MOST_PASSAGES], texts, strict=False)):
        passage = one.passage
        for span in sentences(text, passage.start, passage.end):
            near.append(_Sentence(question, one, rank, text, span, statistics))
    alike = likeness([one.text[slice(*one.span)] for one in near]) if near else []
    for sentence, cosine in zip(near, alike, strict=True):
        sentence.similarity = float(cosine)
    near.sort(key=lambda sentence: -sentence.worth)
    order = sorted(range(len(near)), key=lambda place: -near[place].similarity)
    for place, number in enumerate(order):
        near[number].similarity_rank = place
    candidates: list[Piece] = []
    rows: list[list[float]] = []
    for place, sentence in enumerate(near[:MOST_SENTENCES]):
        for piece, row in sentence.pieces(place):
            candidates.append(piece)
            rows.append(row)
    return candidates, np.array(rows, float).reshape(len(rows), len(FEATURES))


class _Sentence:
    """One sentence, its tokens, and how they meet the question."""

    def __init__(
        self, question: Question, found: Ranked, rank: int, text: str, span: Span, statistics: Statistics
    ) -> None:
        self.text, self.span, self.rank, self.found = text, span, rank, found
        self.language = found.passage.language
        self.stops = stop_words(self.language)
        self.tokens = tokens_of(text, span)
        self.asked = {term: statistics.rarity(term) for term in question.terms(self.language)}
        self.total = sum(self.asked.values()) or 1.0
        self.met = [self._met(token) for token in self.tokens]
        self.coverage = self._covered({term for term in self.met if term is not None})
        self.row = is_row(text, span)
        label = cells(text, span)[0] if self.row else span
        self.label = self._coverage_of(text[slice(*label)]) if self.row else 0.0
        self.similarity = 0.0
        self.similarity_rank = 0

    @property
    def worth(self) -> float:
        """By how much this sentence deserves to be read before others."""
        return self.coverage + self.similarity + 0.3 * self.found.coverage + 0.2 * self.found.score

    def _met(self, token: Token) -> str | None:
        """The question's term that a token stands for, compounds included; None where it stands for none."""
        if token.shape == "sign":
            return None
        term = stem(token.text, self.language)
        if term in self.asked:
            return term
        for part in terms(token.text, self.language):
            if part in self.asked:
                return part
        if len(term) >= 6 and token.shape == "word":
            own = grams(term)
            for asked in self.asked:
                if len(asked) >= 6 and len(own & grams(asked)) >= 0.6 * min(len(own), len(grams(asked))):
                    return asked
        return None

    def _covered(self, met: set[str]) -> float:
        return sum(self.asked[term] for term in met) / self.total

    def _coverage_of(self, words: str) -> float:
        return self._covered({term for term in terms(words, self.language) if term in self.asked})

    def pieces(self, place: int) -> list[tuple[Piece, list[float]]]:
        """Every piece of the sentence with its features; `place` is the sentence's among those read."""
        common = [
            self.coverage, self.found.coverage, self.found.score, float(self.rank == 0), float(place == 0),
            1 / (1 + place), self.similarity, 1 / (1 + self.similarity_rank), float(self.similarity_rank == 0),
            float(self.row),
        ]  # fmt: skip
        if self.row:
            return self._cell_pieces(common)
        counts = Counter(token.plain for token in self.tokens)
        return [
            (
                Piece(self.rank, self.span, self.tokens[first].start, self.tokens[last - 1].end),
                common
                + self._inside(first, last, counts)
                + self._around(first, last)
                + self._shape(first, last)
                + [0.0] * 6,
            )
            for first, last in pieces(self.tokens, self.language)
        ]

    def _cell_pieces(self, common: list[float]) -> list[tuple[Piece, list[float]]]:
        made = []
        for column, (start, end) in enumerate(cells(self.text, self.span)):
            inside = [place for place, token in enumerate(self.tokens) if start <= token.start and token.end <= end]
            if not inside:
                continue
            first, last = inside[0], inside[-1] + 1
            above = self._coverage_of(heads(self.text, self.span, column)) if column else 0.0
            number = float(any(self.tokens[place].shape == "number" for place in inside))
            cell = [1.0, number, above, self.label, above * self.label, float(column == 0)]
            around = [0.0] * len(self._around(first, last))
            row = common + self._inside(first, last, Counter()) + around + self._shape(first, last) + cell
            made.append((Piece(self.rank, self.span, start, end), row))
        return made

    def _inside(self, first: int, last: int, counts: Counter[str]) -> list[float]:
        words = [token for token in self.tokens[first:last] if token.shape != "sign"]
        n = max(len(words), 1)
        content = [place for place in range(first, last) if self._is_content(place)]
        overlap = sum(self.met[place] is not None for place in content) / max(len(content), 1)
        outside = [place for place, term in enumerate(self.met) if term and not first <= place < last]
        near = sum(
            self.asked[self.met[place] or ""] / (1 + (first - place if place < first else place - last + 1))
            for place in outside
        )
        whole = first == 0 and last >= len(self.tokens) - 1
        return [
            float(whole), n / 10, math.log(n), float(n == 1), float(n == 2), float(3 <= n <= 4), float(5 <= n <= 8),
            float(9 <= n <= 20), float(n > 20),
            first / len(self.tokens), float(first == 0), float(last >= len(self.tokens) - 1),
            overlap, float(overlap > 0.99), near / self.total,
            float(first > 0 and self.met[first - 1] is not None),
            float(last < len(self.tokens) and self.met[last] is not None),
            float(n == 1 and counts[self.tokens[first].plain] > 1),
        ]  # fmt: skip

    def _is_content(self, place: int) -> bool:
        token = self.tokens[place]
        return token.shape != "sign" and token.plain not in self.stops

    def _around(self, first: int, last: int) -> list[float]:
        left = self.tokens[first - 1] if first else None
        right = self.tokens[last] if last < len(self.tokens) else None
        begin = self.tokens[first]
        inside = self.tokens[first:last]
        return [
            float(left is not None and left.plain in _DETERMINERS),
            float(left is not None and left.plain in self.stops),
            float(left is not None and left.shape == "sign"),
            float(left is not None and left.plain in _BE),
            float(left is not None and left.shape == "number"),
            float(left is not None and left.shape == "word" and left.plain not in self.stops),
            float(left is not None and left.text == "("),
            float(left is not None and left.text == ":"),
            float(right is not None and right.plain in self.stops),
            float(right is not None and right.shape == "sign"),
            float(right is not None and right.text == ","),
            float(right is not None and right.shape == "word" and right.plain not in self.stops),
            float(right is not None and right.text in "()"),
            float(right is not None and right.shape == "number"),
            float(begin.plain in _DETERMINERS),
            float(begin.plain in self.stops),
            float(any(token.text == "," for token in inside)),
            float(any(token.plain in self.stops for token in inside[1:])),
        ]

    def _shape(self, first: int, last: int) -> list[float]:
        inside = self.tokens[first:last]
        text = self.text[inside[0].start : inside[-1].end]
        words = [token for token in inside if token.shape == "word" and token.plain not in self.stops]
        numbers = [token for token in inside if token.shape == "number"]
        capitals = [token for token in words if token.text[0].isupper()]
        beside = [self.tokens[place] for place in (first - 1, last) if 0 <= place < len(self.tokens)]
        left_out = any(token.shape == "word" and token.text[0].isupper() for token in beside)
        spelled = any(_NUMBER_WORD.match(token.plain) for token in inside)
        return [
            float(bool(numbers)), float(bool(_YEAR.search(text))), float(bool(_DATE.search(text))),
            float(bool(_AMOUNT.search(text))), float(bool(_PERCENT.search(text))), float(spelled),
            float(bool(numbers) and not words), float(bool(numbers or spelled) and bool(words)),
            float(any(_UNIT_WORD.match(token.plain) for token in inside)),
            float(bool(words) and words[0].text[0].isupper()), float(bool(words) and len(capitals) == len(words)),
            min(len(capitals), 4) / 4, float(bool(capitals) and left_out), float(text[:1] in "\"'«“„"),
            float(not numbers and not capitals),
        ]  # fmt: skip
