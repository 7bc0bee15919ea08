"""From a score to a probability: a small logistic model per field, fitted on scores of documents not learned from.

The inputs are the score itself, how far it is ahead of the next value, and how much the document offers in all. With
few examples Platt's smoothed targets keep it from saying 0 or 1 (Platt 1999, section 2.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

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
    model = LogisticRegression(C=1.0, max_iter=300).fit(both, targets, sample_weight=weights)
    return Calibration(tuple(float(weight) for weight in model.coef_[0]), float(model.intercept_[0]))


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
