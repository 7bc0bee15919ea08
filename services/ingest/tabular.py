"""Tables on a page, told from cells that stand under each other; rulings are not looked at.

A table is a run of rows in which at least two have three cells or more and the others fit under them. A row is one
printed line: the second line of a cell is a row of its own, in the same column.
"""

from __future__ import annotations

import bisect
import itertools

from services.ingest.composing import Line

_FEWEST_CELLS, _FEWEST_ROWS = 3, 2
#: So many lines of a single cell in a row end a table: the second and third line of a description do not.
_MOST_SINGLES = 2

Interval = tuple[float, float]


def mark_tables(lines: list[Line]) -> None:
    """Number the tables of a page: sets `table` and `columns` on the lines that are rows of one."""
    if sum(len(line.cells) >= _FEWEST_CELLS for line in lines) < _FEWEST_ROWS:
        return
    number = 0
    for run in _runs(lines):
        intervals = [_intervals(line) for line in run]
        columns = _columns(intervals)
        if len(columns) < _FEWEST_CELLS:
            continue
        lefts = [left for left, _ in columns]
        for line, cells in zip(run, intervals, strict=True):
            line.table = number
            line.columns = [_column_of(cell, columns, lefts) for cell in cells]
        number += 1


def _runs(lines: list[Line]) -> list[list[Line]]:
    """Maximal runs of lines with cells, with their single-cell lines in between, not at the ends."""
    runs: list[list[Line]] = []
    run: list[Line] = []
    singles: list[Line] = []
    for line in lines:
        if len(line.cells) > 1:
            run += [*singles, line]
            singles = []
        elif run:
            singles.append(line)
            if len(singles) > _MOST_SINGLES:
                runs.append(run)
                run, singles = [], []
    runs.append(run)
    return [run for run in runs if sum(len(line.cells) >= _FEWEST_CELLS for line in run) >= _FEWEST_ROWS]


def _intervals(line: Line) -> list[Interval]:
    """Left and right edge of each cell; its words stand in order."""
    bounds = [*line.cells, len(line.boxes)]
    return [(line.boxes[start][0], line.boxes[end - 1][2]) for start, end in itertools.pairwise(bounds)]


def _columns(rows: list[list[Interval]]) -> list[Interval]:
    """The columns of the rows with the most cells; cells that overlap from row to row are one column."""
    most = max(len(row) for row in rows)
    columns: list[Interval] = []
    for start, end in sorted(cell for row in rows if len(row) == most for cell in row):
        if columns and start < columns[-1][1]:
            columns[-1] = (columns[-1][0], max(columns[-1][1], end))
        else:
            columns.append((start, end))
    return columns


def _column_of(cell: Interval, columns: list[Interval], lefts: list[float]) -> int:
    """The column that the middle of the cell stands in; between two columns, the nearer one."""
    middle = (cell[0] + cell[1]) / 2
    place = bisect.bisect_right(lefts, middle) - 1
    if place + 1 < len(columns) and middle - columns[place][1] > columns[place + 1][0] - middle:
        return place + 1
    return max(place, 0)
