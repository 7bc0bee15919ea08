"""An index in memory with the very same chunks, terms, vectors and candidates as the one in Postgres.

For measuring and for trying things out; nothing is kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from services.chat.chunking import MOST_TOKENS, Chunk, chunks
from services.chat.retrieval import Passage, SentenceEncoder, Statistics, Vectors
from services.chat.terms import terms
from shared.documents import Reading


@dataclass(frozen=True)
class Indexed:
    """One document: its reading, its chunks, their terms and their vectors (shape (chunks, 384))."""

    name: str
    reading: Reading
    chunks: list[Chunk]
    terms: list[list[str]]
    vectors: Vectors


def indexed(name: str, reading: Reading, encoder: SentenceEncoder) -> Indexed:
    """Index one document."""
    cut = chunks(reading)
    found = [terms(chunk.text, reading.language) for chunk in cut]
    return Indexed(name, reading, cut, found, encoder.encode([chunk.text for chunk in cut], MOST_TOKENS))


class MemoryIndex:
    """Several indexed documents as one collection."""

    def __init__(self, documents: Sequence[Indexed]) -> None:
        self._places = [(document, place) for document in documents for place in range(len(document.chunks))]
        self._counts = [Counter(document.terms[place]) for document, place in self._places]
        self._postings: dict[str, list[int]] = {}
        for number, counts in enumerate(self._counts):
            for term in counts:
                self._postings.setdefault(term, []).append(number)
        held = [document.vectors for document in documents if len(document.chunks)]
        self._vectors = np.concatenate(held) if held else np.zeros((0, 384), np.float32)
        self.languages = sorted({document.reading.language for document in documents}, key=str)

    def candidates(self, question_terms: Iterable[str], vector: Vectors, most: int) -> tuple[list[Passage], Statistics]:
        """As `services.chat.tables.candidates`: `most` by the rarity of shared words, `most` by vector."""
        asked = set(question_terms)
        frequency = {term: len(self._postings.get(term, ())) for term in asked}
        length = sum(counts.total() for counts in self._counts) / max(len(self._counts), 1)
        statistics = Statistics(len(self._places), length, frequency)
        weights = np.zeros(len(self._places))
        for term in asked:
            weights[self._postings.get(term, [])] += statistics.rarity(term)
        similarity = self._vectors @ vector
        by_words = [place for place in np.argsort(-weights, kind="stable")[:most] if weights[place] > 0]
        by_vector = np.argsort(-similarity, kind="stable")[:most]
        chosen = sorted({int(place) for place in (*by_words, *by_vector)})
        return [self._passage(place, float(similarity[place])) for place in chosen], statistics

    def _passage(self, number: int, similarity: float) -> Passage:
        document, place = self._places[number]
        chunk = document.chunks[place]
        return Passage(
            document=document.name,
            name=document.name,
            page=chunk.page,
            start=chunk.start,
            end=chunk.end,
            text=chunk.text,
            language=document.reading.language,
            similarity=similarity,
        )
