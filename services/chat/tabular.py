"""Rows of tab-separated cells: which words stand over and beside a cell."""

from __future__ import annotations

import re

from services.chat.sentences import Span

#: How many lines above a row are looked through for its column's heads.
MOST_ROWS = 40
_YEAR = re.compile(r"(?:19|20)\d\d")
_DIGITS = re.compile(r"\d")


def cells(text: str, row: Span) -> list[Span]:
    """The cells of `text[row]` without white space at their ends; an empty cell is an empty span."""
    found = []
    start = row[0]
    for cell in text[slice(*row)].split("\t"):
        stripped = cell.strip()
        begin = start + (len(cell) - len(cell.lstrip()))
        found.append((begin, begin + len(stripped)))
        start += len(cell) + 1
    return found


def is_row(text: str, sentence: Span) -> bool:
    """Whether a sentence is a row of cells."""
    return "\t" in text[slice(*sentence)]


def heads(text: str, row: Span, column: int) -> str:
    """The words over a column, nearest line last; "" where there are none.

    Only lines with cells right above the row count, and there only cells that are words or years. A cell that spans
    several columns stands over those to its right that are empty.
    """
    found: list[str] = []
    end = text.rfind("\n", 0, row[0])
    for _ in range(MOST_ROWS):
        if end < 0:
            break
        start = text.rfind("\n", 0, end) + 1
        line = text[start:end]
        if "\t" not in line:
            break
        split = [cell.strip() for cell in line.split("\t")]
        place = min(column, len(split) - 1)
        while place > 1 and not split[place]:
            place -= 1
        cell = split[place] if place > 0 else ""
        if cell and (_YEAR.search(cell) or not _DIGITS.search(cell)):
            found.append(cell)
        end = start - 1
    return " ".join(reversed(found))
