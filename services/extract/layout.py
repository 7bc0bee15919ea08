"""A reading as a sheet: tokens, segments of a line, rows of segments, and who stands left of and above whom.

A token is a word or a piece of one ("Date:23.09." is three). A segment is a stretch of one printed line without
a wide gap: a table cell, a label, a line of prose. Where the format has no geometry, one is made up from line
breaks and columns of characters, so that everything downstream works the same.

Nothing here knows of fields or values.
"""

from __future__ import annotations

import bisect
import re
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field

from shared.documents import Box, Page, Reading, Word

#: A date is a piece of its own, so that the two of "01/28/20-02/02/20" have different neighbours.
_PIECES = re.compile(
    r"\d{1,4}(?P<mark>[./-])\d{1,2}(?P=mark)\d{2,4}(?!\d)"
    r"|[-–—](?=\d{1,2}[./-]\d)|[:=#|;()\[\]\"“”„«»]|[^\s:=#|;()\[\]\"“”„«»]+"
)
#: A gap wider than this many line heights ends a segment; a blank is about 0.3 of one.
_WIDE_GAP = 0.95
#: Made-up geometry for text without any, in points: a character's width and a line's height.
_CHARACTER_PT = 6.0
_LINE_PT = 12.0
#: How many rows up or down a neighbour may stand.
_ROWS_AWAY = 8


@dataclass(slots=True)
class Token:
    """`text[start:end]` with its box; `key` is for comparing: casefolded, edge punctuation off, digits as 0.

    `is_word`: it has a letter or a digit, and is no mere mark.
    """

    start: int
    end: int
    key: str
    box: Box
    page: int
    is_word: bool
    segment: int = -1


@dataclass(slots=True)
class Segment:
    """Tokens `first` (inclusive) to `last` (exclusive); `row` counts printed rows through the document."""

    first: int
    last: int
    page: int
    box: Box
    row: int = -1
    place_in_row: int = -1
    above: int | None = None
    below: int | None = None


@dataclass(slots=True)
class Sheet:
    """The laid-out document. `rows` holds segment numbers, left to right; `sizes` are those of pages, in points.

    `recognised` tells for each page whether OCR read it, and letters may be wrong.
    """

    text: str
    tokens: list[Token]
    segments: list[Segment]
    rows: list[list[int]]
    sizes: list[tuple[float, float]]
    page_ends: list[int]
    recognised: list[bool]
    has_boxes: bool
    starts: list[int] = field(default_factory=list)

    def tokens_of(self, start: int, end: int) -> tuple[int, int]:
        """The tokens that `text[start:end]` touches, as first (inclusive) and last (exclusive)."""
        first = bisect.bisect_right(self.starts, start) - 1
        if first < 0 or self.tokens[first].end <= start:
            first += 1
        return first, bisect.bisect_left(self.starts, end)

    def left_of(self, segment: int) -> int | None:
        """The segment before this one in its row, None for the first."""
        here = self.segments[segment]
        return self.rows[here.row][here.place_in_row - 1] if here.place_in_row > 0 else None

    def right_of(self, segment: int) -> int | None:
        """The segment after this one in its row, None for the last."""
        here = self.segments[segment]
        row = self.rows[here.row]
        return row[here.place_in_row + 1] if here.place_in_row + 1 < len(row) else None

    def words_of(self, segment: int) -> str:
        """The text of a segment."""
        here = self.segments[segment]
        return self.text[self.tokens[here.first].start : self.tokens[here.last - 1].end]


def sheet_of(reading: Reading) -> Sheet:
    """Lay `reading` out. An empty reading gives an empty sheet."""
    sheet = Sheet(
        text=reading.text,
        tokens=[],
        segments=[],
        rows=[],
        sizes=[],
        page_ends=[page.end for page in reading.pages],
        recognised=[page.source == "ocr" for page in reading.pages],
        has_boxes=any(word.box is not None for page in reading.pages for word in page.words[:50]),
    )
    for number, page in enumerate(reading.pages):
        tokens = list(_tokens(reading.text, page, number))
        first = len(sheet.tokens)
        sheet.tokens.extend(tokens)
        sheet.sizes.append(_size(page, tokens))
        height = _line_height(tokens)
        _add_segments(sheet, first, height)
    sheet.starts = [token.start for token in sheet.tokens]
    _add_neighbours(sheet)
    return sheet


def _tokens(text: str, page: Page, number: int) -> Iterator[Token]:
    line_start, line = page.start, 0
    for word in page.words:
        box = word.box
        if box is None:
            line += text.count("\n", line_start, word.start)
            line_start = max(line_start, text.rfind("\n", line_start, word.start) + 1)
            left = (word.start - line_start) * _CHARACTER_PT
            top = line * _LINE_PT
            box = (left, top, left + len(word.text) * _CHARACTER_PT, top + 0.8 * _LINE_PT)
        yield from _pieces(word, box, number)


def _pieces(word: Word, box: Box, page: int) -> Iterator[Token]:
    width = (box[2] - box[0]) / max(1, len(word.text))
    for piece in _PIECES.finditer(word.text):
        part = (box[0] + piece.start() * width, box[1], box[0] + piece.end() * width, box[3])
        key = key_of(piece.group())
        is_word = any(map(str.isalnum, key))
        yield Token(word.start + piece.start(), word.start + piece.end(), key, part, page, is_word)


def key_of(text: str) -> str:
    """How a token is compared: casefolded, edge punctuation off (a mark alone stays), every digit as 0."""
    bare = text.casefold().strip(".,!?'’*_-–")
    return re.sub(r"\d", "0", bare or text)


def _size(page: Page, tokens: list[Token]) -> tuple[float, float]:
    width = max([page.width, *(token.box[2] for token in tokens)]) or 1.0
    height = max([page.height, *(token.box[3] for token in tokens)]) or 1.0
    return width, height


def _line_height(tokens: list[Token]) -> float:
    return statistics.median([token.box[3] - token.box[1] for token in tokens]) if tokens else 1.0


def _add_segments(sheet: Sheet, first: int, line_height: float) -> None:
    """Cut the tokens of one page, from number `first`, into segments and those into rows."""
    tokens = sheet.tokens
    begin, page_segments = first, []
    for place in range(first, len(tokens) + 1):
        if place == len(tokens) or (place > first and _breaks(sheet.text, tokens, place, line_height)):
            if place > begin:
                page_segments.append(_segment(sheet, begin, place))
            begin = place
    _add_rows(sheet, page_segments)


def _breaks(text: str, tokens: list[Token], place: int, line_height: float) -> bool:
    before, here = tokens[place - 1], tokens[place]
    if before.end == here.start:
        return False
    gap = here.box[0] - before.box[2]
    overlap = min(before.box[3], here.box[3]) - max(before.box[1], here.box[1])
    smaller = min(before.box[3] - before.box[1], here.box[3] - here.box[1])
    height = max(line_height, smaller)
    return overlap < 0.4 * smaller or gap < -height or gap > _WIDE_GAP * height


def _segment(sheet: Sheet, first: int, last: int) -> int:
    boxes = [token.box for token in sheet.tokens[first:last]]
    hull = (
        min(box[0] for box in boxes),
        min(box[1] for box in boxes),
        max(box[2] for box in boxes),
        max(box[3] for box in boxes),
    )
    for token in sheet.tokens[first:last]:
        token.segment = len(sheet.segments)
    sheet.segments.append(Segment(first, last, sheet.tokens[first].page, hull))
    return len(sheet.segments) - 1


def _add_rows(sheet: Sheet, page_segments: list[int]) -> None:
    """Group the segments of one page that stand on one height."""
    segments = sheet.segments
    row: list[int] = []
    for number in sorted(page_segments, key=lambda each: (segments[each].box[1] + segments[each].box[3]) / 2):
        top, bottom = segments[number].box[1], segments[number].box[3]
        if row:
            band = segments[row[0]].box
            overlap = min(bottom, band[3]) - max(top, band[1])
            if overlap < 0.5 * min(bottom - top, band[3] - band[1]):
                _close_row(sheet, row)
                row = []
        row.append(number)
    if row:
        _close_row(sheet, row)


def _close_row(sheet: Sheet, row: list[int]) -> None:
    ordered = sorted(row, key=lambda each: sheet.segments[each].box[0])
    for place, number in enumerate(ordered):
        sheet.segments[number].row = len(sheet.rows)
        sheet.segments[number].place_in_row = place
    sheet.rows.append(ordered)


def _add_neighbours(sheet: Sheet) -> None:
    for row_number, row in enumerate(sheet.rows):
        for number in row:
            here = sheet.segments[number]
            above = _nearest(sheet, here, range(row_number - 1, max(-1, row_number - 1 - _ROWS_AWAY), -1))
            here.above = above
            below = range(row_number + 1, min(len(sheet.rows), row_number + 1 + _ROWS_AWAY))
            here.below = _nearest(sheet, here, below)


def _nearest(sheet: Sheet, here: Segment, rows: range) -> int | None:
    """The first segment of `rows` that overlaps `here` from the side; the one that overlaps most in its row."""
    for row in rows:
        best, most = None, 0.0
        for number in sheet.rows[row]:
            other = sheet.segments[number]
            if other.page != here.page:
                return None
            overlap = min(here.box[2], other.box[2]) - max(here.box[0], other.box[0])
            if overlap > most:
                best, most = number, overlap
        if best is not None:
            return best
    return None
