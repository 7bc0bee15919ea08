"""Pieces of a reading that are searched and quoted: whole sentences, on one page, with exact offsets."""

from __future__ import annotations

from dataclasses import dataclass

from services.chat.sentences import sentences
from services.chat.tabular import Span
from shared.documents import Page, Reading

#: A chunk is closed at the first paragraph's end after this many characters …
ENOUGH_CHARACTERS = 500
#: … and before this many in any case; about 250 word pieces, what the encoder looks at.
MOST_CHARACTERS = 1000
#: How many word pieces of a chunk its vector sees.
MOST_TOKENS = 256


@dataclass(frozen=True)
class Chunk:
    """`text[start:end]` of a reading, on one page; `number` counts from 0 within the document."""

    number: int
    page: int
    start: int
    end: int
    text: str


def chunks(reading: Reading) -> list[Chunk]:
    """The chunks of a reading in text order, disjoint; every sentence is in exactly one.

    A sentence longer than `MOST_CHARACTERS` (a table that lost its lines) is cut at white space. A reading
    without words has none.
    """
    made: list[Chunk] = []
    for page in reading.pages:
        for start, end in _groups(reading.text, _pieces(reading.text, page)):
            made.append(Chunk(len(made), page.number, start, end, reading.text[start:end]))
    return made


def _pieces(text: str, page: Page) -> list[Span]:
    pieces: list[Span] = []
    for start, end in sentences(text, page.start, page.end):
        while end - start > MOST_CHARACTERS:
            cut = max(
                text.rfind(" ", start + 1, start + MOST_CHARACTERS),
                text.rfind("\n", start + 1, start + MOST_CHARACTERS),
            )
            cut = cut if cut > start else start + MOST_CHARACTERS
            pieces.append((start, cut))
            start = cut + (len(text[cut:end]) - len(text[cut:end].lstrip()))
        if start < end:
            pieces.append((start, end))
    return pieces


def _groups(text: str, pieces: list[Span]) -> list[Span]:
    groups: list[Span] = []
    for start, end in pieces:
        if groups:
            begun, stop = groups[-1]
            full = end - begun > MOST_CHARACTERS
            rested = stop - begun >= ENOUGH_CHARACTERS and "\n" in text[stop:start]
            if not full and not rested:
                groups[-1] = (begun, end)
                continue
        groups.append((start, end))
    return groups
