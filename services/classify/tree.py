"""From scores for the classes of every level to one probability for each leaf, so that no path contradicts itself.

A leaf's score is a weighted sum of the scores of the classes on its path; a softmax over all leaves gives their
probabilities; a class above has the sum of its leaves. The weights, one for each level, are those under which
the labels are most likely (conditional logit: McFadden 1974). Nothing here knows texts.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

Path = tuple[str, ...]
Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]

#: What the weights are without labels, deepest level and levels above, and how far labels must pull to move one
#: (standard deviation of a normal prior). Medians over the six development sets, 2026-11.
DEEPEST_WEIGHT, UPPER_WEIGHT, WEIGHT_SPREAD = 10.0, 3.5, 4.0


@dataclass(frozen=True)
class Tree:
    """The leaves in a fixed order; `Tree` numbers the classes above them too."""

    leaves: tuple[Path, ...]

    @cached_property
    def depth(self) -> int:
        """Number of levels, at least 1."""
        return max((len(path) for path in self.leaves), default=1)

    @cached_property
    def members(self) -> list[NDArray[np.intp]]:
        """For each level, the number of the class that each leaf belongs to; a leaf above that level is its own."""
        found = []
        for level in range(1, self.depth + 1):
            numbers: dict[Path, int] = {}
            found.append(np.array([numbers.setdefault(path[:level], len(numbers)) for path in self.leaves], np.intp))
        return found

    def under(self, path: Path) -> Flags:
        """Which leaves lie at or below `path`."""
        below: Flags = np.array([leaf[: len(path)] == path for leaf in self.leaves], bool)
        return below

    def targets(self, accepted: list[list[Path]]) -> tuple[Floats, Flags]:
        """What to learn from rows of right paths (each row: every path that counts as right; [] is out of scope).

        First the regression targets, 1 where a row belongs to a class, 0 where not, with the classes of all levels
        beside each other; a path that ends above the leaves says nothing about the levels below it, which get equal
        shares. Then, for each row, which leaves are right. Paths that are not in the tree count for nothing.
        """
        right = np.zeros((len(accepted), len(self.leaves)), bool)
        targets = np.zeros((len(accepted), sum(self.widths)), np.float32)
        starts = np.cumsum([0, *self.widths])
        for row, paths in enumerate(accepted):
            for path in paths:
                below = self.under(path) if path else np.zeros(len(self.leaves), bool)
                if not below.any():
                    continue
                right[row] |= below
                for start, members in zip(starts[:-1], self.members, strict=True):
                    classes = np.unique(members[below])
                    columns = start + classes
                    targets[row, columns] = np.maximum(targets[row, columns], 1 / len(classes))
        return targets, right

    @cached_property
    def widths(self) -> list[int]:
        """Number of classes on each level."""
        return [int(members.max()) + 1 if len(members) else 0 for members in self.members]

    def by_level(self, scores: Floats) -> list[Floats]:
        """Scores in the columns of `targets` -> for each level, the score of each leaf's class on it."""
        starts = np.cumsum([0, *self.widths])
        return [scores[:, start + members] for start, members in zip(starts[:-1], self.members, strict=True)]

    def above(self, probabilities: Floats, level: int) -> Floats:
        """Probabilities of the classes on `level` (0 is the top): the sums over their leaves."""
        sums = np.zeros((self.widths[level], len(probabilities)), np.float32)
        np.add.at(sums, self.members[level], probabilities.T)
        return np.ascontiguousarray(sums.T)


def default_weights(depth: int) -> Floats:
    """The weight of each level before any label spoke."""
    return np.array([UPPER_WEIGHT] * (depth - 1) + [DEEPEST_WEIGHT], np.float32)


def folded(levels: list[Floats], weights: Floats) -> Floats:
    """One score for each leaf."""
    total: Floats = levels[0] * weights[0]
    for scores, weight in zip(levels[1:], weights[1:], strict=True):
        total = total + scores * weight
    return total


def softmax(scores: Floats) -> Floats:
    """Probabilities over the last axis."""
    shifted: Floats = np.exp(scores - scores.max(axis=-1, keepdims=True))
    probabilities: Floats = shifted / shifted.sum(axis=-1, keepdims=True)
    return probabilities


def fitted_weights(levels: list[Floats], right: Flags) -> Floats:
    """The weights under which the right leaves are most likely; rows without a right leaf are ignored.

    The probability of a row is the sum over its right leaves. Stays near the defaults where labels are few.
    """
    told = right.any(axis=1)
    levels, right = [scores[told] for scores in levels], right[told]
    prior = default_weights(len(levels)).astype(float)

    def cost(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        probabilities = softmax(folded(levels, weights.astype(np.float32)))
        likelihood = (probabilities * right).sum(axis=1) + 1e-9
        pull = probabilities * right / likelihood[:, None] - probabilities
        apart = (weights - prior) / WEIGHT_SPREAD
        slopes = np.array([float((pull * scores).sum()) for scores in levels])
        return float(-np.log(likelihood).sum() + 0.5 * apart @ apart), apart / WEIGHT_SPREAD - slopes

    bounds = [(0.0, None)] * (len(levels) - 1) + [(0.5, None)]
    return np.asarray(minimize(cost, prior, jac=True, method="L-BFGS-B", bounds=bounds).x, np.float32)
