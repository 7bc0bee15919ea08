"""The first stage of the ranker: logistic regression on hashed surroundings, and what its scores say in comparison.

Fitted in folds over documents, so that the scores that the second stage learns from come from documents the model
had not seen.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack
from sklearn.linear_model import LogisticRegression

from services.extract import anchors
from services.extract.candidates import Candidate
from services.extract.context import WIDTH

#: Weights of one model: a word each, an anchor score each, the bias.
WEIGHTS = WIDTH + len(anchors.NAMES) + 1
#: A label that names the field is worth several words: it holds in layouts that nobody has labelled yet.
_ANCHOR_SCALE = 3.0

#: Columns of `comparison`; then one per rival field and their best.
NAMES = (
    *("logit", "rank", "behind_best", "behind_other", "same_best", "same_count", "same_chance", "chance_of_all"),
    *("overlap_lead", "overlap_count"),
)
_C = 1.0


def fit_weights(
    words: csr_matrix, anchored: NDArray[np.float32], right: NDArray[np.int8], weight: NDArray[np.float32]
) -> NDArray[np.float32]:
    """WEIGHTS weights: of the hashed words, of the anchor scores, and the bias.

    All zeros where only one class is there to learn from.
    """
    if len(np.unique(right[weight > 0])) < 2:
        return np.zeros(WEIGHTS, dtype=np.float32)
    # The solver's time goes with the number of columns, and almost all of the WIDTH are empty.
    used = np.unique(words.indices)
    model = LogisticRegression(C=_C, solver="liblinear", max_iter=200, random_state=0)
    rows = hstack([words[:, used], csr_matrix(anchored * _ANCHOR_SCALE)], format="csr")
    model.fit(rows, right, sample_weight=weight)
    weights = np.zeros(WEIGHTS, dtype=np.float32)
    weights[used] = model.coef_[0][: len(used)]
    weights[WIDTH:-1] = model.coef_[0][len(used) :] * _ANCHOR_SCALE
    weights[-1] = model.intercept_[0]
    return weights


def logits(words: csr_matrix, anchored: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """The log-odds of each candidate, from its hashed words and its anchor scores."""
    # Five columns: summed without BLAS, which has raised spurious warnings on so narrow a product.
    by_anchor = (anchored * weights[WIDTH:-1]).sum(axis=1)
    return np.asarray(words @ weights[:WIDTH] + by_anchor + weights[-1], dtype=np.float32)


def shortlist(scores: NDArray[np.float32], most: int) -> NDArray[np.int64]:
    """The places of the `most` best scores, best first; equal scores in text order."""
    return np.argsort(-scores, kind="stable")[:most]


def comparison(
    candidates: Sequence[Candidate],
    scores: NDArray[np.float32],
    rivals: NDArray[np.float32],
    places: NDArray[np.int64],
) -> NDArray[np.float32]:
    """For the candidates at `places`: their score against the others', NAMES, rivals' scores, and the rivals' best.

    `rivals` is (candidates, rival fields): the scores of other fields for the same candidates.
    """
    if len(places) == 0:
        return np.zeros((0, len(NAMES) + rivals.shape[1] + 1), dtype=np.float32)
    codes = _codes(candidates)
    chance = 1 / (1 + np.exp(-np.clip(scores, -30, 30)))
    same_best = np.full(codes.max() + 1, -30.0, dtype=np.float32)
    np.maximum.at(same_best, codes, scores)
    same_chance = np.bincount(codes, weights=chance)
    same_count = np.bincount(codes, weights=(scores > 0).astype(float))
    ranks = np.empty(len(scores))
    ranks[np.argsort(-scores, kind="stable")] = np.arange(len(scores))
    values = np.argsort(-same_best, kind="stable")
    best, second = same_best[values[0]], same_best[values[1]] if len(values) > 1 else -30.0
    other = np.where(codes[places] == values[0], second, best)
    lead, count = _overlaps(candidates, scores, places)
    columns = [
        *(scores[places], ranks[places], scores[places] - scores.max(), scores[places] - other),
        *(same_best[codes[places]], same_count[codes[places]], same_chance[codes[places]]),
        *(np.full(len(places), chance.sum()), lead, count),
    ]
    best_rival = rivals[places].max(axis=1, initial=-30.0)
    return np.column_stack([*columns, rivals[places], best_rival]).astype(np.float32)


def _codes(candidates: Sequence[Candidate]) -> NDArray[np.int64]:
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(candidate.same, len(numbers)) for candidate in candidates])


def _overlaps(
    candidates: Sequence[Candidate], scores: NDArray[np.float32], places: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How far each is ahead of the best shortlisted candidate that shares its place, and how many do."""
    spans = np.array([(candidates[place].first, candidates[place].last) for place in places])
    meets = (spans[:, None, 0] < spans[None, :, 1]) & (spans[None, :, 0] < spans[:, None, 1])
    np.fill_diagonal(meets, False)
    theirs = np.where(meets, scores[places][None, :], -30.0).max(axis=1)
    lead = np.clip(scores[places] - theirs, -15, 15)
    return lead.astype(np.float32), meets.sum(axis=1).astype(np.float32)
