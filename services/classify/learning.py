"""Learning the encoder engine's model from a taxonomy's words and whatever labels there are.

From no label at all (the names and descriptions of the classes are rows of their own) to thousands, always the
same steps: compare all rows, solve for every class of every level, weigh the levels, calibrate on the left-out
answers. No step looks at a document it is judged on. Where labels are too many for one solve, a sample is taken
that keeps rare classes whole.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.classify.calibration import Calibration, calibrated, expected_error
from services.classify.kernel import (
    LEXICAL_SHARE,
    PENALTIES,
    fitted,
    lexical_part,
    mixed,
    near_part,
)
from services.classify.lexical import gram, lexicon_from
from services.classify.model import ENCODER_TOKENS, Embedder, Model, Prediction, Rows, answers_from
from services.classify.scope import Scope, scope_from, signals_from
from services.classify.taxonomy import Taxonomy
from services.classify.tree import Flags, Path, Tree, default_weights, fitted_weights, folded, softmax
from shared.errors import Refused

Floats = NDArray[np.float32]

#: Rows in one solve: 16,000 take about 4 GB and two minutes on one core.
MOST_ROWS = 16_000
#: Rows that the penalty is chosen on.
CHOOSING_ROWS = 5_000


@dataclass(frozen=True)
class Example:
    """A text and what a person said it is: every path in `accepted` is right; () in it means that none fits.

    Texts of one `group` come from one source and repeat each other; a new text comes from another. So a group is left
    out as a whole, and confidence is what it will be on new sources. None is a source of its own.
    """

    text: str
    accepted: tuple[Path, ...]
    group: str | None = None


@dataclass(frozen=True)
class Learned:
    """A model, and what it would have answered on each example that it kept, had that one been left out.

    `kept` are the places of these examples among those given. `metrics` are shares in 0..1 and counts, measured on the
    left-out answers.
    """

    model: Model
    kept: list[int]
    left_out: list[Prediction]
    metrics: dict[str, Any]


def learn(
    taxonomy: Taxonomy, examples: Sequence[Example], embedder: Embedder, vectors: Floats | None = None
) -> Learned:
    """Learn from `examples`; `vectors` are their sentence vectors where the caller has them.

    Raises Refused where the taxonomy has no class.
    """
    tree = Tree(tuple(taxonomy.leaves()))
    if not tree.leaves:
        raise Refused("The taxonomy has no classes.", action="Add a class, or import a taxonomy.", code="no_classes")
    kept = _sample(examples)
    names = [words_of(taxonomy, path) for path in tree.leaves]
    texts = [examples[place].text for place in kept]
    vectors = embedder.encode(texts, max_tokens=ENCODER_TOKENS) if vectors is None else vectors[kept]
    rows, lexicon = _rows(texts + names, np.vstack([vectors, embedder.encode(names, max_tokens=ENCODER_TOKENS)]))
    accepted = [[*examples[place].accepted] for place in kept]
    solved = _solved(tree, rows, accepted, _groups([examples[place].group for place in kept]))
    model = Model(
        tree=tree,
        lexicon=lexicon,
        rows=rows,
        coefficients=solved.coefficients,
        labelled=len(kept),
        lexical_share=solved.lexical_share,
        calibrations=solved.calibrations,
        scope=solved.scope,
        encoder=embedder.name,
    )
    left_out = answers_from(tree, solved.left_out, solved.calibrations, solved.inside)
    return Learned(model, kept, left_out, _metrics(accepted, left_out, len(examples), solved))


def words_of(taxonomy: Taxonomy, path: Path) -> str:
    """What the taxonomy says of a class: its names from the leaf up, then its description."""
    names = [re.sub(r"[_./\\-]+", " ", name) for name in reversed(path)]
    return ". ".join([*names, taxonomy.find(path).description]).strip(". ")


@dataclass(frozen=True)
class _Solved:
    """What the solve gave: `left_out` are probabilities of leaves, `inside` whether each left-out row is in scope."""

    coefficients: Floats
    left_out: Floats
    inside: NDArray[np.bool_]
    calibrations: tuple[Calibration | None, ...]
    scope: Scope | None
    lexical_share: float
    penalty: float
    weights: Floats


def _rows(texts: list[str], vectors: Floats) -> tuple[Rows, Any]:
    lexicon = lexicon_from(texts)
    words, letters = lexicon.rows(texts)
    # As they come back from the store: a model answers the same before and after.
    return Rows(_halved(words), _halved(letters), vectors.astype(np.float16).astype(np.float32)), lexicon


def _halved(rows: Any) -> Any:
    rows.data = rows.data.astype(np.float16).astype(np.float32)
    return rows


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


def _solved(tree: Tree, rows: Rows, accepted: list[list[Path]], groups: NDArray[np.intp]) -> _Solved:
    count, leaves = len(accepted), len(tree.leaves)
    lexical, near = lexical_part(gram(rows.words), gram(rows.letters)), near_part(rows.vectors @ rows.vectors.T)
    targets, right = tree.targets(accepted)
    outside = np.array([any(path == () for path in paths) for paths in accepted], bool)
    of_names, _ = tree.targets([[path] for path in tree.leaves])
    wanted = np.vstack([targets, of_names])
    wanted = np.column_stack([wanted, np.concatenate([outside, np.zeros(leaves, bool)]).astype(np.float32)])
    kernel = mixed(lexical, near, LEXICAL_SHARE)
    penalty = _penalty(tree, kernel, wanted, right, groups)
    coefficients, left_out = fitted(kernel, wanted, penalty, _together(groups))
    levels = tree.by_level(left_out[:count])
    weights = fitted_weights(levels, right) if right.any() else default_weights(tree.depth)
    leaf_scores = folded(levels, weights)
    others = np.where(groups[:, None] == groups, 0, kernel[:count, :count])
    scope, inside = _scope(leaf_scores, left_out[:count, -1], others, outside, right)
    probabilities = softmax(leaf_scores)
    return _Solved(
        coefficients=np.column_stack([folded(tree.by_level(coefficients), weights), coefficients[:, -1]]),
        left_out=probabilities,
        inside=inside,
        calibrations=_calibrations(tree, probabilities, right, inside),
        scope=scope,
        lexical_share=LEXICAL_SHARE,
        penalty=penalty,
        weights=weights,
    )


def _penalty(tree: Tree, kernel: Floats, wanted: Floats, right: Flags, groups: NDArray[np.intp]) -> float:
    """The penalty under which most left-out labels are answered rightly; the smallest where they are few."""
    told = np.flatnonzero(right.any(axis=1))
    if len(told) < len(tree.leaves):
        return PENALTIES[0]
    if len(told) > CHOOSING_ROWS:
        told = np.sort(np.random.default_rng(0).choice(told, CHOOSING_ROWS, replace=False))
    places = np.concatenate([told, np.arange(len(right), len(wanted))])
    part, part_wanted, together = kernel[np.ix_(places, places)], wanted[places], _together(groups[told])

    def answered(penalty: float) -> float:
        _, left_out = fitted(part, part_wanted, penalty, together)
        scores = folded(tree.by_level(left_out[: len(told)]), default_weights(tree.depth))
        return float(right[told][np.arange(len(told)), scores.argmax(axis=1)].mean())

    return max(PENALTIES, key=answered)


def _scope(
    leaf_scores: Floats, outside_scores: Floats, others: Floats, outside: NDArray[np.bool_], right: Flags
) -> tuple[Scope | None, NDArray[np.bool_]]:
    told = right.any(axis=1) | outside
    if not told.any():
        return None, np.ones(len(leaf_scores), bool)
    signals = signals_from(leaf_scores, outside_scores, others)
    scope = scope_from(signals[told], ~outside[told])
    return scope, np.ones(len(signals), bool) if scope is None else scope.fits(signals)


def _calibrations(
    tree: Tree, probabilities: Floats, right: Flags, inside: NDArray[np.bool_]
) -> tuple[Calibration | None, ...]:
    """One for each level, from the left-out answers that were given (an answer to what is outside is wrong)."""
    places = np.flatnonzero(inside)
    best = probabilities[places].argmax(axis=1)
    found = []
    for level in range(tree.depth):
        chosen = tree.members[level][best]
        scores = tree.above(probabilities[places], level)[np.arange(len(places)), chosen]
        hits = np.zeros((len(places), tree.widths[level]), bool)
        for leaf in range(len(tree.leaves)):
            hits[:, tree.members[level][leaf]] |= right[places, leaf]
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


def _metrics(accepted: list[list[Path]], left_out: list[Prediction], given: int, solved: _Solved) -> dict[str, Any]:
    answers = [answer.path if answer.in_scope else () for answer in left_out]
    hits = np.array([_fits(answer, paths) for answer, paths in zip(answers, accepted, strict=True)], bool)
    metrics: dict[str, Any] = {
        "labels": given,
        "labels_used": len(accepted),
        "full_path_accuracy": float(hits.mean()) if len(hits) else None,
        "method": "left out source by source",
        "lexical_share": solved.lexical_share,
        "penalty": solved.penalty,
        "level_weights": [round(float(weight), 3) for weight in solved.weights],
    }
    outside = np.array([() in paths for paths in accepted], bool)
    if outside.any():
        metrics["out_of_scope_recall"] = float(hits[outside].mean())
        metrics["in_scope_accuracy"] = float(hits[~outside].mean()) if (~outside).any() else None
    confidences = [answer.confidence[-1] for answer in left_out]
    if confidences and all(value is not None for value in confidences):
        right = np.array([_fits(answer.path, paths) for answer, paths in zip(left_out, accepted, strict=True)], bool)
        metrics["calibration_error"] = expected_error(np.array(confidences, float), right)
    return metrics


def _fits(answer: Path, accepted: list[Path]) -> bool:
    """Whether `answer` is right: it, or a class above it, is what a person said."""
    return any((path == answer) if not path else answer[: len(path)] == path for path in accepted)
