"""What the left-out answers say about the labels: which look wrong, and which classes are too alike.

A label is doubted by confident learning (Northcutt et al. 2021, arXiv:1911.00068): another class is, for this
document, at least as probable as it is on average for the documents that people put there, and more probable than
the label. A doubt is a question to a person, never a correction. Nothing here reads documents or the database.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.classify.tree import Flags, Path

Floats = NDArray[np.float32]

#: Doubts and pairs worth showing to a person.
MOST_DOUBTS, MOST_PAIRS = 50, 20
#: Two classes are alike from this many mixed up documents on, if they are this share of all of theirs.
LEAST_MIXED, LEAST_MIXED_SHARE = 3, 0.15


@dataclass(frozen=True)
class Doubt:
    """The label of row `place` may be wrong: `rather` has the probability `chance`, what was said has `said_chance`."""

    place: int
    rather: Path
    chance: float
    said_chance: float


@dataclass(frozen=True)
class Alike:
    """`mixed` of the `documents` that people put in one of two classes were taken for the other when left out."""

    first: Path
    second: Path
    mixed: int
    documents: int


def doubts_from(leaves: Sequence[Path], probabilities: Floats, right: Flags) -> list[Doubt]:
    """The labels to look at again, the most doubtful first.

    `probabilities` of the leaves with each row left out, `right` the leaves that its label allows, both of shape
    (rows, leaves). Rows whose label allows no leaf are not judged.
    """
    found = []
    usual = _usual(probabilities, right)
    said = (probabilities * right).sum(axis=1)
    others = np.where(right | (probabilities < usual), 0, probabilities)
    for place in np.flatnonzero(right.any(axis=1) & (others.max(axis=1) > said)):
        best = int(others[place].argmax())
        found.append(Doubt(int(place), leaves[best], float(others[place, best]), float(said[place])))
    return sorted(found, key=lambda doubt: doubt.said_chance - doubt.chance)[:MOST_DOUBTS]


def alike_from(leaves: Sequence[Path], probabilities: Floats, right: Flags) -> list[Alike]:
    """Pairs of classes that the left-out answers mix up, the most mixed first; only rows with one right leaf count."""
    single = np.flatnonzero(right.sum(axis=1) == 1)
    truths, answers = right[single].argmax(axis=1), probabilities[single].argmax(axis=1)
    sizes = Counter(truths.tolist())
    mixed = Counter(
        (min(truth, answer), max(truth, answer))
        for truth, answer in zip(truths.tolist(), answers.tolist(), strict=True)
        if truth != answer
    )
    return [
        Alike(leaves[one], leaves[other], count, sizes[one] + sizes[other])
        for (one, other), count in mixed.most_common(MOST_PAIRS)
        if count >= LEAST_MIXED and count >= LEAST_MIXED_SHARE * (sizes[one] + sizes[other])
    ]


def _usual(probabilities: Floats, right: Flags) -> Floats:
    """For each leaf its mean probability on the rows that people put there; 1 where nobody did."""
    counts = right.sum(axis=0)
    sums = np.where(right, probabilities, 0).sum(axis=0)
    usual: Floats = np.where(counts > 0, sums / np.maximum(counts, 1), 1).astype(np.float32)
    return usual
