"""Rows of a table in a text: its cells, and which words stand over and beside a cell.

Two kinds: cells parted by tabs, as readers write tables they recognised; and lines that end in figures, as tables look
in text whose columns are lost (`Net sales 1,200 757`). Of the second kind only figures are cells, and what stands
over them is known where a line of years fits.
"""

from __future__ import annotations

import re

#: A half-open pair of character offsets.
Span = tuple[int, int]

#: How many lines above a row are looked through for its columns' heads.
MOST_ROWS = 40
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
_DIGITS = re.compile(r"\d")
_WORD = re.compile(r"[^\W\d_]{3}|%")
_UNIT = re.compile(
    r"\b(?:EUR|USD|CHF|RMB|GBP|million|millions|thousands?|Mio|TEUR|restated|unaudited|audited)\b", re.IGNORECASE
)
_FIGURE = r"(?:\(?[-–−]?\(?(?:[$€£]|EUR|USD|CHF)? ?[-–−]?\(?\d[\d.,'’]*\)? ?%?\)?(?: ?€)?|(?:[$€£] ?)?[-–—])"
_FIGURES = re.compile(rf"(?:(?<=\s)|^){_FIGURE}(?=\s|$)")
_FLAT_ROW = re.compile(rf"^(?P<label>.*?[^\W\d_].*?)(?:\s\(\d\))?(?P<tail>(?:\s+{_FIGURE}){{2,8}})$")


def is_row(text: str, line: Span) -> bool:
    """Whether a line is a row of cells."""
    content = text[slice(*line)]
    return "\t" in content or ("\n" not in content and len(content) < 200 and _FLAT_ROW.match(content) is not None)


def cells(text: str, row: Span) -> list[Span]:
    """The cells of a row, its label first, without white space at their ends; an empty cell is an empty span."""
    content = text[slice(*row)]
    if "\t" not in content:
        flat = _FLAT_ROW.match(content)
        if flat is None:
            return [row]
        tail = [match.span() for match in _FIGURES.finditer(content, flat.start("tail"))]
        return [(row[0] + start, row[0] + end) for start, end in [flat.span("label"), *tail]]
    found = []
    start = row[0]
    for cell in content.split("\t"):
        stripped = cell.strip()
        begin = start + (len(cell) - len(cell.lstrip()))
        found.append((begin, begin + len(stripped)))
        start += len(cell) + 1
    return found


def heads(text: str, row: Span, column: int) -> str:
    """The words over a column (0 is the label's), the nearest last; "" where there are none or none is known."""
    columns = len(cells(text, row))
    tabbed = "\t" in text[slice(*row)]
    found: list[str] = []
    end = text.rfind("\n", 0, row[0])
    for _ in range(MOST_ROWS):
        if end < 0:
            break
        start = text.rfind("\n", 0, end) + 1
        line = text[start:end]
        end = start - 1
        if (tabbed and "\t" not in line) or not line.strip():
            break
        head = _tabbed_head(line, column) if tabbed else _year_over(line, column, columns)
        if head:
            found.append(head)
            if not tabbed:
                break
    return " ".join(reversed(found))


def _tabbed_head(line: str, column: int) -> str:
    """The cell over a column where it is words or a year; one that spans columns stands over the empty ones too."""
    split = [cell.strip() for cell in line.split("\t")]
    place = min(column, len(split) - 1)
    while place > 1 and not split[place]:
        place -= 1
    cell = split[place] if place > 0 else ""
    return cell if cell and (_YEAR.search(cell) or not _DIGITS.search(cell)) else ""


def _year_over(line: str, column: int, columns: int) -> str:
    """The year over a figure, where the line is one of years and they can be shared out among the figures.

    Words behind the last year (`2019 2018 Change`) head columns of their own, to the right of the years'.
    """
    years = list(_YEAR.finditer(line))
    figures = columns - 1
    if len(line) > 160 or column < 1 or len(years) < 2 or figures < len(years):
        return ""
    if _WORD.search(_UNIT.sub("", line[years[-1].end() :])):
        return years[column - 1].group() if column <= len(years) else ""
    return "" if figures % len(years) else years[(column - 1) * len(years) // figures].group()
