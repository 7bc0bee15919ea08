"""Learning the encoder engine's model from a taxonomy's words and whatever labels there are.

From no label at all (the names and descriptions of the classes are rows of their own) to thousands, always the
same steps: compare all rows, solve for every class of every level, weigh the levels, calibrate on the left-out
answers. No step looks at a document it is judged on. Where labels are too many for one solve, a sample is taken
that keeps rare classes whole.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.classify.calibration import Calibration, calibrated
from services.classify.figures import figures_of
from services.classify.kernel import PENALTIES, TAXONOMY_PENALTY, fitted, lexical_part, mixed
from services.classify.lexical import gram, learned_from
from services.classify.model import Model, Prediction, Rows, answers_from, rows_from
from services.classify.scope import Scope, scope_from, signals_from
from services.classify.seeing import Embedder, Seen, seen
from services.classify.taxonomy import Taxonomy
from services.classify.tree import Path, Tree, default_weights, fitted_weights, folded, softmax
from shared.errors import Refused

Floats = NDArray[np.float32]

#: Rows in one solve: 16,000 take about 4 GB and two minutes on one core.
MOST_ROWS = 16_000
#: Rows that the penalty and the sentence vectors are chosen on.
CHOOSING_ROWS = 4_000
#: The middle layer's vectors must answer this share of left-out labels more: it helps policyqa-taxonomy (+0.7 points)
#: and hurts amazon-reviews-3level (-1.5), so it has to be chosen; on less it would be noise (2026-11).
MIDDLE_GAIN = 0.002


@dataclass(frozen=True)
class Example:
    """A text and what a person said it is: every path in `accepted` is right; () in it means that none fits.

    Texts of one `group` come from one source and repeat each other; a new text comes from another. So a group is left
    out as a whole, and confidence is what it will be on new sources. None is a source of its own. `language`, where it
    is known, keeps documents that have no fellow in their class and language from counting as failures of the class.
    """

    text: str
    accepted: tuple[Path, ...]
    group: str | None = None
    language: str | None = None


@dataclass(frozen=True)
class Learned:
    """A model, and what it would have answered on each example that it kept, had that one been left out.

    `kept` are the places of these examples among those given; `left_out` the answers and `probabilities` those of the
    leaves, row by row. `metrics` are shares in 0..1, counts, and what the answers say about the labels.
    """

    model: Model
    kept: list[int]
    left_out: list[Prediction]
    probabilities: Floats
    metrics: dict[str, Any]


def learn(taxonomy: Taxonomy, examples: Sequence[Example], embedder: Embedder, looked: Seen | None = None) -> Learned:
    """Learn from `examples`; `looked` is what the encoder saw of them where the caller has that.

    Raises Refused where the taxonomy has no class.
    """
    tree = Tree(tuple(taxonomy.leaves()))
    if not tree.leaves:
        raise Refused("The taxonomy has no classes.", action="Add a class, or import a taxonomy.", code="no_classes")
    kept = _sample(examples)
    chosen = [examples[place] for place in kept]
    looked = looked.part(kept) if looked is not None else seen([one.text for one in chosen], embedder)
    said = words_of(taxonomy)
    lexicon, words, letters = learned_from([one.text for one in chosen] + [text for _, text in said])
    looked = _halved(looked.and_then(seen([text for _, text in said], embedder)))
    task = _Task(tree, chosen, [path for path, _ in said])
    solved = _solved(task, _half(words), _half(letters), looked)
    model = Model(
        tree=tree,
        lexicon=lexicon,
        rows=solved.rows,
        centre=solved.centre,
        coefficients=solved.coefficients,
        columns=np.arange(len(tree.leaves)),
        labelled=len(kept),
        calibrations=solved.calibrations,
        scope=solved.scope,
        encoder=embedder.name,
    )
    left_out = answers_from(tree, solved.left_out, solved.calibrations, solved.inside)
    metrics = _metrics(task, left_out, len(examples), solved)
    return Learned(model, kept, left_out, solved.left_out, metrics)


def words_of(taxonomy: Taxonomy) -> list[tuple[Path, str]]:
    """What the taxonomy says of its classes, inner ones included: names from the class up, then each sentence.

    A sentence is a row of its own, so that a description in three languages speaks to documents in each of them.
    """
    said = []
    for path, node in taxonomy.walk():
        said.append((path, ". ".join(re.sub(r"[_./\\-]+", " ", name) for name in reversed(path))))
        said += [(path, part) for part in re.split(r"(?<=[.;!?])\s+|\n", node.description) if part.strip()]
    return said


class _Task:
    """What is to be learned: the right classes of the labelled rows, then those of the taxonomy's own words."""

    def __init__(self, tree: Tree, examples: Sequence[Example], said: Sequence[Path]) -> None:
        self.tree = tree
        self.accepted = [[*one.accepted] for one in examples]
        self.groups = _groups([one.group for one in examples])
        self.alone = _alone(examples)
        targets, self.right = tree.targets(self.accepted)
        self.outside = np.array([any(path == () for path in paths) for paths in self.accepted], bool)
        of_words, _ = tree.targets([[path] for path in said])
        none_fits = np.concatenate([self.outside, np.zeros(len(said), bool)]).astype(np.float32)
        self.wanted: Floats = np.column_stack([np.vstack([targets, of_words]), none_fits])

    @property
    def labelled(self) -> int:
        """Number of labelled rows."""
        return len(self.accepted)

    def penalties(self, penalty: float, places: NDArray[np.intp]) -> Floats:
        """The penalty of each of the rows at `places`."""
        found: Floats = np.where(places < self.labelled, penalty, penalty * TAXONOMY_PENALTY).astype(np.float32)
        return found


@dataclass(frozen=True)
class _Solved:
    """What the solve gave: `left_out` are probabilities of leaves, `inside` whether each left-out row is in scope."""

    rows: Rows
    centre: Floats | None
    coefficients: Floats
    left_out: Floats
    inside: NDArray[np.bool_]
    calibrations: tuple[Calibration | None, ...]
    scope: Scope | None
    penalty: float
    weights: Floats


def _halved(looked: Seen) -> Seen:
    """As it comes back from the store: a model answers the same before and after."""
    deep, middle = (part.astype(np.float16).astype(np.float32) for part in (looked.deep, looked.middle))
    return Seen(deep, middle, looked.shares)


def _half(rows: Any) -> Any:
    rows.data = rows.data.astype(np.float16).astype(np.float32)
    return rows


def _alone(examples: Sequence[Example]) -> NDArray[np.bool_]:
    """Rows whose class has no other row in their language: left out, they say nothing about documents to come."""
    kinds = [(one.accepted, one.language) for one in examples]
    counts = Counter(kinds)
    return np.array([kind[1] is not None and counts[kind] == 1 for kind in kinds], bool)


def _groups(sources: list[str | None]) -> NDArray[np.intp]:
    """A number for each row, the same for rows of one source."""
    numbers: dict[str | int, int] = {}
    return np.array(
        [numbers.setdefault(place if source is None else source, len(numbers)) for place, source in enumerate(sources)],
        np.intp,
    )


def _together(groups: NDArray[np.intp]) -> list[list[int]]:
    """Places of the rows of each source that has several."""
    places: dict[int, list[int]] = defaultdict(list)
    for place, group in enumerate(groups):
        places[int(group)].append(place)
    return [rows for rows in places.values() if len(rows) > 1]


def _solved(task: _Task, words: Any, letters: Any, looked: Seen) -> _Solved:
    tree, count = task.tree, task.labelled
    centre: Floats = looked.middle.mean(axis=0)
    both = rows_from(words, letters, looked, centre)
    middle, penalty = _choice(task, both)
    rows = replace(both, middle=_stored(both.middle) if middle else None)
    kernel = _kernel(rows)
    places = np.arange(len(task.wanted))
    coefficients, left_out = fitted(kernel, task.wanted, task.penalties(penalty, places), _together(task.groups))
    levels = tree.by_level(left_out[:count])
    told = task.right & ~task.alone[:, None]
    weights = fitted_weights(levels, told) if told.any() else default_weights(tree.depth)
    leaf_scores = folded(levels, weights)
    others = np.where(task.groups[:, None] == task.groups, 0, kernel[:count, :count])
    scope, inside = _scope(leaf_scores, left_out[:count, -1], others, task)
    probabilities = softmax(leaf_scores)
    return _Solved(
        rows=rows,
        centre=centre if middle else None,
        coefficients=np.column_stack([folded(tree.by_level(coefficients), weights), coefficients[:, -1]]),
        left_out=probabilities,
        inside=inside,
        calibrations=_calibrations(task, probabilities, inside),
        scope=scope,
        penalty=penalty,
        weights=weights,
    )


def _stored(middle: Floats | None) -> Floats | None:
    return None if middle is None else middle.astype(np.float16).astype(np.float32)


def _kernel(rows: Rows) -> Floats:
    lexical = lexical_part(gram(rows.words), gram(rows.letters))
    return mixed(lexical, rows.near(rows), rows.shares, rows.shares)


def _choice(task: _Task, both: Rows) -> tuple[bool, float]:
    """Whether the middle vectors count, and the penalty: under which most left-out labels are answered rightly.

    The last layer alone and the usual penalty where labels are too few to choose by.
    """
    told = np.flatnonzero(task.right.any(axis=1) & ~task.alone)
    if len(told) < 3 * len(task.tree.leaves):
        return False, PENALTIES[0]
    if len(told) > CHOOSING_ROWS:
        told = np.sort(np.random.default_rng(0).choice(told, CHOOSING_ROWS, replace=False))
    places = np.concatenate([told, np.arange(task.labelled, len(task.wanted))])
    part = Rows(
        both.words[places],
        both.letters[places],
        both.deep[places],
        None if both.middle is None else both.middle[places],
        both.shares[places],
    )
    together = _together(task.groups[told])
    tree, right = task.tree, task.right[told]

    def answered(kernel: Floats, penalty: float) -> float:
        _, left_out = fitted(kernel, task.wanted[places], task.penalties(penalty, places), together)
        scores = folded(tree.by_level(left_out[: len(told)]), default_weights(tree.depth))
        return float(right[np.arange(len(told)), scores.argmax(axis=1)].mean())

    deep_alone, with_middle = _kernel(replace(part, middle=None)), _kernel(part)
    usual = PENALTIES[0]
    alone, better = answered(deep_alone, usual), answered(with_middle, usual)
    middle = better > alone + MIDDLE_GAIN
    kernel = with_middle if middle else deep_alone
    scores = {usual: max(better, alone) if middle else alone}
    scores |= {penalty: answered(kernel, penalty) for penalty in PENALTIES[1:]}
    return middle, max(PENALTIES, key=lambda penalty: scores[penalty])


def _scope(
    leaf_scores: Floats, outside_scores: Floats, others: Floats, task: _Task
) -> tuple[Scope | None, NDArray[np.bool_]]:
    outside = task.outside
    told = task.right.any(axis=1) | outside
    if not told.any():
        return None, np.ones(len(leaf_scores), bool)
    signals = signals_from(leaf_scores, outside_scores, others)
    scope = scope_from(signals[told], ~outside[told])
    return scope, np.ones(len(signals), bool) if scope is None else scope.fits(signals)


def _calibrations(task: _Task, probabilities: Floats, inside: NDArray[np.bool_]) -> tuple[Calibration | None, ...]:
    """One for each level, from the left-out answers that were given (an answer to what is outside is wrong)."""
    if not task.labelled:
        return (None,) * task.tree.depth
    tree, places = task.tree, np.flatnonzero(inside & ~task.alone)
    best = probabilities[places].argmax(axis=1)
    found = []
    for level in range(tree.depth):
        chosen = tree.members[level][best]
        scores = tree.above(probabilities[places], level)[np.arange(len(places)), chosen]
        hits = np.zeros((len(places), tree.widths[level]), bool)
        for leaf in range(len(tree.leaves)):
            hits[:, tree.members[level][leaf]] |= task.right[places, leaf]
        found.append(calibrated(scores, hits[np.arange(len(places)), chosen]))
    return tuple(found)


def _sample(examples: Sequence[Example]) -> list[int]:
    """Places of at most `MOST_ROWS` examples, taken class by class in turn so that rare classes stay whole."""
    if len(examples) <= MOST_ROWS:
        return list(range(len(examples)))
    by_class: dict[tuple[Path, ...], list[int]] = defaultdict(list)
    for place in np.random.default_rng(0).permutation(len(examples)):
        by_class[examples[place].accepted].append(int(place))
    taken: list[int] = []
    queues = list(by_class.values())
    while len(taken) < MOST_ROWS:
        queues = [queue for queue in queues if queue]
        taken += [queue.pop() for queue in queues]
    return sorted(taken[:MOST_ROWS])


def _metrics(task: _Task, left_out: list[Prediction], given: int, solved: _Solved) -> dict[str, Any]:
    chosen = {
        "labels": given,
        "labels_used": task.labelled,
        "method": "left out source by source",
        "middle_layer": solved.centre is not None,
        "penalty": solved.penalty,
        "level_weights": [round(float(weight), 3) for weight in solved.weights],
    }
    return chosen | figures_of(task.accepted, left_out)
