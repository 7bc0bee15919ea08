"""Tables as their author made them: over page breaks, with cells of several lines."""

from __future__ import annotations

import pytest

from services.ingest.whole_tables import whole_tables

HEADER = ("Date", "Description of the work", "Amount")
COLUMNS = (60, 150, 420)


@pytest.fixture
def tables(printed, reads):
    """Prints pages of rows of cells at the given heights; the tables, each a list of rows of texts."""

    def read(*pages: list[tuple[float, tuple[str, ...]]]) -> list[list[list[str]]]:
        lines = [
            [(x, y, cell) for y, row in page for x, cell in zip(COLUMNS, row, strict=False) if cell] for page in pages
        ]
        reading = reads(printed(*lines), "a.pdf").reading
        shown = []
        for table in whole_tables(reading):
            rows: dict[int, list[str]] = {}
            for cell in table.cells:
                rows.setdefault(cell.row, []).append(" ".join(reading.text[start:end] for start, end in cell.spans))
            shown.append(list(rows.values()))
        return shown

    return read


def rows(first: int, count: int, top: float = 120) -> list[tuple[float, tuple[str, ...]]]:
    return [
        (top + 20 * place, (f"0{place + 1}.03.2025", f"Work number {first + place}", f"{first + place}0,00"))
        for place in range(count)
    ]


def test_a_table_goes_on_over_the_page_and_its_header_is_told_once(tables):
    (table,) = tables([(100, HEADER), *rows(1, 5)], [(100, HEADER), *rows(6, 3)])
    assert table[0] == list(HEADER)
    assert [row[1] for row in table[1:]] == [f"Work number {number}" for number in range(1, 9)]


def test_a_table_without_a_second_header_goes_on_where_its_columns_do(tables):
    (table,) = tables([(100, HEADER), *rows(1, 5)], rows(6, 3, top=80))
    assert len(table) == 9


def test_a_table_after_a_text_is_another_table(tables):
    text = [
        (60 + 15 * line, ("Please note that our prices have changed since the last of our letters",))
        for line in range(3)
    ]
    found = tables([(100, HEADER), *rows(1, 5)], [*text, *rows(6, 3, top=200)])
    assert len(found) == 2


def test_a_cell_of_two_lines_is_one_cell(tables):
    long = [
        (140, ("03.03.2025", "Replacing the glass of the large", "120,00")),
        (153, ("", "window in the kitchen", "")),
        (173, ("04.03.2025", "Cleaning", "30,00")),
    ]
    (table,) = tables([(100, HEADER), (120, ("02.03.2025", "Coming to look at the damage", "60,00")), *long])
    assert table[2] == ["03.03.2025", "Replacing the glass of the large window in the kitchen", "120,00"]
    assert len(table) == 4


def test_a_heading_between_rows_is_a_row_of_its_own(tables):
    page = [(100, HEADER), *rows(1, 2), (160, ("", "Materials", "")), *rows(3, 2, top=173)]
    (table,) = tables(page)
    assert [len(row) for row in table] == [3, 3, 3, 1, 3, 3]
