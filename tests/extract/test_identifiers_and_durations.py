"""Identifiers that prove themselves, identifiers that do not, and durations."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.extract.durations import duration_from, durations_in
from services.extract.identifiers import iban_from, identifier_from, identifiers_in, vat_from


def _found(text: str, kind: str) -> list[str]:
    return [found.value for found in identifiers_in(text) if found.kind == kind]


def test_an_iban_is_compact_and_ends_where_its_check_digits_say():
    assert _found("IBAN: DE88 2008 0000 0970 3757 00 BIC COBADEFFXXX", "iban") == ["DE88200800000970375700"]
    assert iban_from("DE88 2008 0000 0970 3757 01") is None


def test_an_iban_with_wrong_check_digits_is_told_as_what_it_looks_like():
    assert _found("IBAN DE12 1234 4321 9876 00", "iban") == []
    assert _found("IBAN DE12 1234 4321 9876 00", "iban-form") == ["DE1212344321987600"]


def test_vat_numbers_are_proven():
    assert _found("TVA LU10294056", "vat") == ["LU10294056"]
    assert _found("CHE-116.281.710 MWST", "vat") == ["CHE116281710"]
    assert vat_from("DE136695977") is None


def test_a_bank_code_needs_a_country_that_exists():
    assert _found("BIC: COBADEFFXXX or HELLOZZZ", "bic") == ["COBADEFFXXX"]


def test_a_code_of_several_parts_is_told_whole_and_in_parts():
    codes = _found("Policy LU 12 3456", "code")
    assert {"LU 12 3456", "12 3456", "3456"} <= set(codes)


def test_a_code_is_told_without_the_label_it_hangs_on():
    assert "4711" in _found("Nr.4711", "code")


@given(st.text(max_size=80))
def test_no_text_crashes_and_identifiers_stand_where_they_say(text):
    for found in identifiers_in(text):
        assert 0 <= found.start < found.end <= len(text)
        assert found.value


def test_the_normal_form_of_an_identifier_is_as_printed_with_blanks_collapsed():
    assert identifier_from("  POL  2023-55. ") == "POL 2023-55"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("two (2) years", "2 years"),
        ("1 an", "1 year"),
        ("18 mois", "18 months"),
        ("drei Monaten", "3 months"),
        ("thirty-six (36) months", "36 months"),
        ("10 business days", "10 days"),
        ("soon", None),
        ("1 year and 6 months", None),
    ],
)
def test_a_duration_is_a_number_and_an_english_unit(text, value):
    assert duration_from(text) == value


def test_a_duration_is_found_in_a_sentence():
    (found,) = durations_in("remains in force for a period of five years from the date")
    assert found.value == "5 years"
