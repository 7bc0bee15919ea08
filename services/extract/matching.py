"""Which candidates are right, given what people said: the targets that the ranker learns from.

A label is a value, not a place, so every candidate of that value counts. Where none has exactly that value, the
nearest one may stand in: a name with a slip of the pen, a clause cut at another sentence.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from services.extract.candidates import Candidate
from services.extract.schema import FieldSpec
from services.extract.spelling import letters
from services.extract.values import comparable

#: Types whose printed form may differ from the typed one and still be the value.
FREE_TYPES = frozenset({"text", "party", "address", "list"})
#: More words than this and two texts are compared as sets of words.
_CLAUSE_WORDS = 12
_NEAR_ENOUGH, _CLAUSE_RIGHT, _CLAUSE_PERHAPS = 0.88, 0.7, 0.3


@dataclass(frozen=True)
class Targets:
    """Per candidate: `right` 1 or 0, and `weight` 0 where it is neither (left out of learning).

    `exact`: its value is exactly one that was typed. `matched` says for each typed value whether it was found.
    """

    right: NDArray[np.int8]
    exact: NDArray[np.int8]
    weight: NDArray[np.float32]
    matched: list[bool]


class Forms:
    """The candidates of one pool by what they say, worked out once for all fields that share the pool."""

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        self.candidates = candidates

    @cached_property
    def by_meaning(self) -> dict[str, list[int]]:
        """Places by `Candidate.same`."""
        return self._grouped(candidate.same for candidate in self.candidates)

    @cached_property
    def by_letters(self) -> dict[str, list[int]]:
        """Places by letters and digits alone."""
        return self._grouped(letters(candidate.value) for candidate in self.candidates)

    @cached_property
    def words(self) -> list[frozenset[str]]:
        """The set of words of each candidate."""
        return [_words(candidate.value) for candidate in self.candidates]

    def _grouped(self, forms: Iterable[str]) -> dict[str, list[int]]:
        places: dict[str, list[int]] = {}
        for place, form in enumerate(forms):
            places.setdefault(form, []).append(place)
        return places


def targets_for(forms: Forms, typed: Sequence[str], field: FieldSpec) -> Targets:
    """The targets of one document's candidates for one field; `typed` is empty where the field is absent."""
    count = len(forms.candidates)
    right, exact = np.zeros(count, dtype=np.int8), np.zeros(count, dtype=np.int8)
    weight = np.ones(count, dtype=np.float32)
    matched = []
    for value in typed:
        hits = forms.by_meaning.get(comparable(value, field.type), [])
        exact[hits] = 1
        nearest = False
        if field.type in FREE_TYPES:
            hits = hits + forms.by_letters.get(letters(value), [])
            if not hits or len(value.split()) > _CLAUSE_WORDS:
                nearest = _take_nearest(forms, value, right, weight)
        right[hits] = 1
        matched.append(bool(hits) or nearest)
    weight[right == 1] = 1.0
    return Targets(right, exact, weight, matched)


def _take_nearest(forms: Forms, value: str, right: NDArray[np.int8], weight: NDArray[np.float32]) -> bool:
    """Mark the candidates nearest to `value`; what is only somewhat near is left out of learning."""
    long = len(value.split()) > _CLAUSE_WORDS
    alike = _shared_words(forms, value) if long else _similar_letters(forms.candidates, value)
    enough, perhaps = (_CLAUSE_RIGHT, _CLAUSE_PERHAPS) if long else (_NEAR_ENOUGH, 0.6)
    best = float(alike.max(initial=0.0))
    if best < (0.5 if long else enough):
        weight[alike >= perhaps] = 0.0
        return False
    weight[(alike >= perhaps) & (right == 0)] = 0.0
    right[alike >= (min(best, enough) if long else best)] = 1
    return True


def _shared_words(forms: Forms, value: str) -> NDArray[np.float32]:
    """The Jaccard similarity of each candidate's set of words with that of `value`."""
    wanted = _words(value)
    alike = np.zeros(len(forms.candidates), dtype=np.float32)
    for place, said in enumerate(forms.words):
        # Sets of half or twice the size share less than half.
        if 0.3 * len(wanted) < len(said) < 3.4 * len(wanted):
            alike[place] = len(wanted & said) / len(wanted | said)
    return alike


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text.casefold()))


def _similar_letters(candidates: Sequence[Candidate], value: str) -> NDArray[np.float32]:
    alike = np.zeros(len(candidates), dtype=np.float32)
    matcher = difflib.SequenceMatcher(autojunk=False)
    matcher.set_seq2(value.casefold())
    for place, candidate in enumerate(candidates):
        if 0.6 < len(candidate.value) / max(1, len(value)) < 1.6:
            matcher.set_seq1(candidate.value.casefold())
            if matcher.real_quick_ratio() >= 0.6 and matcher.quick_ratio() >= 0.6:
                alike[place] = matcher.ratio()
    return alike
