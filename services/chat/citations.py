"""Citations that are true: each is a place in a document whose text, character by character, is the quote.

A generated answer carries its citations as markers, `[2: "words of passage 2"]`. `CitationStream` reads the answer as
it arrives, holds back what may be a marker until it is whole, looks the words up in the passage, and lets through
either a short reference (`[1]`) or nothing at all: a citation that is not true is never shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.chat.retrieval import Passage
from shared.documents import Evidence, Reading, evidence_for

#: A marker that has not ended after this many characters never will; it is dropped.
LONGEST_MARKER = 600
#: What the model is told to write where the passages do not answer.
NOT_FOUND = "NOT_IN_DOCUMENTS"

_WHOLE = re.compile(
    r"\[\s*(?:passage\s*)?(\d{1,2})\s*(?::\s*[\"“”«„']\s*(.*?)\s*[\"“”»']\s*)?\]$", re.DOTALL | re.IGNORECASE
)
_MAY_BECOME = re.compile(
    r"\[\s*(?:p(?:a(?:s(?:s(?:a(?:g(?:e\s*)?)?)?)?)?)?)?(?:\d{1,2}\s*(?::\s*(?:[\"“”«„'].*)?)?)?$",
    re.DOTALL | re.IGNORECASE,
)


@dataclass(frozen=True)
class Citation:
    """`evidence.quote` stands in the document called `name`, and backs `content[content_start:content_end]`."""

    evidence: Evidence
    name: str
    content_start: int
    content_end: int


@dataclass(frozen=True)
class Source:
    """A document that is quoted, by id and name."""

    document: str
    name: str
    reading: Reading


def cited(
    reading: Reading, document: str, name: str, start: int, end: int, content_start: int, content_end: int
) -> Citation:
    """The citation of `reading.text[start:end]`; raises ValueError where that is no place on one page."""
    return Citation(evidence_for(reading, document, start, end), name, content_start, content_end)


class Quoting:
    """Composes a content out of quotes of documents and words between them; every quote is cited where it stands."""

    def __init__(self) -> None:
        self.content = ""
        self.citations: list[Citation] = []

    def write(self, words: str) -> None:
        """Add words that are not from a document."""
        self.content += words

    def quote(self, source: Source, span: tuple[int, int]) -> None:
        """Add the document's text at `span`."""
        self.cite(source, span, len(self.content))
        self.content += source.reading.text[slice(*span)]

    def cite(self, source: Source, span: tuple[int, int], content_start: int) -> None:
        """Back the content from `content_start` on, as long as the quote, by the document's text at `span`."""
        start, end = span
        content_end = content_start + end - start
        self.citations.append(
            cited(source.reading, source.document, source.name, start, end, content_start, content_end)
        )


def located(quote: str, passage: Passage) -> tuple[int, int] | None:
    """Where in the document's text the quote stands inside the passage; None where it does not.

    White space may differ (a line may end inside the quote), nothing else. A quote without a letter or digit is no
    quote.
    """
    words = quote.split()
    if not any(sign.isalnum() for sign in quote):
        return None
    match = re.search(r"\s+".join(re.escape(word) for word in words), passage.text)
    return (passage.start + match.start(), passage.start + match.end()) if match else None


class CitationStream:
    """Turns a model's pieces of text into checked text; the state machine behind a streamed answer.

    After the last piece, `content` is all that was let through, `citations` what backs it, and `not_found` tells
    whether the model said that the passages do not answer.
    """

    def __init__(self, passages: Sequence[Passage], readings: dict[str, Reading]) -> None:
        self._passages = passages
        self._readings = readings
        self._held = ""
        self._numbers: dict[tuple[str, int, int], int] = {}
        self.content = ""
        self.citations: list[Citation] = []
        self.dropped = 0
        self.not_found = False

    def feed(self, pieces: Iterator[str]) -> Iterator[str]:
        """What may be shown, as soon as it may be shown."""
        for piece in pieces:
            yield from self._let_through(piece)
        yield from self._let_through("", last=True)

    def _let_through(self, piece: str, *, last: bool = False) -> Iterator[str]:
        self._held = "" if self.not_found else self._held + piece
        while self._held:
            start = self._held.lstrip()
            if not self.content and NOT_FOUND.startswith(start[: len(NOT_FOUND)]):
                if len(start) < len(NOT_FOUND) and not last:
                    return
                self.not_found = start.startswith(NOT_FOUND)
                if self.not_found:
                    self._held = ""
                    return
            opening = self._held.find("[")
            if opening != 0:
                cut = len(self._held) if opening < 0 else opening
                yield self._show(self._held[:cut])
                self._held = self._held[cut:]
                continue
            end = self._marker_end()
            if end is None and not last and len(self._held) <= LONGEST_MARKER and _MAY_BECOME.match(self._held):
                return
            if end is None:
                yield from self._not_a_marker()
                continue
            shown = self._checked(self._held[:end])
            self._held = self._held[end:]
            if shown:
                yield shown

    def _marker_end(self) -> int | None:
        """Where the marker that the held text begins with ends; None where it has none (yet)."""
        place = self._held.find("]")
        while place >= 0:
            if _WHOLE.match(self._held[: place + 1]):
                return place + 1
            place = self._held.find("]", place + 1)
        return None

    def _not_a_marker(self) -> Iterator[str]:
        """An opening bracket of something else is shown; a broken marker is dropped."""
        if _MAY_BECOME.match(self._held) and len(self._held) > 1:
            self.dropped += 1
            self._held = ""
            return
        yield self._show(self._held[0])
        self._held = self._held[1:]

    def _checked(self, marker: str) -> str:
        match = _WHOLE.match(marker)
        number = int(match[1]) if match else 0
        passage = self._passages[number - 1] if 0 < number <= len(self._passages) else None
        place = located(match[2], passage) if match and match[2] and passage else None
        if passage is None or place is None:
            self.dropped += 1
            return ""
        reference = self._numbers.setdefault((passage.document, *place), len(self._numbers) + 1)
        start = len(self.content)
        shown = self._show(f"[{reference}]")
        reading = self._readings[passage.document]
        self.citations.append(cited(reading, passage.document, passage.name, *place, start, start + len(shown)))
        return shown

    def _show(self, text: str) -> str:
        if not self.content:
            text = text.lstrip()
        self.content += text
        return text
