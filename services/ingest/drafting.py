"""Writing the clean text of formats without geometry: lines, table rows and their roles, page by page.

A reader calls `line`, `row` and `page` in document order; `reading` closes the books. Text is repaired on the
way in, so every offset is an offset into the final text.
"""

from __future__ import annotations

from services.ingest.cleaning import clean_text
from services.ingest.composing import words_in
from services.ingest.limits import Limits, too_large
from shared.documents import Cell, Embedded, Mark, MarkKind, Page, Reading, Table


class Draft:
    """The text so far. A format without pages never calls `page` and comes out as one page."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._parts: list[str] = []
        self._length = 0
        self._starts: list[int] = [0]
        self._ends: list[int] = []
        self._marks: list[Mark] = []
        self._tables: list[Table] = []
        self._rows: list[list[Cell]] | None = None

    def line(self, text: str, mark: MarkKind | None = None) -> None:
        """Add a paragraph; line breaks inside it stay. Nothing is added where nothing can be seen."""
        cleaned = clean_text(text).strip("\n \t\f")
        if not cleaned:
            return
        start = self._add(cleaned)
        if mark is not None:
            self._marks.append(Mark(mark, start, self._length))

    def blank(self) -> None:
        """Part paragraphs by an empty line."""
        if self._parts and self._length > self._starts[-1] and not self._parts[-1].endswith("\n\n"):
            self._parts.append("\n")
            self._length += 1

    def row(self, cells: list[str]) -> None:
        """Add a table row; inside `open_table` and `close_table` its cells are kept as a table."""
        cleaned = [" ".join(clean_text(cell).split()) for cell in cells]
        if not any(cleaned):
            return
        last = max(index for index, cell in enumerate(cleaned) if cell)
        cursor = self._add("\t".join(cleaned[: last + 1]))
        if self._rows is None:
            return
        found = []
        for column, cell in enumerate(cleaned[: last + 1]):
            found.append(Cell(len(self._rows), column, cursor, cursor + len(cell)))
            cursor += len(cell) + 1
        self._rows.append(found)

    def open_table(self) -> None:
        """Rows from here to `close_table` are one table."""
        self._rows = []

    def close_table(self) -> None:
        """End the table; one of a single cell is a box drawn around text, not a table."""
        if self._rows and sum(map(len, self._rows)) > 1:
            cells = [cell for row in self._rows for cell in row]
            self._tables.append(Table(len(self._starts), None, cells))
        self._rows = None

    def page(self) -> None:
        """Begin a new page; before the first line it changes nothing."""
        if not self._parts:
            return
        self._ends.append(self._length)
        self._parts.append("\n\n")
        self._length += 2
        self._starts.append(self._length)

    def _add(self, cleaned: str) -> int:
        """Append on a line of its own; returns where it starts."""
        if self._length > self._starts[-1]:
            self._parts.append("\n")
            self._length += 1
        start = self._length
        self._parts.append(cleaned)
        self._length += len(cleaned)
        if self._length > self._limits.characters:
            raise too_large("characters", self._length, self._limits.characters)
        return start

    def reading(
        self, media_type: str, embedded: list[Embedded] | None = None, notes: list[str] | None = None
    ) -> Reading:
        """The finished reading, without a language yet."""
        text = "".join(self._parts)
        ends = [*self._ends, len(text)]
        pages = [
            Page(number, 0.0, 0.0, start, end, words_in(text, start, end), "text" if start < end else "none")
            for number, (start, end) in enumerate(zip(self._starts, ends, strict=True), start=1)
        ]
        return Reading(text, pages, media_type, None, self._marks, self._tables, embedded or [], notes or [])
