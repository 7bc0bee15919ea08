"""The rows of a printed table that a schema asks for: every line of an invoice, or a word on which are missing.

The heads of the table are found by the schema's column names and anchors; a row belongs to the column whose head it
stands under. A table goes on over pages, its heads repeated or not, until a row names a total. What may have been
lost is said (`Gap`): numbers missing in the row count, rows without an amount, and a sum that differs from the
printed total. Nothing is filled in.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from services.extract.anchors import FieldAnchors
from services.extract.layout import Segment, Sheet
from services.extract.lexicon import concepts_of, words_in
from services.extract.numbers import decimal_from, decimal_mark_of
from services.extract.schema import FieldSpec
from services.extract.values import normal_form

#: How well a head must name its column: 0.45 is half of a name's concepts (`FieldAnchors.match`).
_NAMED = 0.45
#: Rows that end a table, by what their first words mean.
_ENDS = frozenset({"total", "net", "tax", "due"})
#: A sum may differ from the printed total by the rounding of half a cent a row, and never by more than this.
_ROUNDING, _MOST_ROUNDING = Decimal("0.005"), Decimal("0.50")
#: So many missing numbers are named one by one.
_NAMED_GAPS = 20


@dataclass(frozen=True)
class Cell:
    """One cell: its normal form, and `text[start:end]`, where it is printed."""

    value: str
    start: int
    end: int


@dataclass(frozen=True)
class Row:
    """One line item on a page (1-based): cells by column name; a column that is empty there is not in it."""

    page: int
    cells: Mapping[str, Cell]


@dataclass(frozen=True)
class Gap:
    """Why rows may be missing; `code` is stable for programs: `rows_missing`, `row_unread` or `sum_differs`."""

    code: str
    message: str


def line_items_in(sheet: Sheet, columns: Sequence[FieldSpec]) -> list[Row]:
    """Every row of the table that has heads for at least two of `columns`, in order; [] where there is none."""
    mark = decimal_mark_of(sheet.text)
    heads: dict[str, tuple[float, float]] = {}
    rows: list[Row] = []
    ended = False
    for row in sheet.rows:
        segments = [sheet.segments[number] for number in row]
        found = _heads_in(sheet, segments, columns)
        if len(found) >= 2:
            heads, ended = found, False
        elif heads and not ended:
            if _ends_table(sheet, segments):
                ended = True
            elif (read := _row_of(sheet, segments, heads, columns, mark)) is not None:
                rows = _with(rows, read, columns)
    return rows


def gaps_in(rows: Sequence[Row], columns: Sequence[FieldSpec], totals: Sequence[str]) -> list[Gap]:
    """What says that rows are missing. `totals` are the document's totals, any of which the rows may add up to."""
    gaps = [*_uncounted(rows, columns)]
    amount = amount_column(columns)
    if amount is None or not rows:
        return gaps
    bare = [place for place, row in enumerate(rows, 1) if amount.name not in row.cells]
    if bare:
        gaps.append(Gap("row_unread", f"{_named(bare)} of the line items has no {amount.name} that could be read."))
    total = sum((Decimal(row.cells[amount.name].value) for row in rows if amount.name in row.cells), Decimal(0))
    allowed = min(_MOST_ROUNDING, max(Decimal("0.01"), _ROUNDING * len(rows)))
    stated = [Decimal(one) for one in totals]
    if stated and all(abs(total - one) > allowed for one in stated):
        shown = ", ".join(map(str, stated))
        gaps.append(Gap("sum_differs", f"{len(rows)} line items add up to {total}; the document states {shown}."))
    return gaps


def amount_column(columns: Sequence[FieldSpec]) -> FieldSpec | None:
    """The column that adds up: the last of type amount, as invoices print the unit price before the row's amount."""
    return next((column for column in reversed(columns) if column.type == "amount"), None)


def _heads_in(
    sheet: Sheet, segments: Sequence[Segment], columns: Sequence[FieldSpec]
) -> dict[str, tuple[float, float]]:
    """Column name to the left and right edge of its head, for the columns that this row names."""
    if any(_number(sheet, segment) is not None for segment in segments):
        return {}
    scored = [
        (score, -place, column.name)
        for column in columns
        for place, segment in enumerate(segments)
        if (score := FieldAnchors.of(column).match(_words(sheet, segment))) >= _NAMED
    ]
    heads: dict[str, tuple[float, float]] = {}
    taken: set[int] = set()
    for _, place, name in sorted(scored, reverse=True):
        if name not in heads and place not in taken:
            taken.add(place)
            box = segments[-place].box
            heads[name] = (box[0], box[2])
    return heads


def _ends_table(sheet: Sheet, segments: Sequence[Segment]) -> bool:
    """Whether a row names a total: few cells, of which the first that has letters is made of such words."""
    lettered = [segment for segment in segments if _number(sheet, segment) is None]
    return bool(lettered) and len(segments) <= 3 and bool(concepts_of(_words(sheet, lettered[0])[:3]) & _ENDS)


def _row_of(
    sheet: Sheet,
    segments: Sequence[Segment],
    heads: Mapping[str, tuple[float, float]],
    columns: Sequence[FieldSpec],
    mark: str | None,
) -> Row | None:
    """The row's cells by the heads they stand under; None where nothing stands under any."""
    by_name = {column.name: column for column in columns}
    cells: dict[str, Cell] = {}
    for segment in segments:
        for name in _columns_by_distance(segment, heads):
            start, end = sheet.tokens[segment.first].start, sheet.tokens[segment.last - 1].end
            value = normal_form(sheet.text[start:end], by_name[name], decimal_mark=mark)
            if value is not None and name not in cells:
                cells[name] = Cell(value, start, end)
                break
    return Row(segments[0].page + 1, cells) if cells else None


def _columns_by_distance(segment: Segment, heads: Mapping[str, tuple[float, float]]) -> Iterator[str]:
    """The columns that a cell could belong to, nearest first: those whose head is no further away than it is wide."""
    left, _, right, _ = segment.box
    distances = {name: max(0.0, left - head[1], head[0] - right) for name, head in heads.items()}
    middle = (left + right) / 2
    for name in sorted(distances, key=lambda one: (distances[one], abs(middle - sum(heads[one]) / 2))):
        if distances[name] <= max(60.0, right - left):
            yield name


def _with(rows: list[Row], read: Row, columns: Sequence[FieldSpec]) -> list[Row]:
    """`rows` and the one just read, which may be no more than the second line of a description."""
    texts = {column.name for column in columns if column.type in ("text", "party", "list")}
    if rows and set(read.cells) <= texts and rows[-1].page == read.page:
        joined = dict(rows[-1].cells)
        for name, cell in read.cells.items():
            before = joined.get(name)
            joined[name] = cell if before is None else Cell(f"{before.value} {cell.value}", before.start, before.end)
        return [*rows[:-1], Row(read.page, joined)]
    if set(read.cells) <= texts:
        return rows  # a sentence under the heads before any row
    rows.append(read)
    return rows


def _uncounted(rows: Sequence[Row], columns: Sequence[FieldSpec]) -> Iterator[Gap]:
    """The numbers that a counting column leaves out."""
    for column in columns:
        said = [row.cells[column.name].value for row in rows if column.name in row.cells]
        counts = [int(value) for value in said if value.isdigit()]
        # A column counts where it grows by one almost everywhere; prices and quantities do not.
        steps = sum(after - before == 1 for before, after in itertools.pairwise(counts))
        if len(counts) < 3 or steps < 0.8 * (len(counts) - 1):
            continue
        absent = sorted(set(range(1, max(counts) + 1)) - set(counts))
        if absent:
            yield Gap(
                "rows_missing", f"{_named(absent)} of the line items is not among the {len(rows)} that were read."
            )


def _named(numbers: Sequence[int]) -> str:
    listed = ", ".join(map(str, numbers[:_NAMED_GAPS]))
    more = f" and {len(numbers) - _NAMED_GAPS} more" if len(numbers) > _NAMED_GAPS else ""
    return f"Number {listed}{more}"


def _number(sheet: Sheet, segment: Segment) -> Decimal | None:
    words = _text(sheet, segment)
    return decimal_from(words) if any(map(str.isdigit, words)) else None


def _text(sheet: Sheet, segment: Segment) -> str:
    return sheet.text[sheet.tokens[segment.first].start : sheet.tokens[segment.last - 1].end]


def _words(sheet: Sheet, segment: Segment) -> list[str]:
    return words_in(_text(sheet, segment))
