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
from services.extract.calibration import calibration_inputs, fitted
from services.extract.candidates import pools_of
from services.extract.matching import FREE_TYPES, Targets, targets_for
from services.extract.ranker import (
    SHORTLIST,
    FieldModel,
    Measured,
    Ranker,
    distinct,
    model_key,
    row_names,
    second_stage_rows,
    spelt,
)
from services.extract.schema import FieldSpec
from services.extract.searched import Pool, Searched
from services.extract.spelling import Spelling, learned_spelling
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
#: A value that is wrong four times in five helps nobody, however bad the field is.
_LEAST_CHANCE = 0.2


@dataclass
class Labelled:
    """A document and what people said about it.

    `typed`: values by field name, [] where the document has none; a name that is not there was not looked at.
    """

    searched: Searched
    typed: dict[str, list[str]]


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
        task.targets.append(targets_for(pool.candidates, documents[number].typed[wanted.name], wanted))
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
        hits = {name: targets_for(document.searched.pool((name,)).candidates, typed, wanted).matched for name in names}
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
        (places[place], boosters[task.folds[place]].predict(rows[place], raw_score=True, num_threads=1))
        if len(places[place])
        else (places[place], np.zeros(0))
        for place in range(len(task.documents))
    ]
    return _judged(task, documents, rivals, boosters, scored)


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


def _spelling(task: _Task, documents: Sequence[Labelled]) -> Spelling:
    if task.field.type not in FREE_TYPES:
        return Spelling()
    pairs = []
    for place, number in enumerate(task.documents):
        candidates = documents[number].searched.pool(task.pools).candidates
        right = np.flatnonzero(task.targets[place].right)
        printed = {candidates[one].value for one in right}
        for typed in documents[number].typed[task.field.name]:
            if len(typed.split()) <= 20:
                pairs += [(one, typed) for one in sorted(printed)]
    return learned_spelling(pairs)


@dataclass
class _Outcome:
    """What the second stage would answer for its own documents, out of fold: a row per value it might give."""

    inputs: list[NDArray[np.float64]] = dataclasses.field(default_factory=list)
    right: list[int] = dataclasses.field(default_factory=list)
    exact: list[int] = dataclasses.field(default_factory=list)
    values: int = 0
    found: int = 0


def _judged(
    task: _Task,
    documents: Sequence[Labelled],
    rivals: Sequence[_Task],
    boosters: tuple[lightgbm.Booster, ...],
    scored: Sequence[tuple[NDArray[np.int64], NDArray[np.float64]]],
) -> FieldModel:
    """Calibrate on the out-of-fold scores, and set the threshold where F1 was best on them."""
    spelling = _spelling(task, documents)
    outcome = _outcome(task, documents, spelling, scored)
    inputs, exact = np.vstack(outcome.inputs), np.array(outcome.exact, dtype=np.int8)
    right = np.array(outcome.right, dtype=np.int8)
    choose = fitted(inputs, right)
    chances = np.array([choose(row) for row in inputs])
    threshold = _best_threshold(chances, right, outcome.values)
    given = chances >= threshold
    return FieldModel(
        field=task.field,
        pools=task.pools,
        weights=task.weights,
        rivals=tuple(model_key(rival.field) for rival in rivals),
        boosters=boosters,
        choose=choose,
        trust=fitted(inputs, exact),
        threshold=threshold,
        spelling=spelling,
        measured=Measured(
            len(task.documents), outcome.values, outcome.found, int(given.sum()), int(exact[given].sum())
        ),
    )


def _outcome(
    task: _Task,
    documents: Sequence[Labelled],
    spelling: Spelling,
    scored: Sequence[tuple[NDArray[np.int64], NDArray[np.float64]]],
) -> _Outcome:
    outcome = _Outcome()
    many, type_ = task.field.takes_many, task.field.type
    most = 8 if many else 1
    for place, number in enumerate(task.documents):
        candidates = documents[number].searched.pool(task.pools).candidates
        typed = documents[number].typed[task.field.name]
        wanted = {comparable(value, type_) for value in typed}
        kept = distinct(candidates, *scored[place], apart=many)
        outcome.values += len(typed)
        outcome.found += sum(task.targets[place].matched)
        outcome.inputs.append(calibration_inputs([score for _, score in kept])[:most])
        for one, _ in kept[:most]:
            outcome.right.append(int(task.targets[place].right[one]))
            outcome.exact.append(int(comparable(spelt(candidates[one], spelling, task.field), type_) in wanted))
    return outcome


def _best_threshold(chances: NDArray[np.float64], right: NDArray[np.int8], values: int) -> float:
    """The threshold with the best F1, of those between _LEAST_CHANCE and 0.7; the lowest of equals."""
    best, best_f1 = _LEAST_CHANCE, -1.0
    for threshold in np.arange(_LEAST_CHANCE, 0.7, 0.025):
        given = chances >= threshold
        f1 = 2 * int(right[given].sum()) / max(1, given.sum() + values)
        if f1 > best_f1 + 1e-9:
            best, best_f1 = float(threshold), f1
    return best
