"""How well questions are answered, on labelled data: `dossier measure answer`.

Runs the very code of the service (chunks, terms, vectors, candidates, ranking, reader), over an index in memory
instead of Postgres. It never sees an answer: gold in the test records is not read.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from services.chat.answering import MOST_READ, Answer, extracted
from services.chat.chunking import MOST_TOKENS
from services.chat.citations import Citation
from services.chat.memory import Indexed, MemoryIndex, indexed
from services.chat.retrieval import CANDIDATES, Question, Ranked, SentenceEncoder, Vectors, ranked
from shared.documents import Reading
from shared.errors import Refused

#: How many retrieved passages are written for each question.
MOST_RETRIEVED = 20
#: Collections that are kept at hand; questions on one set of documents often stand together.
KEPT_COLLECTIONS = 8

ReadFile = Callable[[Path], Reading]


def measure(
    test_jsonl: Path,
    out_jsonl: Path,
    encoder: SentenceEncoder,
    read_file: ReadFile,
    collection: bool,
    index_only: bool,
) -> None:
    """Answer every record of `test_jsonl`, one prediction a line in `out_jsonl`.

    A record is `{"id", "question", "documents": [path, …], "collection"?: path}`, paths relative to its file, one
    that ends in "/" meaning every file in that folder. `collection` searches the record's collection where it has one;
    `index_only` retrieves and answers nothing. Raises Refused, naming the line, where a record does not fit.
    """
    library = _Library(test_jsonl.parent, _Remembering(encoder), read_file)
    with out_jsonl.open("w", encoding="utf-8") as out:
        for record in _records(test_jsonl):
            names = library.names(record, collection)
            named = not collection and not any(name.endswith("/") for name in record["documents"])
            prediction = _prediction(record, library, names, index_only, named)
            out.write(json.dumps(prediction, ensure_ascii=False) + "\n")


def _records(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
                yield {name: record[name] for name in ("id", "question", "documents")} | {
                    "collection": record.get("collection")
                }
            except (ValueError, KeyError, TypeError) as wrong:
                raise Refused(f"{path}:{number} is no record with id, question and documents: {wrong!r}") from wrong


class _Library:
    """Every document read and indexed once; collections over them."""

    def __init__(self, folder: Path, encoder: SentenceEncoder, read_file: ReadFile) -> None:
        self._folder = folder
        self.encoder = encoder
        self._read_file = read_file
        self._documents: dict[str, Indexed] = {}
        self._collections: OrderedDict[tuple[str, ...], MemoryIndex] = OrderedDict()

    def names(self, record: dict[str, Any], collection: bool) -> tuple[str, ...]:
        """The documents of a record, or of its collection, as paths relative to the record's file."""
        given = [record["collection"]] if collection and record["collection"] else record["documents"]
        names: list[str] = []
        for name in given:
            if name.endswith("/"):
                names += sorted(name + path.name for path in (self._folder / name).iterdir() if path.is_file())
            else:
                names.append(name)
        return tuple(names)

    def over(self, names: tuple[str, ...]) -> MemoryIndex:
        """The index over some documents."""
        if names not in self._collections:
            self._collections[names] = MemoryIndex([self.document(name) for name in names])
            if len(self._collections) > KEPT_COLLECTIONS:
                self._collections.popitem(last=False)
        self._collections.move_to_end(names)
        return self._collections[names]

    def document(self, name: str) -> Indexed:
        """One document; one that cannot be read has no passages."""
        if name not in self._documents:
            try:
                reading = self._read_file(self._folder / name)
            except Refused:
                reading = Reading(text="", pages=[], media_type="application/octet-stream")
            self._documents[name] = indexed(name, reading, self.encoder)
        return self._documents[name]

    def place(self, name: str, quote: str, near: float) -> tuple[int, int] | None:
        """Where a quote stands in the file itself, for a text file; None for others.

        A reading is cleaned text, so its offsets are not the file's. Where the words occur several times, the place
        closest to `near` (0..1, through the file) is meant.
        """
        if not name.endswith(".txt"):
            return None
        text = (self._folder / name).read_bytes().decode("utf-8", "replace")
        pattern = r"\s+".join(re.escape(word) for word in quote.split())
        places = [match.span() for match in re.finditer(pattern, text)]
        return min(places, key=lambda place: abs(place[0] / len(text) - near), default=None)


class _Remembering:
    """An encoder that encodes each text once: questions come in flocks over the same documents."""

    def __init__(self, encoder: SentenceEncoder) -> None:
        self._encoder = encoder
        self._known: dict[tuple[str, int], Vectors] = {}

    def encode(self, texts: list[str], max_tokens: int = MOST_TOKENS) -> Vectors:
        """As the encoder's own."""
        new = sorted({text for text in texts if (text, max_tokens) not in self._known})
        if new:
            made = self._encoder.encode(new, max_tokens)
            self._known |= {(text, max_tokens): vector for text, vector in zip(new, made, strict=True)}
        if not texts:
            return self._encoder.encode([], max_tokens)
        return np.stack([self._known[text, max_tokens] for text in texts])


def _prediction(
    record: dict[str, Any], library: _Library, names: tuple[str, ...], index_only: bool, named: bool
) -> dict[str, Any]:
    question = Question(str(record["question"]))
    index = library.over(names)
    passages, statistics = index.candidates(
        question.all_terms(index.languages), library.encoder.encode([question.text])[0], CANDIDATES
    )
    found = ranked(question, passages, statistics)
    answer = Answer("none", "none", abstained=True)
    if not index_only:
        near = found[:MOST_READ]
        readings = {one.passage.document: library.document(one.passage.document).reading for one in near}
        answer = extracted(question, near, readings, statistics, library.encoder, named=named)
    return {
        "id": record["id"],
        "answer": answer.short,
        "abstained": answer.abstained,
        "citations": [_cited(citation, library) for citation in answer.citations],
        "retrieved": [_retrieved(one) for one in found[:MOST_RETRIEVED]],
    }


def _retrieved(one: Ranked) -> dict[str, Any]:
    passage = one.passage
    return {"document": passage.document, "page": passage.page, "text": passage.text, "score": round(one.score, 4)}


def _cited(citation: Citation, library: _Library) -> dict[str, Any]:
    evidence = citation.evidence
    length = max(len(library.document(evidence.document).reading.text), 1)
    start, end = library.place(evidence.document, evidence.quote, evidence.start / length) or (None, None)
    return {
        "document": evidence.document,
        "page": evidence.page,
        "quote": evidence.quote,
        "start": start,
        "end": end,
    }
