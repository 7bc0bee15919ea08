"""Choosing before anyone has labelled anything: how well the label printed beside a candidate names the field.

A field is described by its name, its description and its anchors; labels are compared by meaning through a small
French, German and English lexicon of business words, so that "Rechnungsdatum" answers to `invoice_date`. The score
is a feature of the learned ranker too. It is no probability.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.extract.candidates import Candidate
from services.extract.context import Surroundings
from services.extract.lexicon import CONCEPTS, STOP_WORDS
from services.extract.schema import FieldSpec
from services.extract.values import folded

NAMES = ("anchor_left", "anchor_above", "anchor_before", "anchor_inside", "anchor")
#: Below this a cold choice is a guess and is not made; samples corpus, labelled half, 2026-11.
ENOUGH = 0.5
_LEFT, _ABOVE, _BEFORE, _INSIDE = range(4)


@dataclass(frozen=True)
class FieldAnchors:
    """What a label must say: whole phrases (the schema's anchors), and concepts with their weights."""

    phrases: tuple[frozenset[str], ...]
    named: frozenset[str]
    described: frozenset[str]

    @classmethod
    def of(cls, field: FieldSpec) -> FieldAnchors:
        """The anchors of `field`: its own, its name's words, and its description's."""
        return cls(
            phrases=tuple(concepts_of(words_in(anchor)) for anchor in field.anchors),
            named=concepts_of(words_in(field.name.replace("_", " "))),
            described=concepts_of(words_in(field.description)),
        )

    def match(self, label: Sequence[str]) -> float:
        """How well the label's words say this field, 0 to 1: overlap of concepts, counting both ways."""
        said = concepts_of(label)
        if not said:
            return 0.0
        best = max((_overlap(phrase, said) for phrase in self.phrases), default=0.0)
        return max(best, 0.9 * _overlap(self.named, said), 0.6 * _overlap(self.described, said))


def anchor_features(
    surroundings: Surroundings, candidates: Sequence[Candidate], places: Iterable[int], anchors: FieldAnchors
) -> NDArray[np.float32]:
    """One row of `NAMES` for each candidate in `places`."""
    cache: dict[tuple[str, ...], float] = {}

    def match(words: Sequence[str]) -> float:
        key = tuple(words[-6:])
        if key not in cache:
            cache[key] = anchors.match(key)
        return cache[key]

    rows = [_row(surroundings, candidates[place], match) for place in places]
    return np.array(rows, dtype=np.float32).reshape(-1, len(NAMES))


def _row(surroundings: Surroundings, candidate: Candidate, match: object) -> list[float]:
    assert callable(match)
    sheet = surroundings.sheet
    segment = sheet.segments[sheet.tokens[candidate.first].segment]
    left_words = surroundings.left_words(candidate)
    left = max((match(left_words[-length:]) for length in (1, 2, 3, 4, 6)), default=0.0) if left_words else 0.0
    above = match(surroundings.above_words(candidate)[:6])
    row_head = sheet.rows[segment.row][0]
    if segment.place_in_row > 1:
        left = max(left, 0.8 * match(surroundings.segment_words(row_head)))
    before = match(surroundings.order_words(candidate, 4))
    inside = match([token.key for token in sheet.tokens[candidate.first : candidate.last][:8]])
    starts = candidate.first == segment.first or sheet.tokens[candidate.first - 1].key in (":", "#", "=")
    best = max(left, 0.85 * above if candidate.first == segment.first else 0.5 * above, 0.8 * before)
    total = best - (0.6 * inside if candidate.kind[:4] in ("cell", "part", "name", "chai") else 0.0)
    closes = sheet.segments[sheet.tokens[candidate.last - 1].segment].last == candidate.last
    return [left, above, before, inside, total + 0.05 * starts + 0.05 * closes]


def words_in(text: str) -> list[str]:
    """The folded words of a text, digits and stop words left out."""
    return [word for word in re.findall(r"[^\W\d_]+", folded(text)) if word not in STOP_WORDS]


def concepts_of(words: Sequence[str]) -> frozenset[str]:
    """What the words mean: concepts of the lexicon, compounds taken apart; an unknown word means itself."""
    return frozenset(concept for word in words for concept in _concepts(word))


def _overlap(wanted: frozenset[str], said: frozenset[str]) -> float:
    shared = len(wanted & said)
    return 2 * shared / (len(wanted) + len(said)) if shared else 0.0


@functools.lru_cache(maxsize=50_000)
def _concepts(word: str) -> tuple[str, ...]:
    bare = folded(word)
    if not any(character.isalpha() for character in bare) and bare != "°":
        return ()
    if bare in STOP_WORDS:
        return ()
    if bare in CONCEPTS:
        return (CONCEPTS[bare],)
    inside = {concept for known, concept in CONCEPTS.items() if len(known) >= 4 and known in bare}
    if bare.endswith(("nr", "no")) and len(bare) > 4:
        inside.add("number")
    return tuple(sorted(inside)) or (bare[:7],)
