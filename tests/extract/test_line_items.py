"""The rows of a table: all of them over many pages, or a word on which are missing."""

from __future__ import annotations

from decimal import Decimal

import pytest

from services.extract.evaluate import reading_from_pages
from services.extract.extraction import extraction_of
from services.extract.layout import sheet_of
from services.extract.line_items import gaps_in, line_items_in
from services.extract.schema import FieldSpec, Schema

COLUMNS = (
    FieldSpec(name="position", type="identifier", anchors=("Pos.", "Nr.")),
    FieldSpec(name="description", type="text", anchors=("Bezeichnung", "Désignation")),
    FieldSpec(name="quantity", type="number", anchors=("Menge", "Quantité")),
    FieldSpec(name="amount", type="amount", anchors=("Betrag", "Montant")),
)
LEFT = (40, 90, 330, 480)
ROWS_A_PAGE = 40


@pytest.fixture
def long_invoice():
    """`long_invoice(count, leave_out=())`: a reading of that many rows, heads on the first page alone; its sum."""

    def make(count, leave_out=(), head_on_every_page=False):
        pages, words, total = [], [], Decimal(0)
        lines = [("Pos.", "Bezeichnung", "Menge", "Betrag")]
        for number in range(1, count + 1):
            price = Decimal(number % 97) + Decimal("0.25")
            total += price
            if number not in leave_out:
                lines.append((str(number), f"Ersatzteil {number % 13} für Tür", "2", f"{price:.2f}".replace(".", ",")))
        lines.append(("", "Gesamtbetrag", "", f"{total:.2f}".replace(".", ",")))
        for first in range(0, len(lines), ROWS_A_PAGE):
            shown = lines[first : first + ROWS_A_PAGE]
            if head_on_every_page and first:
                shown = [lines[0], *shown]
            words = [
                [cell, LEFT[column], 50 + 14 * row, LEFT[column] + 5 * len(cell), 60 + 14 * row]
                for row, line in enumerate(shown)
                for column, cell in enumerate(line)
                if cell
            ]
            pages.append({"width": 595, "height": 842, "words": words})
        return reading_from_pages(pages), total

    return make


@pytest.mark.parametrize("head_on_every_page", [True, False])
def test_an_invoice_of_1200_rows_gives_1200_rows(long_invoice, head_on_every_page):
    reading, total = long_invoice(1200, head_on_every_page=head_on_every_page)
    rows = line_items_in(sheet_of(reading), COLUMNS)
    assert [row.cells["position"].value for row in rows] == [str(number) for number in range(1, 1201)]
    assert sum(Decimal(row.cells["amount"].value) for row in rows) == total
    assert all(set(row.cells) == {column.name for column in COLUMNS} for row in rows)
    assert gaps_in(rows, COLUMNS, [str(total)]) == []
    for row in rows[:50]:
        for cell in row.cells.values():
            assert cell.value.split()[0].split(".")[0] in reading.text[cell.start : cell.end]


def test_rows_that_are_missing_are_named(long_invoice):
    reading, total = long_invoice(1200, leave_out={17, 901})
    rows = line_items_in(sheet_of(reading), COLUMNS)
    assert len(rows) == 1198
    gaps = {gap.code: gap.message for gap in gaps_in(rows, COLUMNS, [str(total)])}
    assert set(gaps) == {"rows_missing", "sum_differs"}
    assert "17, 901" in gaps["rows_missing"]
    assert str(total) in gaps["sum_differs"]


def test_a_row_whose_amount_cannot_be_read_shows_in_the_sum(page):
    reading = page(
        ["Bezeichnung", "Betrag"],
        ["Tür links", "120,50"],
        ["Spiegel", "l2O,xx"],
        ["Lack", "80,00"],
        ["Gesamt", "200,50"],
    )
    rows = line_items_in(sheet_of(reading), COLUMNS)
    assert [gap.code for gap in gaps_in(rows, COLUMNS, ["320.50"])] == ["sum_differs"]


def test_a_description_goes_on_below_and_a_total_ends_the_table(page):
    reading = page(
        ["Désignation", "Montant"],
        ["Pare-brise", "300,00"],
        ["avec capteur de pluie", ""],
        ["Main-d'oeuvre", "150,00"],
        ["Total", "450,00"],
        ["Merci de payer", "450,00"],
    )
    rows = line_items_in(sheet_of(reading), COLUMNS)
    assert [row.cells["amount"].value for row in rows] == ["300.00", "150.00"]
    assert rows[0].cells["description"].value == "Pare-brise avec capteur de pluie"


def test_a_document_without_such_a_table_has_no_rows(page):
    assert line_items_in(sheet_of(page("Dear Sir", ["Total", "12.00"])), COLUMNS) == []


def test_the_rows_come_with_the_values_and_a_gap_is_a_flag(page):
    reading = page(["Bezeichnung", "Betrag"], ["Tür links", "120,50"], ["Lack", "80,00"], ["Gesamtbetrag", "999,00"])
    schema = Schema(name="a", fields=(FieldSpec(name="total", type="amount"),), line_items=COLUMNS)
    found = extraction_of(reading, "doc", schema, None)
    assert len(found.rows) == 2
    assert [flag.code for flag in found.flags] == ["sum_differs"]
