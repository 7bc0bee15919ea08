"""Dates in French, German and English print."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.extract.candidates import candidates_in
from services.extract.date_order import settled
from services.extract.dates import date_from, dates_in
from services.extract.evaluate import reading_from_pages
from services.extract.layout import sheet_of

_FRENCH = "janvier février mars avril mai juin juillet août septembre octobre novembre décembre"
_GERMAN = "Januar Februar März April Mai Juni Juli August September Oktober November Dezember"
_ENGLISH = "January February March April May June July August September October November December"
_MONTHS = {"fr": _FRENCH.split(), "de": _GERMAN.split(), "en": _ENGLISH.split()}
_days = st.dates(datetime.date(1930, 1, 1), datetime.date(2069, 12, 31))


def _prints(day: datetime.date) -> list[str]:
    french = f"{'1er' if day.day == 1 else day.day} {_MONTHS['fr'][day.month - 1]} {day.year}"
    german = f"{day.day}. {_MONTHS['de'][day.month - 1]} {day.year}"
    english = f"{_MONTHS['en'][day.month - 1]} {day.day}, {day.year}"
    numeric = [f"{day:%d.%m.%Y}", f"{day:%d/%m/%Y}", f"{day.day}.{day.month}.{day.year}", f"{day:%d-%b-%Y}"]
    return [french, german, english, day.isoformat(), f"{day:%Y%m%d}" if day.year > 1900 else day.isoformat(), *numeric]


@given(_days)
def test_every_way_to_print_a_day_gives_the_day(day):
    for print_ in _prints(day):
        assert date_from(print_) == day.isoformat(), print_


@given(_days, st.text(max_size=8), st.text(max_size=8))
def test_a_date_is_found_at_its_own_place(day, before, after):
    text = f"{before} {day:%d.%m.%Y} {after}"
    at = len(before) + 1
    assert any((d.start, d.end, d.value) == (at, at + 10, day.isoformat()) for d in dates_in(text)) or any(
        character in ".,/0123456789" for character in (before[-1:], after[:1])
    )


@given(st.text(max_size=60))
def test_no_text_crashes_and_every_found_date_is_a_day(text):
    for date in dates_in(text):
        assert 0 <= date.start < date.end <= len(text)
        assert datetime.date.fromisoformat(date.value).isoformat() == date.value


def test_a_date_that_reads_two_ways_is_told_both_ways():
    assert [(date.value, date.order) for date in dates_in("03/04/2020")] == [
        ("2020-04-03", "dmy"),
        ("2020-03-04", "mdy"),
    ]
    assert date_from("03/04/2020") == "2020-04-03"
    assert date_from("03/04/2020", month_first=True) == "2020-03-04"
    assert date_from("13/04/2020", month_first=True) == "2020-04-13"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("this 5th day of May, 2006", "2006-05-05"),
        ("Date:23/09/17 12:01", "2017-09-23"),
        ("le 4 août 2023.", "2023-08-04"),
        ("am 3. Mrz. 2021", "2021-03-03"),
        ("01/28/20-02/02/20", "2020-01-28"),
    ],
)
def test_dates_in_running_text(text, value):
    assert value in [date.value for date in dates_in(text)]


@pytest.mark.parametrize("text", ["31.02.2020", "192.168.1.1", "1.234.567,89", "99/99/2020", "within 30 days", ""])
def test_what_is_no_day_is_no_date(text):
    assert list(dates_in(text)) == []


@pytest.mark.parametrize(
    ("others", "field_is_month_first", "wanted"),
    [
        ("", False, "2025-07-01"),
        ("", True, "2025-01-07"),
        ("28/03/2024", True, "2025-07-01"),
        ("03/28/2024", False, "2025-01-07"),
    ],
)
def test_a_date_is_day_first_unless_the_document_or_the_field_proves_otherwise(others, field_is_month_first, wanted):
    reading = reading_from_pages(
        [{"width": 595, "height": 842, "words": [["01/07/2025", 50, 50, 100, 60], [others or "x", 50, 80, 100, 90]]}]
    )
    candidates = candidates_in(sheet_of(reading), "date")
    for chosen in candidates:
        if chosen.start == 0:
            read = settled(candidates, chosen, field_is_month_first=field_is_month_first)
            assert read.value == wanted
