"""Tables as their author made them: rows of several printed lines in one, and a table that goes on over the page.

A reading holds tables as they are printed: one row a line, one table a page. What is put together here is only shown;
the reading, and every offset in it, stays as it is.
"""

from __future__ import annotations

import bisect
import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from statistics import median, mode

import msgspec

from shared.documents import Box, Cell, Page, Reading, Table, Word

#: Words that may stand between the halves of a table, besides running headers and footers: "carried forward: 120.00".
_WORDS_BETWEEN = 15
#: With the same header again, the letterhead of a second page may be longer.
_WORDS_BETWEEN_HEADERS = 60
#: Columns of one table stand at the same place on both pages.
_SAME_EDGE_PT = 4.0
#: A table that has its total is over.
_TOTAL = re.compile(r"\s*(?:total|totaux|montant total|summe|gesamt|endbetrag)", re.IGNORECASE)
_YEAR = re.compile(r"(?:19|20)\d\d")
#: A blank between two words, in heights of the line.
_BLANK = 0.3
#: Lines of one cell stand closer than this share of the usual distance of rows, or begin in lower case.
_CLOSER = 0.85
#: Letters of a line that may go on in the next one.
_LETTERS = 12


class WholeCell(msgspec.Struct):
    """A cell; `spans` are `[start, end)` in the text, one for each printed piece of it, `pages` the page of each.

    No two cells of a table have the same row and column.
    """

    row: int
    column: int
    spans: list[tuple[int, int]]
    pages: list[int]


class WholeTable(msgspec.Struct):
    """A table; `parts` are page and box of each of its pieces, top to bottom."""

    parts: list[tuple[int, Box | None]]
    cells: list[WholeCell]


class _Piece(msgspec.Struct):
    """A table on its page: its cells by row, the words of each cell by its start."""

    table: Table
    page: Page
    rows: list[list[Cell]]

    def words(self, cell: Cell) -> list[Word]:
        first = bisect.bisect_left(self.page.words, cell.start, key=lambda word: word.start)
        return list(itertools.takewhile(lambda word: word.end <= cell.end, self.page.words[first:]))

    def columns(self) -> dict[int, tuple[float, float]]:
        """Left and right edge of each column; {} without geometry."""
        edges: defaultdict[int, list[Box]] = defaultdict(list)
        for cell in self.table.cells:
            edges[cell.column] += [word.box for word in self.words(cell) if word.box is not None]
        return {
            column: (min(box[0] for box in boxes), max(box[2] for box in boxes))
            for column, boxes in edges.items()
            if boxes
        }

    def pitch(self) -> float:
        """The usual distance in points from a line of several cells to the next, 0.0 where that cannot be told."""
        tops = [box[1] if (box := self.words(row[0])[0].box) else 0.0 for row in self.rows]
        together = [len(one) > 1 and len(other) > 1 for one, other in itertools.pairwise(self.rows)]
        steps = [below - above for above, below in itertools.compress(itertools.pairwise(tops), together)]
        return median(steps) if steps else 0.0


def whole_tables(reading: Reading) -> list[WholeTable]:
    """Every table of the reading, in text order."""
    pages = {page.number: page for page in reading.pages}
    pieces = [_Piece(table, pages[table.page], _rows(table.cells)) for table in reading.tables if table.cells]
    whole: list[WholeTable] = []
    for place, piece in enumerate(pieces):
        rows = list(_joined_lines(piece))
        before = pieces[place - 1] if place else None
        if before is None or not _goes_on(reading, before, piece):
            whole.append(WholeTable([], []))
        elif _same_header(reading.text, before, piece):
            rows = rows[1:]
        whole[-1].parts.append((piece.table.page, piece.table.box))
        _append(whole[-1], rows, piece.table.page)
    return whole


def _rows(cells: Iterable[Cell]) -> list[list[Cell]]:
    return [list(row) for _, row in itertools.groupby(cells, key=lambda cell: cell.row)]


def _append(table: WholeTable, rows: list[list[list[Cell]]], page: int) -> None:
    first = table.cells[-1].row + 1 if table.cells else 0
    for number, row in enumerate(rows, start=first):
        for lines in row:
            spans = [(line.start, line.end) for line in lines]
            table.cells.append(WholeCell(number, lines[0].column, spans, [page] * len(spans)))


def _joined_lines(piece: _Piece) -> Iterator[list[list[Cell]]]:
    """Rows of cells of printed lines: a line that goes on in the cells above it belongs to their row."""
    columns, pitch = piece.columns(), piece.pitch()
    row: dict[int, list[Cell]] = {}
    for printed in piece.rows:
        if row and columns and _wrapped(piece, row, printed, columns, pitch):
            for cell in printed:
                row[cell.column].append(cell)
            continue
        if row:
            yield [row[column] for column in sorted(row)]
        row = {}
        for cell in printed:
            row.setdefault(cell.column, []).append(cell)
    if row:
        yield [row[column] for column in sorted(row)]


def _wrapped(
    piece: _Piece,
    row: dict[int, list[Cell]],
    printed: list[Cell],
    columns: dict[int, tuple[float, float]],
    pitch: float,
) -> bool:
    """Whether each cell of the printed line goes on from the one above: its first word had no room there.

    A heading between rows may have had no room either: it stands as far away as a row does, and has a capital.
    """
    if len(printed) >= len(row) or not all(cell.column in row for cell in printed):
        return False
    for cell in printed:
        upper, below = piece.words(row[cell.column][-1]), piece.words(cell)[0]
        above = upper[-1].box
        if above is None or below.box is None or not below.text[0].isalpha() or not _is_prose(upper):
            return False
        height = above[3] - above[1]
        distance = below.box[1] - above[1]
        if distance > _CLOSER * pitch and not (below.text[0].islower() and distance < 2 * height):
            return False
        if above[2] + _BLANK * height + below.box[2] - below.box[0] <= columns[cell.column][1]:
            return False
    return True


def _is_prose(words: list[Word]) -> bool:
    """Whether these are words that may go on in the next line, not a number, a unit or a code."""
    letters = sum(character.isalpha() for word in words for character in word.text)
    return letters >= _LETTERS and letters > 0.6 * sum(len(word.text) for word in words)


def _goes_on(reading: Reading, before: _Piece, piece: _Piece) -> bool:
    """Whether `piece`, the first table of its page, goes on from `before`, the last one of the page before."""
    if piece.page.number != before.page.number + 1:
        return False
    between = _words_outside_of_marks(reading, before.page, before.table.cells[-1].end, before.page.end)
    between += _words_outside_of_marks(reading, piece.page, piece.page.start, piece.table.cells[0].start)
    if _TOTAL.match(reading.text, before.rows[-1][0].start):
        return False
    if _same_header(reading.text, before, piece):
        return between <= _WORDS_BETWEEN_HEADERS
    return (
        between <= _WORDS_BETWEEN
        and _same_columns(before.columns(), piece.columns())
        and _like_its_rows(reading.text, before, piece.rows[0])
    )


def _words_outside_of_marks(reading: Reading, page: Page, start: int, end: int) -> int:
    edges = [mark for mark in reading.marks if mark.kind in ("header", "footer")]
    return sum(
        start <= word.start < end and not any(mark.start <= word.start < mark.end for mark in edges)
        for word in page.words
    )


def _same_header(text: str, before: _Piece, piece: _Piece) -> bool:
    """Whether both begin with the same row of words, three at least: "2024 2023" stands above any statement."""
    one, other = (
        [(cell.column, text[cell.start : cell.end].casefold()) for cell in part.rows[0]] for part in (before, piece)
    )
    return len(one) > 2 and one == other and all(_kind(words) == "words" for _, words in one)


def _same_columns(one: dict[int, tuple[float, float]], other: dict[int, tuple[float, float]]) -> bool:
    """Whether they have the same columns, set at the same left or right edge."""
    return (
        bool(one)
        and one.keys() == other.keys()
        and all(min(abs(one[column][edge] - other[column][edge]) for edge in (0, 1)) <= _SAME_EDGE_PT for column in one)
    )


def _like_its_rows(text: str, before: _Piece, row: list[Cell]) -> bool:
    """Whether a row has numbers and words where the rows of the table before have them: a header has not.

    Statements printed one after the other share their columns, and each begins with its own header.
    """
    kinds: defaultdict[int, list[str]] = defaultdict(list)
    for cell in itertools.chain.from_iterable(before.rows[1:]):
        kinds[cell.column].append(_kind(text[cell.start : cell.end]))
    usual = {column: mode(found) for column, found in kinds.items() if len(found) >= 0.6 * (len(before.rows) - 1)}
    found = {cell.column: _kind(text[cell.start : cell.end]) for cell in row}
    return len(usual) > 1 and all(found.get(column) == kind for column, kind in usual.items())


def _kind(words: str) -> str:
    if _YEAR.fullmatch(words):
        return "year"
    return "number" if 2 * sum(map(str.isdigit, words)) > sum(map(str.isalnum, words)) else "words"
