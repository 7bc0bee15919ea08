"""Which piece of the passages answers the question: boosted trees over what can be seen of each piece.

The trees (LightGBM's LambdaRank, Burges 2010, MSR-TR-2010-82) were grown by `learn.py` and lie in `reader.txt`, a text
format; where they come from stands in `docs/measurements/answer.md`. The reader quotes and never composes: its answer
is `text[start:end]`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from services.chat.features import FEATURES, Likeness, Matrix, Piece, seen
from services.chat.questions import KINDS, Kind, kind_of
from services.chat.retrieval import Question, Ranked, SentenceEncoder, Statistics

MODEL = Path(__file__).parent / "reader.txt"
#: Kinds of question that want a statement, not a word or a name. The sets that the trees grew from have few of these.
STATEMENTS: tuple[Kind, ...] = ("yes_no", "manner", "reason", "definition")
#: The least words of a statement, unless the sentence has no more.
LEAST_STATEMENT = 9
#: Word pieces of a sentence that its vector sees.
SENTENCE_TOKENS = 96


def best_pieces(
    question: Question, found: Sequence[Ranked], texts: Sequence[str], statistics: Statistics, likeness: Likeness
) -> list[Piece]:
    """All candidate pieces, best first; `texts[i]` is the whole text of the document of `found[i]`.

    `likeness` gives the cosines between the question and some sentences. [] where no passage has any word.
    """
    candidates, matrix = seen(question, found, texts, statistics, likeness)
    if not candidates:
        return []
    kind = kind_of(question.text)
    scores = _model().predict(with_kind(matrix, kind), num_threads=1)
    if kind in STATEMENTS:
        words, whole = (matrix[:, FEATURES.index(name)] for name in ("words", "whole"))
        scores = np.where((words * 10 >= LEAST_STATEMENT) | (whole > 0), scores, scores - scores.max() - 100)
    return [candidates[place] for place in np.argsort(-scores, kind="stable")]


def likeness_to(question: str, encoder: SentenceEncoder) -> Likeness:
    """How near sentences are in meaning to a question; computed when asked for."""

    def cosines(texts: list[str]) -> Sequence[float]:
        vectors = encoder.encode([question, *texts], SENTENCE_TOKENS)
        return [float(cosine) for cosine in vectors[1:] @ vectors[0]]

    return cosines


#: The columns of the model: the features, then one for each kind of question.
COLUMNS = (*FEATURES, *(f"asks_{kind}" for kind in KINDS))


@cache
def _model() -> Any:
    """The ranker; raises ValueError where it was learned with other features."""
    import lightgbm

    model = lightgbm.Booster(model_file=str(MODEL))
    if model.feature_name() != list(COLUMNS):
        raise ValueError(f"{MODEL.name} was learned with other features; run services/chat/learn.py")
    return model


@cache
def model_name() -> str:
    """The name that answers are signed with: equal names mean equal answers."""
    return f"reader@{hashlib.sha256(MODEL.read_bytes()).hexdigest()[:12]}"


def with_kind(matrix: Matrix, kind: Kind) -> Matrix:
    """The features with the kind of question beside them, shape (pieces, len(COLUMNS))."""
    columns = np.tile([float(kind == other) for other in KINDS], (len(matrix), 1))
    return np.concatenate([matrix, columns], axis=1)
