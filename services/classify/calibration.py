"""How often is a score right? From scores and outcomes to probabilities that keep their word.

Scores are sorted into bins of equal count, each bin's share of right answers is smoothed, the shares are made to
rise with the score (pool adjacent violators: Ayer et al. 1955), and between bin centres the line is straight. Few
outcomes mean few bins; fewer than `LEAST` mean no calibration at all, and then confidence is None, not a guess.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import isotonic_regression

#: Below this many outcomes nothing can be promised.
LEAST = 30
#: Bins of at least this many outcomes: the share of each is then known to about ten points.
BIN = 25
MOST_BINS = 40


@dataclass(frozen=True)
class Calibration:
    """A rising line through (`scores`, `shares`), flat outside of it. Both have at least one entry."""

    scores: NDArray[np.float64]
    shares: NDArray[np.float64]

    def __call__(self, scores: NDArray[np.floating]) -> NDArray[np.float64]:
        """The probability that answers with these scores are right."""
        probabilities: NDArray[np.float64] = np.interp(scores, self.scores, self.shares)
        return probabilities


def calibrated(scores: NDArray[np.floating], right: NDArray[np.bool_]) -> Calibration | None:
    """The calibration that outcomes on held-out answers support; None where there are fewer than `LEAST`."""
    if len(scores) < LEAST:
        return None
    order = np.argsort(scores, kind="stable")
    bins = int(np.clip(len(scores) // BIN, 1, MOST_BINS))
    groups = np.array_split(order, bins)
    centres = np.array([scores[group].mean() for group in groups], float)
    sizes = np.array([len(group) for group in groups], float)
    # One imagined error and one imagined success in each bin: no share is ever 0 or 1.
    shares = np.array([(right[group].sum() + 1) / (len(group) + 2) for group in groups])
    return Calibration(centres, isotonic_regression(shares, sample_weight=sizes))


def expected_error(confidences: NDArray[np.floating], right: NDArray[np.bool_], bins: int = 15) -> float:
    """Expected calibration error over equal-width bins (Guo et al. 2017, arXiv:1706.04599, eq. 3)."""
    place = np.minimum((np.asarray(confidences) * bins).astype(int), bins - 1)
    gaps = [
        (place == number).mean() * abs(confidences[place == number].mean() - right[place == number].mean())
        for number in range(bins)
        if (place == number).any()
    ]
    return float(sum(gaps))
