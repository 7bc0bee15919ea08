"""What to label next: the few documents whose labels would teach most about those the machine is unsure of.

A document speaks for those that are like it. The gain of asking about it is the number of unsure documents that it
newly speaks for, each counted by how unsure it is and how alike they are (weighted facility location; Wei, Iyer &
Bilmes 2015, "Submodularity in Data Subset Selection and Active Learning"). Chosen one after the other, so that no two
say the same: uncertainty and diversity are one figure. Nothing here reads documents or the database.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

#: Cosine of two sentence vectors from which on two documents have something to do with each other.
LEAST_ALIKE = 0.5


@dataclass(frozen=True)
class Proposal:
    """The document in row `place`; `gain` is the expected number of wrong answers among those it speaks for.

    `speaks_for` counts the documents, itself included, that no label and no earlier proposal was closer to.
    """

    place: int
    gain: float
    speaks_for: int


def proposals_from(vectors: Floats, unsure: Floats, labelled: Floats, count: int) -> list[Proposal]:
    """At most `count` rows to ask about, the most useful first, each given those before it.

    `vectors` are unit sentence vectors of the documents without a label, `unsure` the probability, in 0..1, that the
    machine is wrong about each; `labelled` are the vectors of those that have one (rows may be 0).
    """
    alike = _alike(vectors, vectors)
    covered = _alike(vectors, labelled).max(axis=1) if len(labelled) else np.zeros(len(vectors), np.float32)
    chosen: list[Proposal] = []
    open_rows = np.ones(len(vectors), bool)
    while len(chosen) < count and open_rows.any():
        news = np.maximum(alike - covered[:, None], 0)
        gains = np.where(open_rows, unsure @ news, -1)
        best = int(gains.argmax())
        if gains[best] <= 0:
            break
        chosen.append(Proposal(best, float(gains[best]), int((news[:, best] > 0).sum())))
        covered = np.maximum(covered, alike[:, best])
        open_rows[best] = False
    return chosen


def _alike(vectors: Floats, others: Floats) -> Floats:
    """0 for strangers to 1 for twins."""
    alike: Floats = np.maximum((vectors @ others.T - LEAST_ALIKE) / np.float32(1 - LEAST_ALIKE), 0).astype(np.float32)
    return alike
