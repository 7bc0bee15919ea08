"""Does any class fit at all?

What speaks for it: a leaf with a high score, and labelled documents that are alike. Where people have said of
enough documents that none fits, these signals are weighed by what they said; before that, equally. The line is drawn
where hardly a document that does fit would be turned away.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

Floats = NDArray[np.float64]

#: Share of fitting documents that may be turned away, measured on left-out documents: where people showed what does
#: not fit, on few documents (left out, these fit much worse than new ones will), and where nobody did yet.
LOSS, LOSS_FEW, LOSS_UNTOLD = 0.01, 0.05, 0.002
#: Labelled documents before the line is drawn: of those that fit, where nobody showed what does not; and where
#: somebody did. From `LEAST_OUTSIDE` documents that do not fit on, the signals are weighed by what people said.
LEAST_FITTING, LEAST_FITTING_TOLD, LEAST_OUTSIDE = 100, 30, 20
NEIGHBOURS = 5


@dataclass(frozen=True)
class Scope:
    """Weights of the standardised signals, and the line: below it, none fits."""

    means: Floats
    deviations: Floats
    weights: Floats
    line: float

    def fits(self, signals: Floats) -> NDArray[np.bool_]:
        """Whether each row of `signals` (see `signals_from`) is in scope."""
        inside: NDArray[np.bool_] = self._scores(signals) >= self.line
        return inside

    def _scores(self, signals: Floats) -> Floats:
        scores: Floats = ((signals - self.means) / self.deviations) @ self.weights
        return scores


def signals_from(
    leaf_scores: NDArray[np.floating], outside: NDArray[np.floating], kernel: NDArray[np.floating]
) -> Floats:
    """Signals of each row, higher means a better fit: best leaf, all leaves, likeness to neighbours, not outside.

    `kernel` has the similarities to the labelled documents, without the row itself; `outside` the score of the class
    "none fits".
    """
    count = min(NEIGHBOURS, kernel.shape[1])
    nearest = np.partition(kernel, -count, axis=1)[:, -count:].mean(axis=1) if count else np.zeros(len(kernel))
    best = leaf_scores.max(axis=1)
    energy = best + np.log(np.exp(leaf_scores - best[:, None]).sum(axis=1))
    return np.column_stack([best, energy, nearest, -outside]).astype(float)


def scope_from(signals: Floats, inside: NDArray[np.bool_]) -> Scope | None:
    """The scope that left-out documents support; None (everything fits) where too few of them do."""
    told = int((~inside).sum())
    if inside.sum() < (LEAST_FITTING_TOLD if told else LEAST_FITTING):
        return None
    means, deviations = signals[inside].mean(axis=0), signals[inside].std(axis=0) + 1e-9
    standard = (signals - means) / deviations
    if told >= LEAST_OUTSIDE:
        learner = LogisticRegression(C=1.0, class_weight="balanced", max_iter=1000).fit(standard, inside)
        weights, loss = learner.coef_[0], LOSS
    elif told:
        # The best leaf alone tells 0.998 of strays from mail with 3 labels a class (area under the curve, samples of
        # other seeds, 2026-11); what a few strays look like says little about the next one.
        weights, loss = np.array([1.0, 0.0, 0.0, 0.0]), LOSS_FEW
    else:
        weights, loss = np.array([1.0, 0.0, 1.0, 0.0]), LOSS_UNTOLD
    line = float(np.quantile((standard @ weights)[inside], loss))
    return Scope(means, deviations, weights, line)
