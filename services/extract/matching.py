"""Which candidates are right, given what people said: the targets that the ranker learns from.

A label is a value, not a place, so every candidate of that value counts. Where none has exactly that value, the
nearest one may stand in: a name with a slip of the pen, a clause cut at another sentence.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

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


def targets_for(candidates: Sequence[Candidate], typed: Sequence[str], field: FieldSpec) -> Targets:
    """The targets of one document's candidates for one field; `typed` is empty where the field is absent."""
    right = np.zeros(len(candidates), dtype=np.int8)
    exact = np.zeros(len(candidates), dtype=np.int8)
    weight = np.ones(len(candidates), dtype=np.float32)
    matched = []
    places = _places_by_form(candidates, field)
    for value in typed:
        hits = places.get(comparable(value, field.type), [])
        exact[hits] = 1
        if field.type in FREE_TYPES:
            hits = hits + places.get("letters " + letters(value), [])
        right[hits] = 1
        nearest = False
        if field.type in FREE_TYPES and (not hits or len(value.split()) > _CLAUSE_WORDS):
            nearest = _take_nearest(candidates, value, right, weight)
        matched.append(bool(hits) or nearest)
    weight[right == 1] = 1.0
    return Targets(right, exact, weight, matched)


def _places_by_form(candidates: Sequence[Candidate], field: FieldSpec) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for place, candidate in enumerate(candidates):
        places.setdefault(comparable(candidate.value, field.type), []).append(place)
        if field.type in FREE_TYPES:
            places.setdefault("letters " + letters(candidate.value), []).append(place)
    return places


def _take_nearest(
    candidates: Sequence[Candidate], value: str, right: NDArray[np.int8], weight: NDArray[np.float32]
) -> bool:
    """Mark the candidates nearest to `value`; what is only somewhat near is left out of learning."""
    long = len(value.split()) > _CLAUSE_WORDS
    alike = _shared_words(candidates, value) if long else _similar_letters(candidates, value)
    enough, perhaps = (_CLAUSE_RIGHT, _CLAUSE_PERHAPS) if long else (_NEAR_ENOUGH, 0.6)
    best = float(alike.max(initial=0.0))
    if best < (0.5 if long else enough):
        weight[alike >= perhaps] = 0.0
        return False
    weight[(alike >= perhaps) & (right == 0)] = 0.0
    right[alike >= (min(best, enough) if long else best)] = 1
    return True


def _shared_words(candidates: Sequence[Candidate], value: str) -> NDArray[np.float32]:
    wanted = set(re.findall(r"\w+", value.casefold()))
    alike = np.zeros(len(candidates), dtype=np.float32)
    for place, candidate in enumerate(candidates):
        # A candidate of half or twice the length cannot share half of the words.
        if 0.3 < len(candidate.value) / max(1, len(value)) < 3.4:
            said = set(re.findall(r"\w+", candidate.value.casefold()))
            alike[place] = len(wanted & said) / max(1, len(wanted | said))
    return alike


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
