"""The generated engine: a model is asked for JSON, and believed only where the page prints what it says."""

from __future__ import annotations

import itertools
import json

import pytest

from services.extract.extraction import extraction_of
from services.extract.fitting import Labelled, fit
from services.extract.generated import (
    CHUNK,
    MOST_CHUNKS,
    OVERLAP,
    Corrected,
    chunks,
    generated_in,
    grammar_for,
    nearest,
)
from services.extract.schema import FieldSpec, Schema
from services.extract.searched import Searched
from shared.errors import Refused, Unavailable
from shared.generation import Generation, ScriptedGenerator

NUMBER = FieldSpec(name="number", type="identifier")
DAY = FieldSpec(name="day", type="date")
SELLER = FieldSpec(name="seller", type="party")
ITEMS = FieldSpec(name="items", type="list")
FIELDS = (NUMBER, DAY, SELLER, ITEMS)


@pytest.fixture
def letter(page):
    return page("Garage Weber GmbH", "Rechnung RE-4711/2 vom 5. März 2024", ["Windschutzscheibe", "300,00"])


@pytest.fixture
def says(letter):
    """What the engine makes of these answers of the model, one for each question."""

    def found(*answers, fields=FIELDS):
        replies = [answer if isinstance(answer, str | Refused) else json.dumps(answer) for answer in answers]
        return generated_in(Searched.of(letter), fields, ScriptedGenerator(replies))

    return found


@pytest.mark.parametrize(
    ("field", "said", "value", "printed", "grounding"),
    [
        (NUMBER, "RE-4711/2", "RE-4711/2", "RE-4711/2", "exact"),
        (DAY, "2024-03-05", "2024-03-05", "5. März 2024", "normalised"),
        (SELLER, "garage weber gmbh", "garage weber gmbh", "Garage Weber GmbH", "normalised"),
        (SELLER, "Garage Webber GmbH", "Garage Weber GmbH", "Garage Weber GmbH", "fuzzy"),
        (SELLER, "Autohaus Klein AG", "Autohaus Klein AG", None, "ungrounded"),
        (NUMBER, "RE-4711/3", "RE-4711/3", None, "ungrounded"),
    ],
)
def test_every_value_says_how_it_was_found_on_the_page(says, letter, field, said, value, printed, grounding):
    (one,) = says({field.name: said}, fields=(field,))[field.name]
    assert (one.value, one.grounding) == (value, grounding)
    assert (None if one.place is None else letter.text[slice(*one.place)]) == printed


def test_null_and_what_no_field_can_be_give_nothing(says):
    assert says({"number": None, "day": "soon", "seller": "", "items": []}) == {
        "number": [], "day": [], "seller": [], "items": []
    }  # fmt: skip


@pytest.mark.parametrize("answer", ["{", "[]", '{"number": {"a": 1}}', Refused("The request is too long.")])
def test_an_answer_that_is_no_answer_gives_nothing(says, answer):
    assert says(answer)["number"] == []


def test_a_server_that_is_down_is_for_the_queue_to_wait_for(letter):
    with pytest.raises(Unavailable):
        generated_in(Searched.of(letter), FIELDS, ScriptedGenerator([Unavailable("down")]))


def test_the_grammar_requires_every_field_and_lets_it_be_null():
    schema = grammar_for([*FIELDS, FieldSpec(name="kind", type="choice", choices=("a", "b"))]).schema
    assert schema["required"] == ["number", "day", "seller", "items", "kind"]
    assert {"type": "null"} in schema["properties"]["number"]["anyOf"]
    assert schema["properties"]["kind"]["enum"] == ["a", "b", None]
    assert schema["properties"]["items"]["type"] == "array"


def test_a_long_document_is_asked_in_chunks_that_miss_nothing(page):
    text = "".join(f"line {number} of many\n" for number in range(2_000))
    pieces = chunks(text)
    assert all(len(piece) <= CHUNK for piece in pieces)
    assert all(before[-OVERLAP:] == after[:OVERLAP] for before, after in itertools.pairwise(pieces))
    assert pieces[0] + "".join(piece[OVERLAP:] for piece in pieces[1:]) == text
    assert len(chunks(text * 40)) == MOST_CHUNKS
    assert chunks("") == []


def test_the_nearest_corrected_documents_stand_before_the_question(letter):
    far, near = (
        Corrected("Sehr geehrte Damen, Kündigung", {}),
        Corrected("Rechnung Garage Weber", {"number": ["Weber"]}),
    )
    generator = ScriptedGenerator(["{}"])
    generated_in(Searched.of(letter), FIELDS, generator, [near, far])
    (asked,) = generator.asked
    assert [message.role for message in asked] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert asked[3].content == near.text
    assert json.loads(asked[4].content)["number"] == "Weber"
    assert asked[5].content == letter.text
    assert nearest("Rechnung", []) == []


def test_a_grounded_answer_outranks_the_anchors_and_an_ungrounded_one_does_not(page):
    reading = page(["Invoice number", "RE-1/24"], "Order B-77/9")
    schema = Schema(name="a", fields=(FieldSpec(name="invoice_number", type="identifier"),))
    for said, value, engine in (("B-77/9", "B-77/9", "generated"), ("X-0/0", "RE-1/24", "candidates")):
        generator = ScriptedGenerator([json.dumps({"invoice_number": said})])
        (found,) = extraction_of(reading, "doc", schema, None, generator=generator).values
        assert (found.value, found.engine, found.confidence) == (value, engine, None)
        assert found.evidence.quote == value


def test_what_no_page_prints_has_no_evidence_and_is_flagged(page):
    schema = Schema(name="a", fields=(FieldSpec(name="seller", type="party"),))
    generator = ScriptedGenerator([json.dumps({"seller": "Nobody Ltd"})])
    found = extraction_of(page("lower case words"), "doc", schema, None, generator=generator)
    assert found.values[0].evidence is None
    assert [flag.code for flag in found.flags] == ["not_printed"]


def test_agreement_of_the_engines_raises_confidence_where_it_was_learned(make_invoice, fields):
    total = next(field for field in fields if field.name == "total")
    documents = []
    for seed in range(24):
        reading, truth = make_invoice(seed)
        # Every fourth label is another number of the page: only the model, which read it right, can tell.
        item = next(line for line in reading.text.split() if line.replace(".", "").isdigit() and "." in line)
        typed = [item] if seed % 4 == 0 else truth["total"]
        documents.append(Labelled(Searched.of(reading), {"total": typed}, {"total": typed}))
    ranker = fit([total], documents)
    reading, truth = make_invoice(70)
    searched = Searched.of(reading)
    (agreed,) = ranker.rank(searched, total, frozenset(truth["total"]))
    (differs,) = ranker.rank(searched, total, frozenset({"1"}))
    assert agreed.value == differs.value
    assert agreed.confidence > differs.confidence + 0.1


def test_an_answer_that_was_cut_off_is_passed_over(letter):
    cut = Generation('{"number": "RE-47', "length")
    assert generated_in(Searched.of(letter), FIELDS, ScriptedGenerator([cut]))["number"] == []
