"""Words and letters of a text as weighted counts: what carries French and German with an English encoder.

Two views of one text, both TF-IDF with logarithmic counts and rows of length 1: words with pairs of words, and
runs of two to five letters within words, which forgive endings, compounds and misread characters. What is
learned is only the vocabulary and its weights; they are kept as plain arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer

Floats = NDArray[np.float32]

#: Characters of a text that count: about four pages. What comes later is rarely what names a document.
MOST_CHARACTERS = 12_000


@dataclass(frozen=True)
class Vocabulary:
    """The terms of one view in the order of their columns, and the weight of each."""

    terms: list[str]
    weights: Floats


@dataclass(frozen=True)
class Lexicon:
    """Both vocabularies, learned from the texts of the labelled documents and the words of the taxonomy."""

    words: Vocabulary
    letters: Vocabulary

    def rows(self, texts: list[str]) -> tuple[Any, Any]:
        """Two sparse matrices, words and letters, with a row for each text; a text with no known term is all 0."""
        cut = [text[:MOST_CHARACTERS] for text in texts]
        words, letters = self._views
        return words.transform(cut), letters.transform(cut)

    @cached_property
    def _views(self) -> tuple[Any, Any]:
        return _known(_word_view(), self.words), _known(_letter_view(), self.letters)


def lexicon_from(texts: list[str]) -> Lexicon:
    """The lexicon of at least one text; a letter run must occur in two of them to count."""
    cut = [text[:MOST_CHARACTERS] for text in texts]
    return Lexicon(_learned(_word_view(), cut), _learned(_letter_view(), cut))


def similarities(rows: Any, others: Any) -> Floats:
    """Dot products of sparse rows with sparse rows, dense, shape (rows, others)."""
    dense: Floats = (rows @ others.T).toarray().astype(np.float32, copy=False)
    return dense


def gram(rows: Any) -> Floats:
    """`similarities(rows, rows)`, fast for long texts too.

    A term that is in a large share of the texts makes a sparse product quadratic, so those columns go through
    dense blocks; rare terms stay sparse.
    """
    count = rows.shape[0]
    frequency = np.bincount(rows.indices, minlength=rows.shape[1])
    frequent = frequency > max(60, count / 60)
    rare = rows[:, ~frequent]
    total = similarities(rare, rare)
    columns = rows[:, frequent].tocsc()
    for start in range(0, columns.shape[1], 2048):
        block = columns[:, start : start + 2048].toarray()
        total += block @ block.T
    return total


def _word_view() -> TfidfVectorizer:
    return TfidfVectorizer(
        ngram_range=(1, 2),
        token_pattern=r"\b\w+\b",
        sublinear_tf=True,
        strip_accents="unicode",
        dtype=np.float32,
    )


def _letter_view() -> TfidfVectorizer:
    return TfidfVectorizer(
        analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, strip_accents="unicode", dtype=np.float32
    )


def _learned(view: TfidfVectorizer, texts: list[str]) -> Vocabulary:
    if view.analyzer == "char_wb" and len(texts) > 1:
        view.set_params(min_df=2)
    try:
        view.fit(texts)
    except ValueError:  # not one term in all the texts
        return Vocabulary([], np.zeros(0, np.float32))
    terms = [str(term) for term in view.get_feature_names_out()]
    return Vocabulary(terms, view.idf_.astype(np.float32))


def _known(view: TfidfVectorizer, vocabulary: Vocabulary) -> Any:
    """`view` ready to transform: scikit-learn takes a vocabulary and its weights from outside."""
    if not vocabulary.terms:
        return _Blank()
    view.set_params(vocabulary={term: column for column, term in enumerate(vocabulary.terms)})
    view.idf_ = vocabulary.weights
    return view


class _Blank:
    """The view of a lexicon without terms: every text is one zero."""

    def transform(self, texts: list[str]) -> Any:
        return sparse.csr_matrix((len(texts), 1), dtype=np.float32)
