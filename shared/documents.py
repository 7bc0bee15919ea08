"""The document model: what a reading is, and how a statement points back at the page.

A reading is one clean text plus pages of words. Offsets are Python string offsets (code points) into that
text, half open `[start, end)`. Boxes are in PDF points (1/72 inch) from the page's top left corner after
rotation and cropping, `(x0, y0, x1, y1)` with x0 <= x1 and y0 <= y1. Two things always hold, and
`Reading.check` proves them: `word.text == text[word.start:word.end]`, and words of one reading do not overlap
and come in text order.

This module does not read files, draw pages or talk to the store.
"""

from __future__ import annotations

import bisect
import zlib
from collections.abc import Iterator
from typing import Literal

import msgspec
from pydantic import BaseModel, ConfigDict

#: `(x0, y0, x1, y1)` in points, origin top left.
Box = tuple[float, float, float, float]

PageSource = Literal["text", "ocr", "none"]
MarkKind = Literal[
    "header", "footer", "heading", "list", "footnote", "signature", "disclaimer", "quoted_reply", "key_value"
]


class Word(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One word, or one piece of a word that was broken over two lines (then the pieces touch: no space between).

    `box` is None where the format has no geometry (TXT, e-mail body, DOCX without a renderer).
    """

    text: str
    box: Box | None
    start: int
    end: int


class Page(msgspec.Struct, frozen=True):
    """One page; `text[start:end]` of the reading is its text. A format without pages is one page.

    `width` and `height` are in points, after rotation (0 where there is no geometry). `source` says where the
    words came from. `quality` is the mean OCR word confidence in 0..1, None where nothing was recognised
    by OCR. `number` is 1-based. `language` is ISO 639-1: that of the document, unless the page clearly speaks another.
    """

    number: int
    width: float
    height: float
    start: int
    end: int
    words: list[Word]
    source: PageSource = "text"
    quality: float | None = None
    language: str | None = None


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """A stretch of text with a role: marked, never deleted."""

    kind: MarkKind
    start: int
    end: int


class Cell(msgspec.Struct, frozen=True, array_like=True):
    """One table cell; `row` and `column` are 0-based, `text[start:end]` its content (empty where start == end)."""

    row: int
    column: int
    start: int
    end: int


class Table(msgspec.Struct, frozen=True):
    """A table on one page; `box` is None where the format has no geometry."""

    page: int
    box: Box | None
    cells: list[Cell]


class Embedded(msgspec.Struct, frozen=True):
    """Structured content carried inside the file, kept apart from the printed text.

    `kind`: "cii" or "ubl" (e-invoice XML, in `content`), "pdf_form" or "mail_headers" or "docx_controls"
    (name to value, in `values`).
    """

    kind: Literal["cii", "ubl", "pdf_form", "mail_headers", "docx_controls"]
    content: str = ""
    values: dict[str, str] = {}


class Reading(msgspec.Struct, frozen=True):
    """All that was read from one document.

    `language` is ISO 639-1 of the whole text, None where there is too little text to tell.
    `notes` are sentences about what could not be read as well as one would wish.
    """

    text: str
    pages: list[Page]
    media_type: str
    language: str | None = None
    marks: list[Mark] = []
    tables: list[Table] = []
    embedded: list[Embedded] = []
    notes: list[str] = []

    def words(self) -> Iterator[Word]:
        """Every word in text order."""
        for page in self.pages:
            yield from page.words

    def page_at(self, offset: int) -> Page:
        """The page that holds `offset`, 0 <= offset <= len(text); raises ValueError outside of that."""
        if not 0 <= offset <= len(self.text) or not self.pages:
            raise ValueError(f"offset {offset} is outside of a text of {len(self.text)} characters")
        place = bisect.bisect_right([page.start for page in self.pages], offset) - 1
        return self.pages[max(place, 0)]

    def check(self) -> None:
        """Raise ValueError, naming the word, where an invariant of the model does not hold."""
        cursor = 0
        for page in self.pages:
            if not cursor <= page.start <= page.end <= len(self.text):
                raise ValueError(f"page {page.number} spans {page.start}:{page.end}, text before ends at {cursor}")
            for word in page.words:
                if self.text[word.start : word.end] != word.text or not word.text:
                    raise ValueError(f"page {page.number}: word {word.text!r} is not text[{word.start}:{word.end}]")
                if word.start < cursor or word.end > page.end or word.start < page.start:
                    raise ValueError(f"page {page.number}: word {word.text!r} at {word.start} is out of order")
                cursor = word.end
            cursor = page.end


class Evidence(BaseModel):
    """Where a statement stands: `quote == text[start:end]` of that document's reading, always.

    `page` is 1-based. `boxes` has one box per line of the quote; empty where the format has no geometry.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    document: str
    page: int
    boxes: list[Box]
    start: int
    end: int
    quote: str


def evidence_for(reading: Reading, document: str, start: int, end: int) -> Evidence:
    """The evidence for `text[start:end]`, with one box per printed line.

    Raises ValueError where the span is empty, outside of the text, or crosses a page: a caller that quotes
    over a page break makes two statements.
    """
    if not 0 <= start < end <= len(reading.text):
        raise ValueError(f"span {start}:{end} is empty or outside of a text of {len(reading.text)} characters")
    page = reading.page_at(start)
    if end > page.end:
        raise ValueError(f"span {start}:{end} leaves page {page.number}, which ends at {page.end}")
    first = bisect.bisect_right(page.words, start, key=lambda word: word.end)
    boxes: list[Box] = []
    for word in page.words[first:]:
        if word.start >= end:
            break
        if word.box is not None:
            _join(boxes, word.box)
    return Evidence(
        document=document, page=page.number, boxes=boxes, start=start, end=end, quote=reading.text[start:end]
    )


def _join(boxes: list[Box], box: Box) -> None:
    """Grow the last box by `box` where both stand on one line, else begin a new one."""
    if boxes:
        x0, y0, x1, y1 = boxes[-1]
        overlap = min(y1, box[3]) - max(y0, box[1])
        if overlap > 0.5 * min(y1 - y0, box[3] - box[1]) and box[0] >= x0 - 1:
            boxes[-1] = (x0, min(y0, box[1]), max(x1, box[2]), max(y1, box[3]))
            return
    boxes.append(box)


_decoder = msgspec.json.Decoder(Reading)


def encode(reading: Reading) -> bytes:
    """The reading as compressed JSON, for the store. Equal readings give equal bytes."""
    return zlib.compress(msgspec.json.encode(reading), level=1)


def decode(stored: bytes) -> Reading:
    """The inverse of `encode`; raises ValueError on anything else."""
    try:
        return _decoder.decode(zlib.decompress(stored))
    except (zlib.error, msgspec.DecodeError) as wrong:
        raise ValueError(f"these {len(stored)} bytes are not a reading: {wrong}") from wrong
