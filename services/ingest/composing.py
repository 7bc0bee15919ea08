"""From lines of words to the one clean text: offsets, hyphenation over line ends, page spans.

What arrives here is already in reading order; what leaves is a `Reading` whose `check()` holds. Text layout:
words of a line are parted by a blank, cells of a row by a tab, lines by a newline, paragraphs and pages by two.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterable
from itertools import accumulate, pairwise, repeat

import msgspec

from shared.documents import Box, Cell, Page, PageSource, Table, Word

_HYPHENS = ("-", "\u2010")
#: A hyphen before one of these belongs to a shortened compound: "An- und Verkauf".
_CONJUNCTIONS = frozenset(["und", "oder", "bzw.", "sowie", "et", "ou", "and", "or", "an", "oder", "bis", "to"])


class Line(msgspec.Struct, gc=False):
    """One printed line in reading order.

    `boxes` has one box per word, or is empty where the format has no geometry. `cells` holds the index of the
    first word of each cell (always starts with 0). `gap` asks for a blank line before this one. `table` numbers
    the table of its page that the line is a row of, None outside of tables.
    """

    words: list[str]
    boxes: list[Box]
    cells: list[int]
    gap: bool = False
    table: int | None = None
    columns: list[int] = []


class PageDraft(msgspec.Struct, gc=False):
    """One page before its place in the text is known; `lines` are in reading order."""

    number: int
    width: float
    height: float
    lines: list[Line]
    source: PageSource = "text"
    quality: float | None = None


class Composed(msgspec.Struct):
    """The text with its pages; `spans[i][j]` is `[start, end)` of line j on page i; tables as far as marked."""

    text: str
    pages: list[Page]
    spans: list[list[tuple[int, int]]]
    tables: list[Table]


def compose(drafts: list[PageDraft]) -> Composed:
    """Put the pages into one text. Every word and box of the drafts is kept; only line-end hyphens go."""
    joined = _Hyphens(drafts)
    parts: list[str] = []
    pages: list[Page] = []
    spans: list[list[tuple[int, int]]] = []
    tables: list[Table] = []
    cursor = 0
    for draft in drafts:
        if parts:
            parts.append("\n\n")
            cursor += 2
        start = cursor
        words: list[Word] = []
        page_spans: list[tuple[int, int]] = []
        touching = True
        cells: dict[int, list[Cell]] = {}
        for index, line in enumerate(draft.lines):
            if not touching:
                separator = "\n\n" if line.gap else "\n"
                parts.append(separator)
                cursor += len(separator)
            touching = joined.over_line_end(draft, index)
            first = len(words)
            line_start = cursor
            cursor = _append(line, parts, words, cursor)
            page_spans.append((line_start, cursor))
            if line.table is not None:
                cells.setdefault(line.table, []).extend(_cells(line, words, first, cells.get(line.table)))
        pages.append(Page(draft.number, draft.width, draft.height, start, cursor, words, draft.source, draft.quality))
        spans.append(page_spans)
        tables.extend(Table(draft.number, _hull(found, words), found) for found in cells.values())
    return Composed("".join(parts), pages, spans, tables)


def _append(line: Line, parts: list[str], words: list[Word], cursor: int) -> int:
    """Append the line's words; returns the offset behind the last one."""
    boxes: Iterable[Box | None] = line.boxes or repeat(None)
    starts = list(accumulate([len(text) + 1 for text in line.words], initial=cursor))
    words.extend(map(Word, line.words, boxes, starts, [start - 1 for start in starts[1:]]))
    if len(line.cells) > 1:
        bounds = pairwise([*line.cells, len(line.words)])
        parts.append("\t".join([" ".join(line.words[first:last]) for first, last in bounds]))
    else:
        parts.append(" ".join(line.words))
    return starts[-1] - 1


def _cells(line: Line, words: list[Word], first: int, before: list[Cell] | None) -> list[Cell]:
    """The cells of one row, numbered after the rows before it; its words are `words[first:]`."""
    row = before[-1].row + 1 if before else 0
    columns = line.columns or range(len(line.cells))
    bounds = pairwise([*line.cells, len(line.words)])
    return [
        Cell(row, column, words[first + start].start, words[first + end - 1].end)
        for column, (start, end) in zip(columns, bounds, strict=True)
    ]


def _hull(cells: list[Cell], words: list[Word]) -> Box | None:
    first = bisect.bisect_left(words, cells[0].start, key=lambda word: word.start)
    last = bisect.bisect_right(words, cells[-1].end, key=lambda word: word.end)
    boxes = [word.box for word in words[first:last] if word.box is not None]
    if not boxes:
        return None
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return (min(lefts), min(tops), max(rights), max(bottoms))


class _Hyphens:
    """Decides which line-end hyphens split a word. Removes the hyphen in place when it did.

    A hyphen goes when the next line goes on in lower case, unless the document writes that word with a hyphen
    elsewhere. It stays, without a blank behind it, before a capital or a digit ("Saint-" + "Martin").
    """

    def __init__(self, drafts: list[PageDraft]) -> None:
        self._drafts = drafts
        self._written: set[str] | None = None

    def over_line_end(self, draft: PageDraft, index: int) -> bool:
        """Whether line `index` goes on in the next line with no blank between; drops its hyphen if it must go."""
        line = draft.lines[index]
        if not line.words[-1].endswith(_HYPHENS) or index + 1 == len(draft.lines):
            return False
        following = draft.lines[index + 1]
        last, first = line.words[-1], following.words[0]
        if len(line.cells) > 1 or len(following.cells) > 1 or following.gap or len(last) < 3:
            return False
        if not last[-2].isalnum() or not first[0].isalnum() or first.lower() in _CONJUNCTIONS:
            return False
        if first[0].islower() and last[-2].isalpha() and not self._keeps_hyphen(last[:-1], first):
            line.words[-1] = last[:-1]
        return True

    def _keeps_hyphen(self, left: str, right: str) -> bool:
        if "-" in left:
            return True
        if self._written is None:
            self._written = {
                word.strip(".,;:()").casefold()
                for draft in self._drafts
                for line in draft.lines
                for word in line.words
                if "-" in word[1:-1]
            }
        return f"{left}-{right}".strip(".,;:()").casefold() in self._written


def words_in(text: str, start: int = 0, end: int | None = None) -> list[Word]:
    """The words of `text[start:end]`, parted by white space, without geometry; offsets are into `text`."""
    stop = len(text) if end is None else end
    return [Word(m.group(), None, m.start(), m.end()) for m in _WORD.finditer(text, start, stop)]


_WORD = re.compile(r"\S+")
