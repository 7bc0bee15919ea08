"""Values: engines in order, evidence that quotes the page, and choices made by labels alone."""

from __future__ import annotations

import msgspec
import pytest

from services.extract.extraction import ANCHORS_MODEL, EMBEDDED_MODEL, values_in
from services.extract.schema import FieldSpec
from shared.documents import Embedded


def test_every_value_is_printed_where_its_evidence_says(ranker, fields, make_invoice):
    for seed in range(200, 210):
        reading, _ = make_invoice(seed)
        values = values_in(reading, "doc_1", fields, ranker, "mv_1")
        assert values
        for value in values:
            assert value.evidence is not None
            assert value.evidence.quote == reading.text[value.evidence.start : value.evidence.end]
            assert value.evidence.boxes
            assert (value.engine, value.model) == ("candidates", "mv_1")


def test_positions_count_the_values_of_a_field(ranker, fields, make_invoice):
    values = values_in(make_invoice(201)[0], "doc_1", fields, ranker)
    items = [value.position for value in values if value.name == "items"]
    assert items == list(range(len(items)))
    assert {value.position for value in values if value.name != "items"} == {0}


def test_what_the_file_states_comes_first_and_bears_the_rankers_confidence_where_they_agree(
    ranker, fields, make_invoice
):
    reading, truth = make_invoice(202)
    stated = Embedded("pdf_form", values={"total": truth["total"][0], "supplier": "Somebody Else AG"})
    values = values_in(msgspec.structs.replace(reading, embedded=[stated]), "doc_1", fields, ranker, "mv_1")
    total, supplier = (next(value for value in values if value.name == name) for name in ("total", "supplier"))
    assert (total.engine, total.model, total.value) == ("embedded", EMBEDDED_MODEL, truth["total"][0])
    assert total.confidence is not None
    assert total.evidence is not None
    assert (supplier.value, supplier.confidence, supplier.evidence) == ("Somebody Else AG", None, None)


COLD = [
    FieldSpec(name="policy_number", type="identifier", anchors=("N° de police", "Versicherungsschein-Nr.")),
    FieldSpec(name="loss_date", type="date", description="day on which the loss happened", anchors=("Schadentag",)),
    FieldSpec(name="total_amount", type="amount"),
    FieldSpec(name="iban", type="identifier"),
    FieldSpec(name="policyholder", type="party", anchors=("Preneur d'assurance", "Versicherungsnehmer")),
]


@pytest.mark.parametrize(
    "lines",
    [
        (
            ["N° de police", "LU-4711/2"],
            ["Date du sinistre", "05/03/2024"],
            ["Montant total", "1 234,56 €"],
            ["IBAN", "DE88 2008 0000 0970 3757 00"],
            ["Preneur d'assurance", "Anna Weber"],
        ),
        (
            "Versicherungsschein-Nr.: LU-4711/2",
            "Schadentag: 5. März 2024",
            "Gesamtbetrag: 1.234,56 EUR",
            "Bankverbindung IBAN: DE88 2008 0000 0970 3757 00",
            "Versicherungsnehmer: Anna Weber",
        ),
        (
            ["Policy number", "Date of loss"],
            ["LU-4711/2", "5 March 2024"],
            ["Total amount", "Policyholder"],
            ["1,234.56", "Anna Weber"],
            "IBAN: DE88 2008 0000 0970 3757 00",
        ),
    ],
    ids=["fr", "de", "en"],
)
def test_labels_in_three_languages_are_enough_without_a_ranker(page, lines):
    values = {value.name: value for value in values_in(page(*lines), "doc_1", COLD, None)}
    assert {name: value.value for name, value in values.items()} == {
        "policy_number": "LU-4711/2",
        "loss_date": "2024-03-05",
        "total_amount": "1234.56",
        "iban": "DE88200800000970375700",
        "policyholder": "Anna Weber",
    }
    assert {value.confidence for value in values.values()} == {None}
    assert {value.model for value in values.values()} == {ANCHORS_MODEL}


def test_without_a_label_nothing_is_guessed(page):
    letter = page("Dear Sir or Madam,", "we met on 5 March 2024 and paid 12.50 for lunch.", "Yours, Anna Weber")
    assert values_in(letter, "doc_1", COLD, None) == []


def test_an_empty_document_has_no_values(page, ranker, fields):
    assert values_in(page(), "doc_1", [*fields, *COLD], ranker) == []
