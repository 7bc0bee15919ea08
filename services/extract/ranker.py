"""The learned ranker: for each field, which candidate is the value, how sure that is, or that there is none.

Two stages per field. A logistic regression on the words around a candidate gives every candidate a score; LightGBM
looks at the best of them again, with the scores of the others, of the rival fields, the anchors and the layout.
Calibration turns the final score into the probability that the value is exactly right. Fitting is in `fitting.py`,
keeping in `archive.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import lightgbm
import numpy as np
from numpy.typing import NDArray

from services.extract import anchors, features, linear
from services.extract.calibration import Calibration, calibration_inputs
from services.extract.candidates import Candidate
from services.extract.date_order import settled
from services.extract.familiar import Familiar
from services.extract.matching import FREE_TYPES
from services.extract.schema import FieldSpec
from services.extract.searched import Pool, Searched
from services.extract.spelling import Spelling
from services.extract.values import comparable

#: How many candidates the second stage looks at.
SHORTLIST = 40
#: A field with many values may give this many at most in one document.
MOST_VALUES = 60


@dataclass(frozen=True)
class Measured:
    """How a field did on its labelled documents, each judged by a model that had not seen it.

    `values` were typed, `found` of them are among the candidates (the ceiling), `given` were answered, `right` of
    those are exactly what was typed.
    """

    documents: int
    values: int
    found: int
    given: int
    right: int

    @property
    def f1(self) -> float:
        """2 right / (given + values); 0 where there is neither."""
        return 2 * self.right / max(1, self.given + self.values)

    @property
    def ceiling(self) -> float:
        """The share of typed values that are among the candidates: no ranker can find the others."""
        return self.found / max(1, self.values)


@dataclass(frozen=True)
class Writing:
    """How people write the values of a field: their spelling, and the values they have typed before."""

    spelling: Spelling = field(default_factory=Spelling)
    familiar: Familiar = field(default_factory=Familiar)

    def __call__(self, candidate: Candidate, type_: str) -> str:
        """The candidate's value as people write it; values of a type with a normal form of its own are left alone.

        Only what OCR read may be misread: elsewhere letters stay as they are printed.
        """
        if type_ not in FREE_TYPES:
            return candidate.value
        return self.familiar(self.spelling(candidate.value))


@dataclass(frozen=True)
class FieldModel:
    """What was learned for one field, as it was described then.

    `rivals` are the fields whose scores the second stage also sees. `choose` and `threshold` decide whether a value
    is given at all, `trust` (with `agreement` as its last input) is the confidence it is given with. `month_first`:
    its labels proved dates of that order.
    """

    field: FieldSpec
    pools: tuple[str, ...]
    weights: NDArray[np.float32]
    rivals: tuple[str, ...]
    boosters: tuple[lightgbm.Booster, ...]
    choose: Calibration
    trust: Calibration
    threshold: float
    writing: Writing
    measured: Measured
    month_first: bool = False


@dataclass(frozen=True)
class Ranked:
    """A chosen value: its candidate, its normal form as people spell it, its calibrated confidence in 0..1."""

    candidate: Candidate
    value: str
    confidence: float


class Ranker:
    """All the field models of a workspace. A field is known by its name and type, whatever schema asks for it."""

    def __init__(self, models: Sequence[FieldModel]) -> None:
        self.models: Mapping[str, FieldModel] = {model_key(model.field): model for model in models}

    def knows(self, field: FieldSpec) -> bool:
        """Whether there is a model for this field."""
        return model_key(field) in self.models

    def rank(self, searched: Searched, field: FieldSpec, generated: frozenset[str] | None = None) -> list[Ranked]:
        """The values of `field` in a document, best first; [] where the model says that there is none.

        `generated` is what the generated engine said, in comparable form; None where it was not asked. Raises
        KeyError where the ranker does not know the field.
        """
        model = self.models[model_key(field)]
        most = MOST_VALUES if field.takes_many else 1
        judged = self._judged(searched, field, most, generated)
        return [one.ranked for one in judged if one.chance >= model.threshold]

    def options(self, searched: Searched, field: FieldSpec, most: int) -> list[Ranked]:
        """The `most` best values of `field`, whether good enough to be given or not, best first.

        Raises KeyError where the ranker does not know the field.
        """
        return [one.ranked for one in self._judged(searched, field, most, None)]

    def _judged(
        self, searched: Searched, field: FieldSpec, most: int, generated: frozenset[str] | None
    ) -> list[_Judged]:
        """The `most` best distinct values with the chance that they are to be given."""
        model = self.models[model_key(field)]
        pool = searched.pool(model.pools)
        if not pool.candidates:
            return []
        scores = _first_stage(pool, model)
        others = [_first_stage(pool, self.models[rival]) for rival in model.rivals]
        rivals = np.column_stack(others) if others else np.zeros((len(scores), 0), dtype=np.float32)
        places = linear.shortlist(scores, SHORTLIST)
        rows = second_stage_rows(pool, model.field, scores, rivals, places)
        final = np.mean([booster.predict(rows, raw_score=True, num_threads=1) for booster in model.boosters], axis=0)
        kept = distinct(pool.candidates, places, final, apart=field.takes_many)
        inputs = calibration_inputs([score for _, score in kept])
        return [
            _judged_candidate(pool, pool.candidates[place], row, field, model, generated)
            for (place, _), row in zip(kept[:most], inputs, strict=False)
        ]


@dataclass(frozen=True)
class _Judged:
    """A value, and the chance that it is the one: what decides whether it is given at all."""

    ranked: Ranked
    chance: float


def _judged_candidate(
    pool: Pool,
    candidate: Candidate,
    row: NDArray[np.float64],
    field: FieldSpec,
    model: FieldModel,
    generated: frozenset[str] | None,
) -> _Judged:
    read = settled(pool.candidates, candidate, field_is_month_first=model.month_first)
    trusted = model.trust([*row, agreement(read.value, generated, field)])
    return _Judged(Ranked(read, model.writing(read, field.type), trusted), model.choose(row))


def agreement(value: str, generated: frozenset[str] | None, field: FieldSpec) -> float:
    """1 where the generated engine said the same, -1 where it said something else or nothing, 0 where not asked."""
    if generated is None:
        return 0.0
    return 1.0 if comparable(value, field.type) in generated else -1.0


def _first_stage(pool: Pool, model: FieldModel) -> NDArray[np.float32]:
    return linear.logits(pool.words, pool.anchored(model.field), model.weights)


def model_key(field: FieldSpec) -> str:
    """The name under which a field's model is kept."""
    return f"{field.name}/{field.type}"


def second_stage_rows(
    pool: Pool,
    field: FieldSpec,
    scores: NDArray[np.float32],
    rivals: NDArray[np.float32],
    places: NDArray[np.int64],
) -> NDArray[np.float32]:
    """What the second stage sees of the candidates at `places`, a row each."""
    chosen = [int(place) for place in places]
    return np.hstack(
        [
            linear.comparison(pool.candidates, scores, rivals, places),
            pool.anchored(field)[places],
            pool.numbers.rows(chosen),
        ]
    )


def row_names(rivals: Sequence[str]) -> list[str]:
    """The names of the columns of `second_stage_rows`."""
    return [*linear.NAMES, *(f"rival {rival}" for rival in rivals), "best_rival", *anchors.NAMES, *features.NAMES]


def distinct(
    candidates: Sequence[Candidate], places: NDArray[np.int64], scores: NDArray[np.float64], *, apart: bool
) -> list[tuple[int, float]]:
    """The best place of each distinct value with its score, best first; `apart`: none shares text with a better one."""
    kept: list[tuple[int, float]] = []
    seen: set[str] = set()
    for number in np.argsort(-scores, kind="stable"):
        place = int(places[number])
        here = candidates[place]
        if here.same in seen:
            continue
        if apart and any(here.first < candidates[p].last and candidates[p].first < here.last for p, _ in kept):
            continue
        seen.add(here.same)
        kept.append((place, float(scores[number])))
    return kept
