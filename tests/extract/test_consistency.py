"""What must hold between values: it chooses among candidates, it flags, and it makes nothing up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.extract.consistency import Option, broken, reconciled
from services.extract.extraction import extraction_of
from services.extract.schema import Constraint, FieldSpec, Schema
from shared.documents import Embedded, Reading

SUM = Constraint(kind="sum", fields=("gross", "net", "tax"))


@pytest.mark.parametrize(
    ("rule", "values", "said"),
    [
        (SUM, {"gross": "120.00", "net": "100.00", "tax": "19.00"}, "is 119.00, but gross says 120.00"),
        (
            Constraint(kind="order", fields=("start", "end")),
            {"start": "2025-02-01", "end": "2025-01-01"},
            "start 2025-02-01 is after end 2025-01-01",
        ),
        (Constraint(kind="allowed", fields=("country",), values=("LU", "DE")), {"country": "FR"}, "none of LU, DE"),
        (Constraint(kind="checksum", fields=("iban",)), {"iban": "LU280019400644750001"}, "check digits"),
        (Constraint(kind="known", fields=("policy",)), {"policy": "P-2"}, "No other document has policy 'P-2'"),
    ],
)
def test_a_broken_rule_says_which_values_break_it(rule, values, said):
    flag = broken(values, rule, {"policy": frozenset({"p-1"})})
    assert said in flag.message
    assert flag.fields == rule.fields


@pytest.mark.parametrize(
    ("rule", "values"),
    [
        (SUM, {"gross": "119.00", "net": "100.00", "tax": "19.00"}),
        (SUM, {"gross": "119.00", "net": "100.00"}),
        (Constraint(kind="order", fields=("start", "end")), {"start": "2025-01-01", "end": "2025-01-01"}),
        (Constraint(kind="checksum", fields=("iban",)), {"iban": "LU28 0019 4006 4475 0000"}),
        (Constraint(kind="known", fields=("policy",)), {"policy": "P-1"}),
    ],
)
def test_a_rule_that_holds_or_that_lacks_a_value_is_no_flag(rule, values):
    assert broken(values, rule, {"policy": frozenset({"p-1"})}) is None


def test_the_most_probable_combination_that_keeps_the_rule_is_taken():
    options = {
        "gross": [Option("120.00", 0.6), Option("119.00", 0.3), Option("101.00", 0.35)],
        "net": [Option("100.00", 0.9)],
        "tax": [Option("19.00", 0.8), Option("1.00", 0.1)],
    }
    assert reconciled(options, SUM) == {"gross": 1, "net": 0, "tax": 0}


@given(
    st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=4), min_size=3, max_size=3),
)
def test_a_rule_only_ever_takes_what_is_among_the_candidates(numbers):
    options = {
        name: [Option(str(number), 0.5) for number in listed] for name, listed in zip(SUM.fields, numbers, strict=True)
    }
    taken = reconciled(options, SUM)
    if taken is not None:
        gross, net, tax = (int(options[name][taken[name]].value) for name in SUM.fields)
        assert gross == net + tax


def test_a_field_without_a_candidate_is_never_filled_by_a_sum():
    assert reconciled({"gross": [Option("119.00", 0.9)], "net": [Option("100.00", 0.9)], "tax": []}, SUM) is None


def test_values_that_break_a_rule_stay_but_cannot_be_accepted_unseen(page, ranker, fields, make_invoice):
    reading, truth = make_invoice(99)
    rule = Constraint(kind="allowed", fields=("supplier",), values=("Somebody Else Ltd",))
    found = extraction_of(reading, "doc", Schema(name="a", fields=fields, constraints=(rule,)), ranker, "mv_1")
    supplier = next(value for value in found.values if value.name == "supplier")
    total = next(value for value in found.values if value.name == "total")
    assert supplier.value == truth["supplier"][0]
    assert supplier.confidence is None
    assert total.confidence is not None
    assert [flag.code for flag in found.flags] == ["broken_allowed"]


def test_what_the_file_states_but_no_page_prints_is_flagged(page):
    reading = page(["Total", "EUR 191.00"])
    invoice = (
        '<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"><LegalMonetaryTotal>'
        "<TaxInclusiveAmount>119.00</TaxInclusiveAmount></LegalMonetaryTotal></Invoice>"
    )
    stated = Reading(reading.text, reading.pages, reading.media_type, embedded=[Embedded("ubl", invoice)])
    schema = Schema(name="a", fields=(FieldSpec(name="gross_total", type="amount"),))
    found = extraction_of(stated, "doc", schema, None)
    assert found.values[0].value == "119.00"
    assert found.values[0].evidence is None
    assert "119.00" in found.flags[0].message
