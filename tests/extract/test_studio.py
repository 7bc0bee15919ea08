"""The schema studio: pointing in two documents finds the field in the others, and says how well."""

from __future__ import annotations

import itertools

import pytest

from services.extract.schema import FieldSpec
from services.extract.studio import Pointed, previewed

FIELD = FieldSpec(name="xyz", type="identifier")


@pytest.fixture
def letters(page):
    """Documents with a file number under a label that no lexicon knows, and another number above it."""
    return {
        f"doc_{number}": page(["Kundennummer", f"K-{number}77"], ["Vorgang Blau", f"B-{number}0/{number}"], "Mit Gruß")
        for number in range(1, 8)
    }


@pytest.fixture
def pointed(letters):
    """What a person points at in these documents."""

    def point(*documents):
        said = {}
        for document in documents:
            value = f"B-{document[-1]}0/{document[-1]}"
            start = letters[document].text.index(value)
            said[document] = Pointed((value,), (start, start + len(value)))
        return said

    return point


def test_what_stands_beside_two_pointed_places_finds_the_field_in_the_others(letters, pointed):
    untaught = previewed(FIELD, letters, {}).values.values()
    assert not any(value.value.startswith("B-") for value in itertools.chain(*untaught))
    found = previewed(FIELD, letters, pointed("doc_1", "doc_2"))
    assert {document: [value.value for value in values] for document, values in found.values.items()} == {
        f"doc_{number}": [f"B-{number}0/{number}"] for number in range(1, 8)
    }
    assert found.anchors == ("vorgang blau",)
    assert (found.precision, found.coverage, found.wanted) == (1.0, 1.0, 2)
    for document, (value,) in found.values.items():
        assert value.evidence.quote == letters[document].text[value.evidence.start : value.evidence.end]


def test_precision_falls_when_a_person_says_otherwise(letters, pointed):
    said = pointed("doc_1", "doc_2") | {"doc_3": Pointed(()), "doc_4": Pointed(())}
    found = previewed(FIELD, letters, said)
    assert found.precision < 1.0


def test_from_three_documents_on_a_ranker_is_learned_and_says_how_sure_it_is(letters, pointed):
    found = previewed(FIELD, letters, pointed("doc_1", "doc_2", "doc_3", "doc_4", "doc_5"))
    given = [value for values in found.values.values() for value in values]
    assert given
    assert all(value.confidence is not None for value in given)
    assert found.wanted == 5


def test_nothing_is_known_before_anything_was_said(letters):
    found = previewed(FIELD, letters, {})
    assert (found.precision, found.coverage, found.anchors) == (None, None, ())
