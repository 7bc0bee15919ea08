"""Numbers and currencies in French, German, Swiss and English print."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.extract.numbers import currencies_in, currency_from, decimal_from, decimal_mark_of, numbers_in, plain

_amounts = st.decimals(0, 10**9, places=2)


def _prints(amount: Decimal) -> list[str]:
    english = f"{amount:,.2f}"
    german = english.translate(str.maketrans(",.", ".,"))
    return [english, german, english.replace(",", "'"), german.replace(".", " "), german.replace(".", "\u202f")]


@settings(deadline=None)
@given(_amounts, st.sampled_from(["", "€ ", "EUR ", "CHF "]))
def test_every_way_to_print_an_amount_gives_the_amount(amount, currency):
    for print_ in _prints(amount):
        assert decimal_from(currency + print_) == amount, print_


@given(_amounts.filter(lambda amount: amount > 0))
def test_a_negative_amount_is_negative_however_it_is_marked(amount):
    english = f"{amount:,.2f}"
    assert [decimal_from(print_) for print_ in (f"-{english}", f"({english})", f"{english}-")] == [-amount] * 3


@given(st.text(max_size=60))
def test_no_text_crashes_and_numbers_stand_where_they_say(text):
    for number in numbers_in(text):
        assert 0 <= number.start < number.end <= len(text)
        assert number.value.is_finite()


@given(st.decimals(-(10**12), 10**12, places=4))
def test_a_plain_decimal_reads_back_as_itself(value):
    assert Decimal(plain(value)) == value


def test_one_mark_before_three_digits_means_thousands_unless_the_document_says_otherwise():
    assert decimal_from("1.234") == 1234
    assert decimal_from("1.234", ".") == Decimal("1.234")
    assert decimal_from("0.125") == Decimal("0.125")
    assert decimal_mark_of("12,50 and 3,99 and 7.50") == ","
    assert decimal_mark_of("no numbers") is None


def test_a_number_with_blanks_may_be_two_numbers():
    assert [str(number.value) for number in numbers_in("2 150.00")] == ["2150.00", "2", "150.00"]


@pytest.mark.parametrize("text", ["", "EUR", "no number", "12 and 13"])
def test_what_is_no_single_number_is_none(text):
    assert decimal_from(text) is None


@pytest.mark.parametrize(("text", "code"), [("€", "EUR"), ("eur", "EUR"), ("Franken", "CHF"), ("US$", "USD")])
def test_a_currency_has_its_code(text, code):
    assert currency_from(text) == code


def test_a_currency_inside_a_word_is_none():
    assert [currency.value for currency in currencies_in("CHFX EUROPA 12 EUR, £5")] == ["EUR", "GBP"]
