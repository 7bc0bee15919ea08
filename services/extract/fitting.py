"""Learning a ranker from labelled documents: seconds to a few minutes on a CPU, the same result every time.

Everything that judges a model sees it only on documents it did not learn from: documents are dealt into folds, the
second stage learns from out-of-fold scores of the first, and the calibration from out-of-fold scores of the second.
A field with too few labels is left out (`LEAST_DOCUMENTS`) and stays with its anchors.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import lightgbm
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import vstack

from services.extract import linear
from services.extract.candidates import pools_of
from services.extract.date_order import shows_month_first
from services.extract.judging import Judged, judge
from services.extract.matching import Targets, targets_for
from services.extract.ranker import SHORTLIST, FieldModel, Ranker, model_key, row_names, second_stage_rows
from services.extract.schema import FieldSpec
from services.extract.searched import Pool, Searched
from services.extract.values import comparable

#: A field is learned once its value was typed for this many documents.
LEAST_DOCUMENTS = 3
_FOLDS = 3
#: Negatives a document gives to the first and to the second stage.
_FIRST_NEGATIVES, _SECOND_NEGATIVES = 200, 60
_MOST_RIVALS = 8
#: A pool that alone holds less than this share of the typed values is not worth its candidates.
_POOL_SHARE = 0.03
_BOOSTER = {
    "objective": "binary",
    "num_leaves": 15,
    "learning_rate": 0.08,
    "lambda_l2": 1.0,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "seed": 1,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}
_ROUNDS = 110


@dataclass
class Labelled:
    """A document and what people said about it.

    `typed`: values by field name, [] where the document has none; a name that is not there was not looked at.
    `generated`: what the generated engine said, by field name; a name that is not there was not asked.
    """

    searched: Searched
    typed: dict[str, list[str]]
    generated: dict[str, list[str]] = dataclasses.field(default_factory=dict)

    def said(self, field: FieldSpec) -> frozenset[str] | None:
        """The generated values of `field` in comparable form, None where it was not asked."""
        said = self.generated.get(field.name)
        return None if said is None else frozenset(comparable(value, field.type) for value in said)


@dataclass
class _Task:
    """One field while it is being learned; lists run over `documents`, which are numbers in the training set."""

    field: FieldSpec
    documents: list[int]
    pools: tuple[str, ...] = ()
    targets: list[Targets] = dataclasses.field(default_factory=list)
    folds: NDArray[np.int64] = dataclasses.field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    weights: NDArray[np.float32] = dataclasses.field(default_factory=lambda: np.zeros(0, dtype=np.float32))
    scores: dict[int, NDArray[np.float32]] = dataclasses.field(default_factory=dict)


def fit(
    fields: Sequence[FieldSpec],
    documents: Sequence[Labelled],
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Ranker:
    """A ranker for those of `fields` that `documents` have labels for. `progress(done, of)` counts fields twice.

    Fields of one name and type are one field. Without a single learnable field the ranker knows none.
    """
    tasks = []
    unique = {model_key(one): one for one in fields}
    for done, one in enumerate(unique.values()):
        task = _first_stage(one, documents)
        if task is not None:
            tasks.append(task)
        progress(done + 1, 2 * len(unique))
    models = []
    for done, task in enumerate(tasks):
        models.append(_second_stage(task, tasks, documents))
        progress(len(unique) + done + 1, len(unique) + len(tasks))
    return Ranker(models)


def _first_stage(wanted: FieldSpec, documents: Sequence[Labelled]) -> _Task | None:
    labelled = [number for number, document in enumerate(documents) if wanted.name in document.typed]
    if sum(bool(documents[number].typed[wanted.name]) for number in labelled) < LEAST_DOCUMENTS:
        return None
    task = _Task(wanted, labelled)
    task.pools = _useful_pools(wanted, [documents[number] for number in labelled])
    for number in labelled:
        pool = documents[number].searched.pool(task.pools)
        task.targets.append(targets_for(pool.forms, documents[number].typed[wanted.name], wanted))
    if sum(bool(target.right.any()) for target in task.targets) < LEAST_DOCUMENTS:
        return None
    task.folds = _dealt([bool(target.right.any()) for target in task.targets])
    weights = np.stack([_fold_weights(task, documents, fold) for fold in range(_FOLDS)])
    task.weights = weights.mean(axis=0)
    for place, number in enumerate(labelled):
        pool = documents[number].searched.pool(task.pools)
        task.scores[number] = linear.logits(pool.words, pool.anchored(wanted), weights[task.folds[place]])
    return task


def _useful_pools(wanted: FieldSpec, documents: Sequence[Labelled]) -> tuple[str, ...]:
    """The pools of the field without those that add next to nothing: lines for a clause field, clauses for a name."""
    names = pools_of(wanted)
    if len(names) == 1:
        return names
    found: Counter[str] = Counter()
    values = 0
    for document in documents:
        typed = document.typed[wanted.name]
        values += len(typed)
        hits = {name: targets_for(document.searched.pool((name,)).forms, typed, wanted).matched for name in names}
        for place in range(len(typed)):
            holding = [name for name in names if hits[name][place]]
            found[holding[0] if len(holding) == 1 else ""] += 1
    best = max(names, key=lambda name: found[name])
    kept = tuple(name for name in names if found[name] >= _POOL_SHARE * values)
    return kept or (best,)


def _dealt(positive: Sequence[bool]) -> NDArray[np.int64]:
    """A fold for each document, documents with and without a value spread evenly."""
    shuffled = np.random.default_rng(0).permutation(len(positive))
    order = sorted(shuffled, key=lambda number: not positive[number])
    folds = np.zeros(len(positive), dtype=np.int64)
    folds[order] = np.arange(len(positive)) % _FOLDS
    return folds


def _fold_weights(task: _Task, documents: Sequence[Labelled], fold: int) -> NDArray[np.float32]:
    words, anchored, right, weight = [], [], [], []
    generator = np.random.default_rng(fold)
    for place, number in enumerate(task.documents):
        target = task.targets[place]
        if task.folds[place] == fold or len(target.right) == 0:
            continue
        usable = np.flatnonzero((target.right == 0) & (target.weight > 0))
        negatives = generator.permutation(usable)[:_FIRST_NEGATIVES]
        rows = np.concatenate([np.flatnonzero(target.right), negatives])
        pool = documents[number].searched.pool(task.pools)
        words.append(pool.words[rows])
        anchored.append(pool.anchored(task.field)[rows])
        right.append(target.right[rows])
        weight.append(target.weight[rows])
    if not words:
        return np.zeros(linear.WEIGHTS, dtype=np.float32)
    return linear.fit_weights(
        vstack(words).tocsr(), np.concatenate(anchored), np.concatenate(right), np.concatenate(weight)
    )


def _second_stage(task: _Task, tasks: Sequence[_Task], documents: Sequence[Labelled]) -> FieldModel:
    rivals = _rivals(task, tasks)
    rows, right, weight, places, owner = [], [], [], [], []
    for place, number in enumerate(task.documents):
        pool = documents[number].searched.pool(task.pools)
        target, scores = task.targets[place], task.scores[number]
        chosen = linear.shortlist(scores, SHORTLIST)
        rival_scores = _rival_scores(pool, rivals, number)
        rows.append(second_stage_rows(pool, task.field, scores, rival_scores, chosen))
        right.append(target.right[chosen])
        weight.append(target.weight[chosen])
        places.append(chosen)
        owner.append(np.full(len(chosen), place))
    stacked = (np.vstack(rows), np.concatenate(right), np.concatenate(weight))
    fold_of_row = task.folds[np.concatenate(owner)]
    names = row_names([model_key(rival.field) for rival in rivals])
    boosters = tuple(_boosted(stacked, fold_of_row != fold, names) for fold in range(_FOLDS))
    scored = [
        boosters[task.folds[place]].predict(rows[place], raw_score=True, num_threads=1)
        if len(places[place])
        else np.zeros(0)
        for place in range(len(task.documents))
    ]
    judged = judge(
        task.field,
        [
            Judged(
                candidates=documents[number].searched.pool(task.pools).candidates,
                typed=documents[number].typed[task.field.name],
                targets=task.targets[place],
                places=places[place],
                scores=scored[place],
                generated=documents[number].said(task.field),
            )
            for place, number in enumerate(task.documents)
        ],
    )
    return FieldModel(
        field=task.field,
        pools=task.pools,
        weights=task.weights,
        rivals=tuple(model_key(rival.field) for rival in rivals),
        boosters=boosters,
        choose=judged.choose,
        trust=judged.trust,
        threshold=judged.threshold,
        writing=judged.writing,
        measured=judged.measured,
        month_first=shows_month_first(
            [
                (documents[number].searched.pool(task.pools).candidates, np.flatnonzero(target.right).tolist())
                for number, target in zip(task.documents, task.targets, strict=True)
            ]
        ),
    )


def _rivals(task: _Task, tasks: Sequence[_Task]) -> list[_Task]:
    """The fields that choose among the same candidates and are labelled in the same documents most often."""
    mine = set(task.documents)
    shared = [(len(mine & set(other.documents)), other) for other in tasks if other.pools == task.pools]
    others = [(count, other) for count, other in shared if other is not task and count >= 0.3 * len(mine)]
    others.sort(key=lambda each: (-each[0], model_key(each[1].field)))
    return [other for _, other in others[:_MOST_RIVALS]]


def _rival_scores(pool: Pool, rivals: Sequence[_Task], number: int) -> NDArray[np.float32]:
    """The rivals' scores of the candidates of document `number`: out of fold where it taught them."""
    columns = [
        rival.scores[number]
        if number in rival.scores
        else linear.logits(pool.words, pool.anchored(rival.field), rival.weights)
        for rival in rivals
    ]
    return np.column_stack(columns) if columns else np.zeros((len(pool.candidates), 0), dtype=np.float32)


def _boosted(
    stacked: tuple[NDArray[np.float32], NDArray[np.int8], NDArray[np.float32]],
    used: NDArray[np.bool_],
    names: Sequence[str],
) -> lightgbm.Booster:
    rows, right, weight = (part[used] for part in stacked)
    parameters = {**_BOOSTER, "min_data_in_leaf": 20 if len(rows) > 2000 else 5}
    dataset = lightgbm.Dataset(rows, right, weight=weight, feature_name=[_plain(name) for name in names])
    return lightgbm.train(parameters, dataset, _ROUNDS)


def _plain(name: str) -> str:
    """LightGBM's text format takes no blanks or JSON marks in names."""
    return "".join(character if character.isalnum() else "_" for character in name)
