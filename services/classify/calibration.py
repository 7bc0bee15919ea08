"""How often is a score right? From scores and outcomes to probabilities that keep their word.

Two curves, and the outcomes say how much of each. Few outcomes move a logistic curve (Platt 1999) away from the one
that was right for few labels elsewhere, as far as they can prove. Many outcomes speak for themselves: scores are
sorted into bins of equal count and the bins' shares of right answers made to rise with the score (pool adjacent
violators: Ayer et al. 1955), with straight lines between bin centres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit
from sklearn.isotonic import isotonic_regression

#: Log-odds of being right = PRIOR[0] + PRIOR[1] * log-odds of the score, before any outcome: a model of few labels is
#: right more often than its scores say. Between banking77 with 3 to 10 labels a class (0.44 said, 0.76 right) and
#: samples of other seeds with 3 (0.74 said, 0.95 right), 2026-11.
PRIOR = (1.1, 1.2)
#: How many outcomes it takes to move the curve half of the way.
PRIOR_OUTCOMES = 10
#: Bins of at least this many outcomes: the share of each is then known to about ten points.
BIN = 25
MOST_BINS = 40
#: From this many outcomes on the bins count as much as the logistic curve.
HALF_BINS = 1_000
#: Points of a curve that are kept.
_POINTS = 129


@dataclass(frozen=True)
class Calibration:
    """A rising line through (`scores`, `shares`), flat outside of it. Both have at least one entry."""

    scores: NDArray[np.float64]
    shares: NDArray[np.float64]

    def __call__(self, scores: NDArray[np.floating]) -> NDArray[np.float64]:
        """The probability that answers with these scores are right."""
        probabilities: NDArray[np.float64] = np.interp(scores, self.scores, self.shares)
        return probabilities


def calibrated(scores: NDArray[np.floating], right: NDArray[np.bool_]) -> Calibration:
    """The calibration that outcomes on held-out answers support; with none it is what holds elsewhere (`PRIOR`)."""
    grid = expit(np.linspace(-8, 8, _POINTS))
    smooth = _logistic(scores, right)(grid)
    if len(scores) < 2 * BIN:
        return Calibration(grid, smooth)
    share = len(scores) / (len(scores) + HALF_BINS)
    return Calibration(grid, (1 - share) * smooth + share * _in_bins(scores, right)(grid))


def expected_error(confidences: NDArray[np.floating], right: NDArray[np.bool_], bins: int = 15) -> float:
    """Expected calibration error over equal-width bins (Guo et al. 2017, arXiv:1706.04599, eq. 3)."""
    place = np.minimum((np.asarray(confidences) * bins).astype(int), bins - 1)
    gaps = [
        (place == number).mean() * abs(confidences[place == number].mean() - right[place == number].mean())
        for number in range(bins)
        if (place == number).any()
    ]
    return float(sum(gaps))


class _Logistic:
    def __init__(self, shift: float, slope: float) -> None:
        self.shift, self.slope = shift, slope

    def __call__(self, scores: NDArray[np.floating]) -> NDArray[np.float64]:
        probabilities: NDArray[np.float64] = expit(self.shift + self.slope * _odds(scores))
        return probabilities


def _logistic(scores: NDArray[np.floating], right: NDArray[np.bool_]) -> _Logistic:
    """The likeliest logistic curve under a normal prior around `PRIOR` that weighs `PRIOR_OUTCOMES` outcomes."""
    odds, truth, prior = _odds(scores), right.astype(float), np.array(PRIOR)
    # An outcome at even odds tells 1/4 about the shift (Fisher information of a coin).
    tight = np.array([PRIOR_OUTCOMES / 4, PRIOR_OUTCOMES])

    def cost(curve: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        said = curve[0] + curve[1] * odds
        apart = curve - prior
        off = expit(said) - truth
        slopes = np.array([off.sum(), off @ odds]) + tight * apart
        return float((np.logaddexp(0, said) - truth * said).sum() + 0.5 * tight @ apart**2), slopes

    found = minimize(cost, prior, jac=True, method="L-BFGS-B", bounds=[(None, None), (0.05, None)]).x
    return _Logistic(float(found[0]), float(found[1]))


def _in_bins(scores: NDArray[np.floating], right: NDArray[np.bool_]) -> Calibration:
    order = np.argsort(scores, kind="stable")
    groups = np.array_split(order, int(np.clip(len(scores) // BIN, 1, MOST_BINS)))
    centres = np.array([scores[group].mean() for group in groups], float)
    sizes = np.array([len(group) for group in groups], float)
    # One imagined error and one imagined success in each bin: no share is ever 0 or 1.
    shares = np.array([(right[group].sum() + 1) / (len(group) + 2) for group in groups])
    return Calibration(centres, isotonic_regression(shares, sample_weight=sizes))


def _odds(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    odds: NDArray[np.float64] = logit(np.clip(np.asarray(scores, float), 1e-4, 1 - 1e-4))
    return odds
