"""The encoder engine's model: what it keeps, and how it answers.

A model is the labelled rows it compares with (terms and sentence vectors, never their text), one coefficient for
each row and leaf, and what the left-out rows taught about confidence and scope. storing.py writes and reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.classify.calibration import Calibration
from services.classify.kernel import lexical_part, mixed, near_part
from services.classify.lexical import Lexicon, similarities
from services.classify.scope import Scope, signals_from
from services.classify.seeing import Embedder, Seen, seen
from services.classify.tree import Path, Tree, softmax
from shared.errors import Unavailable

Floats = NDArray[np.float32]

#: Texts that are compared with all rows at once.
BATCH = 256
ALTERNATIVES = 5


@dataclass(frozen=True)
class Alternative:
    """Another leaf that was considered; `confidence` is its share of the probability, None before any calibration."""

    path: Path
    confidence: float | None


@dataclass(frozen=True)
class Prediction:
    """The answer for one text.

    `path` is the best leaf, also where `in_scope` is False (then none fits and `path` is the nearest class).
    `confidence` has, for each level, the calibrated probability that the path is right down to it, falling from
    level to level; None on every level where too few labels support one. `alternatives` are the best five
    leaves, the chosen one first.
    """

    path: Path
    confidence: tuple[float | None, ...]
    in_scope: bool
    alternatives: tuple[Alternative, ...]


@dataclass(frozen=True)
class Rows:
    """Texts as the kernel compares them, row by row: sparse words and letters, and unit sentence vectors.

    `middle` are those of the middle layer around the mean of the learned rows, None where only the last layer counts.
    `shares` is the share of words and letters.
    """

    words: Any
    letters: Any
    deep: Floats
    middle: Floats | None
    shares: Floats

    def kernel(self, others: Rows) -> Floats:
        """Similarity of each row here to each row there."""
        lexical = lexical_part(similarities(self.words, others.words), similarities(self.letters, others.letters))
        return mixed(lexical, self.near(others), self.shares, others.shares)

    def near(self, others: Rows) -> Floats:
        """What the sentence vectors alone say."""
        part = near_part(self.deep @ others.deep.T)
        if self.middle is not None and others.middle is not None:
            part += near_part(self.middle @ others.middle.T)
            part /= np.float32(2)
        return part


def rows_from(words: Any, letters: Any, seen: Seen, centre: Floats | None) -> Rows:
    """Rows ready to be compared; `centre` is the mean of the learned rows' middle vectors, None leaves them out."""
    middle = None
    if centre is not None:
        middle = seen.middle - centre
        middle /= np.maximum(np.linalg.norm(middle, axis=1, keepdims=True), 1e-6)
    return Rows(words, letters, seen.deep, middle, seen.shares)


@dataclass(frozen=True)
class Model:
    """A learned classifier, or a cold one that knows only the taxonomy's words.

    `coefficients` has a row for each row of `rows` and a column for each learned class, then one for "none fits";
    `columns` says for each learned class which leaf of `tree` it is today, -1 for none: several may have become one.
    `labelled` is how many of the rows, the first ones, are labelled documents (the others are the taxonomy's words).
    `centre` is that of the middle vectors, None where they do not count. `calibrations` has one entry for each level,
    None where it is not calibrated.
    """

    tree: Tree
    lexicon: Lexicon
    rows: Rows
    centre: Floats | None
    coefficients: Floats
    columns: NDArray[np.intp]
    labelled: int
    calibrations: tuple[Calibration | None, ...]
    scope: Scope | None
    encoder: str

    def predict(self, texts: list[str], embedder: Embedder, looked: Seen | None = None) -> list[Prediction]:
        """The answer for each text; `looked` is what the encoder saw of them where the caller has that already.

        Raises Unavailable where the model was learned with another encoder than `embedder`.
        """
        answers: list[Prediction] = []
        looked = self.look(texts, embedder) if looked is None else looked
        for start in range(0, len(texts), BATCH):
            part = slice(start, start + BATCH)
            kernel = self.compared(texts[part], looked.part(part)).kernel(self.rows)
            answers += answers_from(self.tree, self.probabilities(kernel), self.calibrations, self.inside(kernel))
        return answers

    def look(self, texts: list[str], embedder: Embedder) -> Seen:
        """What the encoder sees of the texts; raises Unavailable where it is not the one the model knows."""
        if embedder.name != self.encoder:
            raise Unavailable(
                f"The classifier was learned with the encoder {self.encoder}, but {embedder.name} is configured.",
                action="Train the classifier again, or configure the former encoder.",
            )
        return seen(texts, embedder)

    def compared(self, texts: list[str], looked: Seen) -> Rows:
        """The texts as rows that can be compared with `rows`."""
        return rows_from(*self.lexicon.rows(texts), looked, self.centre)

    def probabilities(self, kernel: Floats) -> Floats:
        """Probabilities of the tree's leaves from similarities to `rows`, shape (texts, leaves)."""
        known = np.flatnonzero(self.columns >= 0)
        found = softmax(kernel @ self.coefficients[:, known])
        total = np.zeros((len(self.tree.leaves), len(kernel)), np.float32)
        np.add.at(total, self.columns[known], found.T)
        return np.ascontiguousarray(total.T)

    def inside(self, kernel: Floats) -> NDArray[np.bool_]:
        """Whether any class fits each text."""
        if self.scope is None:
            return np.ones(len(kernel), bool)
        scores = kernel @ self.coefficients
        return self.scope.fits(signals_from(scores[:, :-1], scores[:, -1], kernel[:, : self.labelled]))

    def today(self, leaves: Collection[Path], moved: Callable[[Path], Path | None]) -> Model:
        """This model for a taxonomy that changed since it was learned.

        `moved` says where a class of then is now, None where it was removed. It may be above today's leaves (a class
        that was split): then that is the answer, with the leaf unsure. A class that is nowhere any more shares its
        probability among the others. `leaves` are today's, and at least one class must remain.
        """
        places = [moved(path) for path in self.tree.leaves]
        prefixes = {leaf[:depth] for leaf in leaves for depth in range(1, len(leaf) + 1)}
        kept = list(dict.fromkeys(place for place in places if place is not None and place in prefixes))
        if kept == list(self.tree.leaves):
            return self
        today = {place: number for number, place in enumerate(kept)}
        then = np.array([-1 if place is None else today.get(place, -1) for place in places] + [-1], np.intp)
        tree = Tree(tuple(kept))
        calibrations = (*self.calibrations, *[self.calibrations[-1]] * tree.depth)[: tree.depth]
        return replace(self, tree=tree, columns=then[self.columns], calibrations=calibrations)


def answers_from(
    tree: Tree, leaves: Floats, calibrations: tuple[Calibration | None, ...], inside: NDArray[np.bool_]
) -> list[Prediction]:
    """Answers from the probabilities of the leaves, one row for each text."""
    best = leaves.argmax(axis=1)
    confidences = _confidences(tree, leaves, best, calibrations)
    calibrated = all(one is not None for one in calibrations)
    count = min(ALTERNATIVES, leaves.shape[1])
    ranked = np.argsort(-leaves, axis=1, kind="stable")[:, :count]
    return [
        Prediction(
            path=tree.leaves[best[row]],
            confidence=tuple(confidences[row][: len(tree.leaves[best[row]])]),
            in_scope=bool(inside[row]),
            alternatives=tuple(
                Alternative(tree.leaves[leaf], float(leaves[row, leaf]) if calibrated else None) for leaf in ranked[row]
            ),
        )
        for row in range(len(leaves))
    ]


def _confidences(
    tree: Tree, leaves: Floats, best: NDArray[np.intp], calibrations: tuple[Calibration | None, ...]
) -> list[list[float | None]]:
    rows = np.arange(len(leaves))
    columns: list[NDArray[np.float64]] = []
    for level, calibration in enumerate(calibrations):
        if calibration is None:
            return [[None] * tree.depth for _ in rows]
        columns.append(calibration(tree.above(leaves, level)[rows, tree.members[level][best]]))
    falling = np.minimum.accumulate(np.column_stack(columns), axis=1)
    return [[float(value) for value in row] for row in falling]
