"""Words and letters of a text as weighted counts: what carries French and German with an English encoder.

Two views of one text, both TF-IDF with logarithmic counts and rows of length 1: words with pairs of words, and
runs of two to five letters within words, which forgive endings, compounds and misread characters. What is
learned is only the vocabulary and its weights; they are kept as plain arrays.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer

Floats = NDArray[np.float32]
#: Column of a term -> the places where it occurs, each one or two words.
Occurrences = dict[int, list[tuple[int, ...]]]

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

    def occurrences(self, words: list[str]) -> tuple[Occurrences, Occurrences]:
        """Where each known term occurs among these words of one text, for each view: column -> places, in words.

        A term may span two words; places are tuples of indices into `words`.
        """
        found: tuple[Occurrences, Occurrences] = (defaultdict(list), defaultdict(list))
        tokens: list[tuple[str, int]] = []
        analyse, prepare, cut = _letter_view().build_analyzer(), *_preparation()
        letters, terms = self._columns
        for place, word in enumerate(words):
            tokens += [(token, place) for token in cut(prepare(word))]
            for run in analyse(word):
                if run in letters:
                    found[1][letters[run]].append((place,))
        for number, (token, place) in enumerate(tokens):
            if token in terms:
                found[0][terms[token]].append((place,))
            follower = tokens[number + 1] if number + 1 < len(tokens) else None
            if follower and (pair := f"{token} {follower[0]}") in terms:
                found[0][terms[pair]].append((place, follower[1]))
        return found

    @cached_property
    def _columns(self) -> tuple[dict[str, int], dict[str, int]]:
        letters, words = self.letters.terms, self.words.terms
        return {term: column for column, term in enumerate(letters)}, {term: place for place, term in enumerate(words)}

    @cached_property
    def _views(self) -> tuple[Any, Any]:
        return _known(_word_view(), self.words), _known(_letter_view(), self.letters)


def learned_from(texts: list[str]) -> tuple[Lexicon, Any, Any]:
    """The lexicon of at least one text, and the rows of these texts; a letter run must occur in two of them to count.

    One pass: cutting long texts into letter runs is most of the time that learning takes.
    """
    cut = [text[:MOST_CHARACTERS] for text in texts]
    words, word_rows = _learned(_word_view(), cut)
    letters, letter_rows = _learned(_letter_view(), cut)
    return Lexicon(words, letters), word_rows, letter_rows


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


def _preparation() -> tuple[Callable[[str], str], Callable[[str], list[str]]]:
    """What the word view does to a text before it looks for pairs: prepare it, cut it."""
    view = _word_view()
    return view.build_preprocessor(), view.build_tokenizer()


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


def _learned(view: TfidfVectorizer, texts: list[str]) -> tuple[Vocabulary, Any]:
    if view.analyzer == "char_wb" and len(texts) > 1:
        view.set_params(min_df=2)
    try:
        rows = view.fit_transform(texts)
    except ValueError:  # not one term in all the texts
        return Vocabulary([], np.zeros(0, np.float32)), _Blank().transform(texts)
    terms = [str(term) for term in view.get_feature_names_out()]
    return Vocabulary(terms, view.idf_.astype(np.float32)), rows


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
