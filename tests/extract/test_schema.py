"""Schemas: what is accepted, what is inherited, and what comes back from a file."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.extract.json_schema import json_schema_of, schema_from_json_schema
from services.extract.schema import (
    FIELD_TYPES,
    Constraint,
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


def test_a_schema_goes_out_as_json_schema_and_comes_back_the_same():
    schema = Schema(
        name="Invoice",
        path=("Claims",),
        fields=(
            FieldSpec(name="number", type="identifier", required=True, anchors=("No.",), description="its number"),
            FieldSpec(name="total", type="amount"),
            FieldSpec(name="kind", type="choice", choices=("a", "b")),
            FieldSpec(name="people", type="party", many=True),
            FieldSpec(name="notes", type="list"),
        ),
        line_items=(FieldSpec(name="what", type="text"),),
        constraints=(Constraint(kind="sum", fields=("total", "number")),),
    )
    written = json_schema_of(schema)
    assert written["required"] == ["number"]
    assert written["properties"]["kind"]["enum"] == ["a", "b"]
    assert written["properties"]["people"]["type"] == "array"
    assert schema_from_json_schema(json.loads(json.dumps(written)), "other") == schema


def test_a_foreign_json_schema_is_read_as_far_as_it_goes():
    given = {
        "properties": {
            "due": {"type": "string", "format": "date"},
            "amount": {"type": ["number", "null"]},
            "tags": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["due"],
    }
    schema = schema_from_json_schema(given, "theirs")
    assert [(field.name, field.type, field.many, field.required) for field in schema.fields] == [
        ("due", "date", False, True),
        ("amount", "number", False, False),
        ("tags", "text", True, False),
    ]
    with pytest.raises(Refused, match="'buyer' is an object"):
        schema_from_json_schema({"properties": {"buyer": {"type": "object"}}}, "theirs")


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "sum", "fields": ["a"]},
        {"kind": "checksum", "fields": ["a", "b"]},
        {"kind": "allowed", "fields": ["a"]},
    ],
)
def test_a_constraint_that_does_not_fit_is_refused(wrong):
    with pytest.raises(Refused, match="constraint"):
        parse_schema({"name": "a", "constraints": [wrong]})


def test_a_child_adds_its_constraints_and_replaces_the_columns():
    rule = Constraint(kind="order", fields=("start", "end"))
    one, other = FieldSpec(name="one", type="text"), FieldSpec(name="other", type="text")
    above = Schema(name="above", line_items=(one,), constraints=(rule,))
    below = Schema(name="below", path=("Claims",), line_items=(other,), constraints=(rule,))
    merged = resolved([below, above], ["Claims"])
    assert merged.line_items == (other,)
    assert merged.constraints == (rule, rule)
