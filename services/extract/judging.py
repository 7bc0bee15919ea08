"""The last part of learning a field: what its out-of-fold scores say about confidence, threshold and spelling.

Every document is judged by models that did not learn from it. Nothing here fits a ranker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from services.extract.calibration import INPUTS, Calibration, calibration_inputs, fitted
from services.extract.candidates import Candidate
from services.extract.familiar import learned_familiar
from services.extract.matching import FREE_TYPES, Targets
from services.extract.ranker import Measured, Writing, agreement, distinct
from services.extract.schema import FieldSpec
from services.extract.spelling import learned_spelling, learned_usual
from services.extract.values import comparable

#: A value that is wrong four times in five helps nobody, however bad the field is.
_LEAST_CHANCE = 0.2
#: So many values of one document teach the calibration of a field that takes many.
_MOST_JUDGED = 8
#: Values this near to the threshold, as a share of it, teach how far a value is to be trusted.
_NEAR_SHARE = 0.5
#: Longer values are clauses: they are written as printed.
_LONGEST_NAME_WORDS = 20


@dataclass(frozen=True)
class Judged:
    """One document: `scores` are the second stage's, out of fold, of the candidates at `places`.

    `generated` is what the generated engine said of the field, comparable; None where it was not asked.
    """

    candidates: Sequence[Candidate]
    typed: Sequence[str]
    targets: Targets
    places: NDArray[np.int64]
    scores: NDArray[np.float64]
    generated: frozenset[str] | None = None


@dataclass(frozen=True)
class Judgement:
    """What `FieldModel` keeps of it, by the same names."""

    choose: Calibration
    trust: Calibration
    threshold: float
    writing: Writing
    measured: Measured


def judge(field: FieldSpec, documents: Sequence[Judged]) -> Judgement:
    """Calibrate on the out-of-fold scores, and set the threshold where F1 was best on them."""
    kept = [distinct(one.candidates, one.places, one.scores, apart=field.takes_many) for one in documents]
    writing = _learned_writing(field, documents, kept)
    most = _MOST_JUDGED if field.takes_many else 1
    inputs, right, exact, agreed = [np.zeros((0, INPUTS))], [], [], []
    for one, values in zip(documents, kept, strict=True):
        wanted = {comparable(value, field.type) for value in one.typed}
        inputs.append(calibration_inputs([score for _, score in values])[:most])
        agreed += [agreement(one.candidates[place].value, one.generated, field) for place, _ in values[:most]]
        right += [int(one.targets.right[place]) for place, _ in values[:most]]
        exact += [
            int(comparable(writing(one.candidates[place], field.type), field.type) in wanted)
            for place, _ in values[:most]
        ]
    rows, was_right, was_exact = np.vstack(inputs), np.array(right, dtype=np.int8), np.array(exact, dtype=np.int8)
    choose = fitted(rows, was_right)
    chances = np.array([choose(row) for row in rows])
    values_typed = sum(len(one.typed) for one in documents)
    threshold = _best_threshold(chances, was_right, values_typed)
    given = chances >= threshold
    found = sum(sum(one.targets.matched) for one in documents)
    measured = Measured(len(documents), values_typed, found, int(given.sum()), int(was_exact[given].sum()))
    # Trust is for values that are given: the many that are far from it would bend its curve.
    near = chances >= _NEAR_SHARE * threshold
    trusted = np.column_stack([rows, np.array(agreed, dtype=float)])
    trust = fitted(trusted[near], was_exact[near]) if near.any() else fitted(trusted, was_exact)
    return Judgement(choose, trust, threshold, writing, measured)


def _learned_writing(
    field: FieldSpec, documents: Sequence[Judged], kept: Sequence[Sequence[tuple[int, float]]]
) -> Writing:
    if field.type not in FREE_TYPES:
        return Writing()
    pairs = []
    for one in documents:
        printed = sorted({one.candidates[int(place)].value for place in np.flatnonzero(one.targets.right)})
        short = [value for value in one.typed if len(value.split()) <= _LONGEST_NAME_WORDS]
        pairs += [(each, value) for value in short for each in printed]
    best = [
        (one.candidates[values[0][0]].value, one.typed) for one, values in zip(documents, kept, strict=True) if values
    ]
    named = [(printed, typed) for printed, typed in best if len(printed.split()) <= _LONGEST_NAME_WORDS]
    spelling = learned_spelling(pairs)
    spelling = replace(spelling, usual=learned_usual(spelling, named))
    outcomes = [(spelling(printed), typed) for printed, typed in named]
    familiar = learned_familiar(outcomes, lambda a, b: comparable(a, field.type) == comparable(b, field.type))
    return Writing(spelling, familiar)


def _best_threshold(chances: NDArray[np.float64], right: NDArray[np.int8], values: int) -> float:
    """The threshold with the best F1, of those between _LEAST_CHANCE and a half; the lowest of equals.

    Of calibrated chances the best threshold is half the best F1 (Lipton et al. 2014, arXiv:1402.1892), so one above
    a half was found by luck.
    """
    best, best_f1 = _LEAST_CHANCE, -1.0
    for threshold in np.arange(_LEAST_CHANCE, 0.5, 0.025):
        given = chances >= threshold
        f1 = 2 * int(right[given].sum()) / max(1, given.sum() + values)
        if f1 > best_f1 + 1e-9:
            best, best_f1 = float(threshold), f1
    return best
