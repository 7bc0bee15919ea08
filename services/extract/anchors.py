"""Choosing before anyone has labelled anything: how well the label printed beside a candidate names the field.

A field is described by its name, its description and its anchors; labels are compared by meaning through a small
French, German and English lexicon of business words, so that "Rechnungsdatum" answers to `invoice_date`. The score
is a feature of the learned ranker too. It is no probability.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.extract.candidates import Candidate
from services.extract.context import Surroundings
from services.extract.lexicon import concepts_of, words_in
from services.extract.schema import FieldSpec

NAMES = ("anchor_left", "anchor_above", "anchor_before", "anchor_inside", "anchor")
_NOTHING = [0.0] * len(NAMES)


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


class Labels:
    """What is printed around the candidates of one pool, gathered once for all fields."""

    def __init__(self, surroundings: Surroundings, candidates: Sequence[Candidate]) -> None:
        # No label stands beside a clause.
        self._around = [
            None if candidate.kind.startswith("clause") else _around(surroundings, candidate)
            for candidate in candidates
        ]

    def rows(self, anchors: FieldAnchors) -> NDArray[np.float32]:
        """One row of `NAMES` for each candidate."""
        known: dict[tuple[str, ...], float] = {}

        def match(words: tuple[str, ...]) -> float:
            if words not in known:
                known[words] = anchors.match(words)
            return known[words]

        rows = [_NOTHING if around is None else _row(around, match) for around in self._around]
        return np.array(rows, dtype=np.float32).reshape(-1, len(NAMES))


def _has_label(candidate: Candidate) -> bool:
    """No label stands beside a clause."""
    return not candidate.kind.startswith("clause")


class _Around(NamedTuple):
    """The words that could be a label of one candidate, and how it stands to them."""

    left: tuple[tuple[str, ...], ...]
    head: tuple[str, ...]
    above: tuple[str, ...]
    before: tuple[str, ...]
    inside: tuple[str, ...]
    begins: bool
    closes: bool
    free: bool


def _around(surroundings: Surroundings, candidate: Candidate) -> _Around:
    sheet = surroundings.sheet
    segment = sheet.segments[sheet.tokens[candidate.first].segment]
    left = surroundings.left_words(candidate)
    in_the_middle = segment.place_in_row > 1
    return _Around(
        left=tuple(tuple(left[-length:]) for length in (1, 2, 3, 4, 6) if len(left) >= min(length, 1)),
        head=tuple(surroundings.segment_words(sheet.rows[segment.row][0])[-6:]) if in_the_middle else (),
        above=tuple(surroundings.above_words(candidate)[:6]) if candidate.first == segment.first else (),
        before=tuple(surroundings.order_words(candidate, 4)),
        inside=tuple(token.key for token in sheet.tokens[candidate.first : candidate.last][:8]),
        begins=candidate.first == segment.first or sheet.tokens[candidate.first - 1].key in (":", "#", "="),
        closes=sheet.segments[sheet.tokens[candidate.last - 1].segment].last == candidate.last,
        free=candidate.kind[:4] in ("cell", "part", "name", "chai"),
    )


def _row(around: _Around, match: Callable[[tuple[str, ...]], float]) -> list[float]:
    left = max((match(words) for words in around.left), default=0.0)
    left = max(left, 0.8 * match(around.head))
    above, before, inside = match(around.above), match(around.before), match(around.inside)
    best = max(left, 0.85 * above, 0.8 * before)
    # A name that holds the label's own words is the label, or the label and the value in one.
    total = best - (0.6 * inside if around.free else 0.0)
    return [left, above, before, inside, total + 0.05 * around.begins + 0.05 * around.closes]


def _overlap(wanted: frozenset[str], said: frozenset[str]) -> float:
    shared = len(wanted & said)
    return 2 * shared / (len(wanted) + len(said)) if shared else 0.0
