"""Candidates: the value is among them, and each stands where it says."""

from __future__ import annotations

import re
import time

import pytest

from services.extract.candidates import candidates_in, pools_of
from services.extract.context import hashed
from services.extract.layout import sheet_of
from services.extract.schema import FIELD_TYPES, FieldSpec
from shared.documents import Page, Reading, Word


def _values(reading, type_, **more):
    field = FieldSpec(name="x", type=type_, **more)
    sheet = sheet_of(reading)
    return {candidate.value for pool in pools_of(field) for candidate in candidates_in(sheet, pool)}


@pytest.mark.parametrize(
    ("type_", "line", "value"),
    [
        ("date", "Datum: 5. März 2024", "2024-03-05"),
        ("amount", "Total TTC 1 234,56 €", "1234.56"),
        ("number", "Menge 12", "12"),
        ("currency", "Total 12 €", "EUR"),
        ("identifier", "Invoice # RE-2020/508 issued today", "RE-2020/508"),
        ("party", "GARDENIA BAKERIES (KL) SDN BHD (139386 X)", "GARDENIA BAKERIES (KL) SDN BHD"),
        ("party", "made between Palm, Inc., a Delaware corporation, and Acme LLC", "Palm, Inc"),
        ("text", "governed by the laws of the State of New York and", "New York"),
        ("duration", "for two (2) years from", "2 years"),
    ],
)
def test_the_value_of_a_line_is_among_its_candidates(page, type_, line, value):
    assert value in {found.rstrip(".") for found in _values(page(line), type_)}


def test_an_address_of_several_lines_is_one_candidate_also_beside_another_column(page):
    beside = page(["12, rue du Fort", "Facture 4711"], ["L-4220 Esch", "Page 1"])
    assert "12, rue du Fort\nL-4220 Esch" in _values(beside, "address")


def test_a_choice_is_found_whatever_its_accents_and_case(page):
    assert _values(page("DEGATS DES EAUX constatés"), "choice", choices=["dégâts des eaux", "vol"]) == {
        "dégâts des eaux"
    }


@pytest.mark.parametrize("type_", FIELD_TYPES)
def test_every_candidate_is_printed_where_it_says(make_invoice, type_):
    reading, _ = make_invoice(3)
    field = FieldSpec(name="x", type=type_, choices=("Price", "Preis"))
    sheet = sheet_of(reading)
    for pool in pools_of(field):
        for candidate in candidates_in(sheet, pool):
            for start, end in candidate.parts:
                assert reading.text[start:end].strip() == reading.text[start:end] != ""
            assert (candidate.start, candidate.end) == candidate.parts[0]
            assert sheet.tokens[candidate.first].end > candidate.start


def test_an_empty_document_has_no_candidates(page):
    for type_ in FIELD_TYPES:
        assert _values(page(), type_, choices=["a"]) == set()


@pytest.mark.parametrize("hostile", ["two " + " " * 20_000 + "x", "a" + "\n" * 20_000, "1 234 " * 500, "(" * 5_000])
def test_no_text_takes_time_with_the_square_of_its_length(hostile):
    words = [Word(found.group(), None, *found.span()) for found in re.finditer(r"\S+", hostile)]
    sheet = sheet_of(Reading(hostile, [Page(1, 0, 0, 0, len(hostile), words)], "text/plain"))
    began = time.process_time()
    for type_ in FIELD_TYPES:
        for pool in pools_of(FieldSpec(name="x", type=type_, choices=("a b",))):
            candidates_in(sheet, pool)
    assert time.process_time() - began < 5


def test_surrogates_of_a_broken_file_do_not_stop_the_hashing():
    whole = hashed([["O=a"], ["O=b"]])
    broken = hashed([["O=a"], ["O=\ud800"]])
    assert (whole[0] != broken[0]).nnz == 0
    assert broken.shape == whole.shape
