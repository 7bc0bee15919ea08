"""Sheets: tokens, segments, rows and neighbours."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.extract.layout import sheet_of
from shared.documents import Page, Reading, Word


def _texts(sheet, row):
    return [sheet.words_of(number) for number in sheet.rows[row]]


def test_a_wide_gap_divides_a_line_into_cells(page):
    sheet = sheet_of(page(["Invoice number", "4711"], "Some prose on a line of its own"))
    assert _texts(sheet, 0) == ["Invoice number", "4711"]
    assert _texts(sheet, 1) == ["Some prose on a line of its own"]


def test_a_cell_knows_its_neighbours(page):
    sheet = sheet_of(page(["Net", "Tax"], ["10.00", "1.90"]))
    net, tax, ten, tax_paid = (
        next(number for number in range(4) if sheet.words_of(number) == words)
        for words in ("Net", "Tax", "10.00", "1.90")
    )
    assert sheet.segments[tax_paid].above == tax
    assert sheet.segments[net].below == ten
    assert (sheet.left_of(tax_paid), sheet.right_of(ten), sheet.left_of(ten)) == (ten, tax_paid, None)


def test_two_dates_of_one_word_are_two_tokens():
    text = "01/28/20-02/02/20"
    reading = Reading(text, [Page(1, 0, 0, 0, len(text), [Word(text, None, 0, len(text))])], "text/plain")
    assert [text[token.start : token.end] for token in sheet_of(reading).tokens] == ["01/28/20", "-", "02/02/20"]


def test_text_without_boxes_has_lines_too():
    text = "Total:   12.50\nThank you"
    words = [Word("Total:", None, 0, 6), Word("12.50", None, 9, 14), Word("Thank", None, 15, 20)]
    sheet = sheet_of(Reading(text, [Page(1, 0, 0, 0, len(text), words)], "text/plain"))
    assert [_texts(sheet, row) for row in range(len(sheet.rows))] == [["Total:", "12.50"], ["Thank"]]


def test_an_empty_reading_is_an_empty_sheet():
    sheet = sheet_of(Reading("", [], "text/plain"))
    assert (sheet.tokens, sheet.segments, sheet.rows) == ([], [], [])


@given(st.lists(st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=12), max_size=12))
def test_tokens_cover_every_word_in_order_and_every_token_has_a_segment_in_a_row(words):
    text, placed = "", []
    for number, word in enumerate(words):
        box = (
            50.0 + 90 * (number % 4),
            50.0 + 15 * (number // 4),
            100.0 + 90 * (number % 4),
            60.0 + 15 * (number // 4),
        )
        placed.append(Word(word, box, len(text), len(text) + len(word)))
        text += word + " "
    sheet = sheet_of(Reading(text, [Page(1, 595, 842, 0, len(text), placed)], "text/plain"))
    assert "".join(text[token.start : token.end] for token in sheet.tokens) == "".join(words)
    for token in sheet.tokens:
        segment = sheet.segments[token.segment]
        assert token.segment in sheet.rows[segment.row]
        first, last = sheet.tokens_of(token.start, token.end)
        assert [sheet.tokens[first]] == sheet.tokens[first:last] == [token]
