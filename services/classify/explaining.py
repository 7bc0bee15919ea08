"""Why this class: the words and the sentences that decided, each with its place in the text.

The question is always "rather than what?": weights are what a place adds to the log-odds of the class against the
others, each weighed by its probability, so places may speak for the class (above 0) or against it (below).

- What words and letter runs add is exact: that part of the kernel is a sum over terms, so each term's share is
  its weight in the document times what the labelled rows make of it, handed to the words that it occurs in.
- What sentences add to the sentence vector is measured by leaving each of them out in turn, as leave-one-out
  attribution does; a sentence's weight is that plus what its words add.

Nothing here decides; a model's answer is the same with and without its explanation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.classify.lexical import MOST_CHARACTERS
from services.classify.model import Model, Rows
from services.classify.seeing import Embedder, Seen
from services.classify.tree import Path

Floats = NDArray[np.float32]

#: Places of each kind that are worth a look.
MOST_WORDS, MOST_SENTENCES = 12, 6
#: Sentences that are left out in turn: more than the encoder sees in nearly every document.
_MOST_LEFT_OUT = 24
_WORD = re.compile(r"\S+")
_SENTENCE = re.compile(r"\S[^\n]*?(?:[.!?](?=\s)|(?=\n)|\Z)")


@dataclass(frozen=True)
class Place:
    """`text[start:end]` of the document (half-open) and what it adds to the log-odds of the class."""

    text: str
    start: int
    end: int
    weight: float


@dataclass(frozen=True)
class Explanation:
    """What spoke for `path` rather than for `against`, its strongest rival (None where there is no other class).

    `words` and `sentences` are the heaviest places, for and against, in falling order of their weight's size; all
    weights are in log-odds.
    """

    path: Path
    against: Path | None
    words: tuple[Place, ...]
    sentences: tuple[Place, ...]


def explained(model: Model, text: str, path: Path, embedder: Embedder) -> Explanation:
    """Why `model` holds `text` to be of the class `path`, a leaf of its tree; raises ValueError where it is none."""
    looked = model.look([text], embedder)
    direction, rival = _direction(model, model.compared([text], looked), path)
    if rival is None:
        return Explanation(path, None, (), ())
    words = _words(model, text, direction, looked)
    sentences = _sentences(model, text, direction, words, looked, embedder)
    return Explanation(
        path,
        rival,
        _heaviest(words, MOST_WORDS),
        _heaviest(sentences, MOST_SENTENCES),
    )


def _direction(model: Model, row: Rows, path: Path) -> tuple[Floats, Path | None]:
    """Coefficients whose score is the class's minus the others' by their probabilities; and the likeliest other."""
    leaf = model.tree.leaves.index(path)
    chances = model.probabilities(row.kernel(model.rows))[0].copy()
    chances[leaf] = 0
    if not chances.sum():
        return np.zeros(len(model.coefficients), np.float32), None
    # Several learned classes may be one leaf today; they share its part.
    columns = model.columns
    ours = (columns == leaf) / max((columns == leaf).sum(), 1)
    counts = np.maximum(np.bincount(columns[columns >= 0], minlength=len(chances)), 1)
    theirs = np.where(columns >= 0, (chances / chances.sum() / counts)[columns], 0)
    direction: Floats = model.coefficients[:, :-1] @ (ours - theirs).astype(np.float32)
    return direction, model.tree.leaves[int(chances.argmax())]


def _words(model: Model, text: str, direction: Floats, looked: Seen) -> list[Place]:
    """Every word that holds a known term, in text order."""
    cut = text[:MOST_CHARACTERS]
    places = [(found.start(), found.end()) for found in _WORD.finditer(cut)]
    weights = np.zeros(len(places))
    rows = model.lexicon.rows([cut])
    # The kernel weighs a pair of texts by the square roots of both shares.
    told = direction * np.sqrt(model.rows.shares) * np.sqrt(looked.shares[0]) / 2
    found = model.lexicon.occurrences([cut[start:end] for start, end in places])
    for row, learned, occurrences in zip(rows, (model.rows.words, model.rows.letters), found, strict=True):
        worth = learned.T @ told
        for column, weight in zip(row.indices.tolist(), (row.data * worth[row.indices]).tolist(), strict=True):
            held = occurrences.get(column, [])
            for holders in held:
                weights[list(holders)] += weight / len(held) / len(holders)
    return [
        Place(cut[start:end], start, end, float(weight))
        for (start, end), weight in zip(places, weights, strict=True)
        if weight
    ]


def _sentences(
    model: Model, text: str, direction: Floats, words: Sequence[Place], looked: Seen, embedder: Embedder
) -> list[Place]:
    places = list(_spans(text[:MOST_CHARACTERS]))
    near = _missed(model, text, places[:_MOST_LEFT_OUT], direction, looked, embedder)
    found = []
    for number, (start, end) in enumerate(places):
        weight = sum(word.weight for word in words if start <= word.start < end)
        weight += near[number] if number < len(near) else 0.0
        found.append(Place(text[start:end], start, end, float(weight)))
    return found


def _missed(
    model: Model, text: str, places: Sequence[tuple[int, int]], direction: Floats, looked: Seen, embedder: Embedder
) -> list[float]:
    """What the sentence vectors' part of the score loses without each of the places."""
    texts = [text, *(f"{text[:start]} {text[end:]}" for start, end in places)]
    rows = model.compared(texts, model.look(texts, embedder))
    told = direction * np.sqrt(1 - model.rows.shares) * np.sqrt(1 - looked.shares[0])
    scores = rows.near(model.rows) @ told
    return [float(scores[0] - score) for score in scores[1:]]


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Sentences and lines, without the white space around them."""
    for found in _SENTENCE.finditer(text):
        if found.end() > found.start():
            yield found.start(), found.end()


def _heaviest(places: Sequence[Place], count: int) -> tuple[Place, ...]:
    return tuple(sorted(places, key=lambda place: -abs(place.weight))[:count])
