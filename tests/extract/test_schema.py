"""Schemas: what is accepted, what is inherited, and what comes back from a file."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.extract.schema import (
    FIELD_TYPES,
    FieldSpec,
    Schema,
    as_plain,
    parse_schema,
    parse_schemas,
    resolved,
    written_yaml,
)
from shared.errors import Refused

_names = st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True)
_words = st.text(st.characters(exclude_categories=("C",)), min_size=1, max_size=20).filter(str.strip)
_fields = st.builds(
    FieldSpec,
    name=_names,
    type=st.sampled_from(FIELD_TYPES),
    description=st.just("") | _words,
    many=st.booleans(),
    choices=st.lists(_words, min_size=1, max_size=3).map(tuple),
    anchors=st.lists(_words, max_size=3).map(tuple),
)
_schemas = st.builds(
    Schema,
    name=_words,
    path=st.lists(_words, max_size=3).map(tuple),
    fields=st.lists(_fields, max_size=4, unique_by=lambda field: field.name).map(tuple),
)


@settings(deadline=None)
@given(st.lists(_schemas, max_size=3, unique_by=lambda schema: schema.name))
def test_schemas_survive_yaml_and_json(schemas):
    assert parse_schemas(written_yaml(schemas)) == schemas
    assert [parse_schema(as_plain(schema)) for schema in schemas] == schemas


def test_a_document_has_the_fields_of_every_node_above_it_and_the_deeper_one_wins():
    root = Schema(name="all", fields=(FieldSpec(name="date", type="date"),))
    claims = Schema(name="claims", path=("Claims",), fields=(FieldSpec(name="number", type="text"),))
    motor = Schema(name="motor", path=("Claims", "Motor"), fields=(FieldSpec(name="number", type="identifier"),))
    letters = Schema(name="letters", path=("Letters",), fields=(FieldSpec(name="sender", type="party"),))
    found = resolved([letters, motor, root, claims], ["Claims", "Motor", "Glass"])
    assert found is not None
    assert (found.name, found.path) == ("motor", ("Claims", "Motor"))
    assert [(field.name, field.type) for field in found.fields] == [("date", "date"), ("number", "identifier")]


def test_a_path_without_a_schema_has_none():
    assert resolved([Schema(name="claims", path=("Claims",))], ["Letters"]) is None
    assert resolved([Schema(name="claims", path=("Claims",))], []) is None


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ({"name": "a", "type": "colour"}, "'colour'"),
        ({"name": "1st", "type": "text"}, "'1st'"),
        ({"name": "a", "type": "choice"}, "a field of type choice needs its choices"),
        ({"name": "a", "type": "text", "anchor": ["x"]}, "fields.0.anchor"),
        ({"name": "a", "type": "text", "anchors": ["  "]}, "must not be blank"),
    ],
)
def test_a_field_that_does_not_fit_is_refused_with_the_place_and_the_value(field, words):
    with pytest.raises(Refused) as refused:
        parse_schema({"name": "motor", "fields": [field]})
    assert "'motor'" in refused.value.public
    assert words in refused.value.public
    assert "duration" in refused.value.action


def test_a_field_or_a_schema_that_is_there_twice_is_refused():
    field = {"name": "a", "type": "text"}
    with pytest.raises(Refused, match="'a' is there twice"):
        parse_schema({"name": "motor", "fields": [field, field]})
    with pytest.raises(Refused, match="'motor' is there twice"):
        parse_schemas("[{name: motor}, {name: motor}]")


def test_broken_yaml_is_refused():
    with pytest.raises(Refused, match="not readable as YAML"):
        parse_schemas("schemas: [")
