"""From a score to a probability: a small logistic model per field, fitted on scores of documents not learned from.

The inputs are the score itself, how far it is ahead of the next value, and how much the document offers in all. With
few examples Platt's smoothed targets keep it from saying 0 or 1 (Platt 1999, section 2.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Score, lead over the next other value, share of all the scores.
INPUTS = 3


@dataclass(frozen=True)
class Calibration:
    """`probability = sigmoid(weights . inputs + bias)`."""

    weights: tuple[float, ...]
    bias: float

    def __call__(self, inputs: Sequence[float] | NDArray[np.float64]) -> float:
        """The probability that a value with these inputs is right."""
        total = float(np.dot(self.weights, np.asarray(inputs, dtype=float)) + self.bias)
        return float(1 / (1 + np.exp(-np.clip(total, -30, 30))))


def fitted(inputs: NDArray[np.float64], right: NDArray[np.int8]) -> Calibration:
    """The calibration of these examples (`inputs` has INPUTS columns); works with one example, or with one class."""
    positives, negatives = int(right.sum()), int(len(right) - right.sum())
    # Each example counts once as what it was and a little as what it was not: Platt's targets as weights.
    doubt = np.where(right == 1, 1 / (positives + 2), 1 / (negatives + 2))
    both = np.vstack([inputs, inputs])
    targets = np.concatenate([right, 1 - right])
    weights = np.concatenate([1 - doubt, doubt])
    solved = _newton(np.column_stack([both, np.ones(len(both))]), targets.astype(float), weights)
    return Calibration(tuple(float(weight) for weight in solved[:-1]), float(solved[-1]))


def _newton(
    rows: NDArray[np.float64], targets: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weighted logistic regression with a unit penalty on all but the last column, by damped Newton steps.

    The problem has four unknowns: a general solver spends a hundred times longer on its own bookkeeping.
    """
    penalty = np.ones(rows.shape[1])
    penalty[-1] = 1e-6
    solved = np.zeros(rows.shape[1])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-np.clip(rows @ solved, -30, 30)))
        slope = rows.T @ (weights * (chance - targets)) + penalty * solved
        bend = (rows * (weights * chance * (1 - chance))[:, None]).T @ rows + np.diag(penalty)
        step = np.linalg.solve(bend, slope)
        solved -= step / max(1.0, float(np.abs(step).max()) / 4)
        if np.abs(step).max() < 1e-9:
            break
    return solved


def calibration_inputs(scores: Sequence[float]) -> NDArray[np.float64]:
    """INPUTS for every value of one document, from the best score of each distinct value, best first."""
    ordered = np.asarray(scores, dtype=float)
    if len(ordered) == 0:
        return np.zeros((0, INPUTS))
    best_other = np.full(len(ordered), ordered[0])
    best_other[0] = ordered[1] if len(ordered) > 1 else ordered[0] - 8.0
    lead = np.clip(ordered - best_other, -8.0, 8.0)
    chance = 1 / (1 + np.exp(-np.clip(ordered, -30, 30)))
    return np.column_stack([np.clip(ordered, -12, 12), lead, chance / max(1e-9, chance.sum())])
