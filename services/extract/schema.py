"""Field schemas: what to look for in a document of a certain class.

A schema stands at a node of the taxonomy (`path`; () is the root) and its fields hold for every class below
it: `resolved` merges them from the root down, where the deeper field of the same name wins. Schemas are written
and read as YAML or JSON. What is stored where is no business of this module.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from shared.errors import Refused

FieldType = Literal[
    "text", "date", "amount", "number", "currency", "identifier", "party", "address", "choice", "duration", "list"
]
FIELD_TYPES: tuple[str, ...] = get_args(FieldType)

ConstraintKind = Literal["sum", "order", "allowed", "checksum", "known"]

#: More fields than this in one schema is a mistake in the file, not a wish.
MOST_FIELDS = 200


class FieldSpec(BaseModel):
    """One field to fill.

    `name` is how programs call it, `description` a sentence for people (its words also help to find the value
    before anyone has labelled one), `anchors` the words printed beside the value, in any language. `many`:
    the document may have several. `choices` are the only values a field of type `choice` may take. A `list`
    is a `text` with many values.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=64, pattern=r"^[^\W\d][\w.-]*$")
    type: FieldType
    description: str = Field(default="", max_length=2000)
    many: bool = False
    required: bool = False
    choices: tuple[str, ...] = ()
    anchors: tuple[str, ...] = ()

    @field_validator("choices", "anchors", mode="before")
    @classmethod
    def _null_is_none_given(cls, given: object) -> object:
        return () if given is None else given

    @model_validator(mode="after")
    def _choices_fit(self) -> FieldSpec:
        if self.type == "choice" and not self.choices:
            raise ValueError("a field of type choice needs its choices")
        if any(not words.strip() for words in (*self.choices, *self.anchors)):
            raise ValueError("choices and anchors must not be blank")
        return self

    @property
    def takes_many(self) -> bool:
        """Whether more than one value may be given."""
        return self.many or self.type == "list"


class Constraint(BaseModel):
    """What must hold between fields of one document (`consistency.py` judges it).

    | kind | fields | holds when |
    |---|---|---|
    | sum | total, part, part, … | the parts add up to the total within `tolerance` |
    | order | earliest, …, latest | no date is before the one named before it |
    | allowed | one | it is one of `values` |
    | checksum | one | it is an IBAN or VAT number with right check digits |
    | known | one | another document of the workspace has the same value |
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ConstraintKind
    fields: tuple[str, ...] = Field(min_length=1, max_length=12)
    tolerance: float = Field(default=0.01, ge=0)
    values: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _fields_fit(self) -> Constraint:
        several = self.kind in ("sum", "order")
        if several and len(self.fields) < 2:
            raise ValueError(f"a constraint of kind {self.kind} is about two fields or more")
        if not several and len(self.fields) > 1:
            raise ValueError(f"a constraint of kind {self.kind} is about one field")
        if self.kind == "allowed" and not self.values:
            raise ValueError("a constraint of kind allowed needs its values")
        return self


class Schema(BaseModel):
    """The fields of one node of the taxonomy; `path` runs from the root, () is the root itself.

    `line_items` are the columns of the table whose rows are wanted, () where none are; `constraints` what must hold.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=100)
    path: tuple[str, ...] = ()
    fields: tuple[FieldSpec, ...] = Field(default=(), max_length=MOST_FIELDS)
    line_items: tuple[FieldSpec, ...] = Field(default=(), max_length=MOST_FIELDS)
    constraints: tuple[Constraint, ...] = Field(default=(), max_length=MOST_FIELDS)

    @model_validator(mode="after")
    def _names_are_unique(self) -> Schema:
        for what, listed in (("field", self.fields), ("column", self.line_items)):
            names = [field.name for field in listed]
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"the {what} {twice[0]!r} is there twice")
        return self


def resolved(schemas: Iterable[Schema], path: Sequence[str]) -> Schema | None:
    """The schema for a document of class `path`: the fields of every node on the way, parents first.

    A deeper field replaces a shallower one of the same name in its place; constraints add up, and the deepest columns
    for line items count. The result bears the name and path of the deepest schema. None where no schema stands there.
    """
    on_the_way = sorted(
        (schema for schema in schemas if tuple(path[: len(schema.path)]) == schema.path),
        key=lambda schema: len(schema.path),
    )
    if not on_the_way:
        return None
    merged = {field.name: field for schema in on_the_way for field in schema.fields}
    deepest = on_the_way[-1]
    return Schema(
        name=deepest.name,
        path=deepest.path,
        fields=tuple(merged.values()),
        line_items=next((schema.line_items for schema in reversed(on_the_way) if schema.line_items), ()),
        constraints=tuple(rule for schema in on_the_way for rule in schema.constraints),
    )


def parse_schema(given: object) -> Schema:
    """One schema from plain JSON types; raises Refused naming the place that does not fit."""
    try:
        return Schema.model_validate(given)
    except ValidationError as wrong:
        raise Refused(_sentence(wrong, given), action=_ACTION, code="schema_invalid") from wrong


def parse_schemas(written: str) -> list[Schema]:
    """The schemas of a YAML or JSON text: `{schemas: [...]}`, a list, or one schema by itself.

    Raises Refused on text that is not YAML, on a schema that does not fit, and on two schemas of one name.
    """
    try:
        given: Any = yaml.safe_load(written)
    except yaml.YAMLError as wrong:
        raise Refused(f"The schemas are not readable as YAML: {wrong}", code="schema_invalid") from wrong
    if isinstance(given, dict) and "schemas" in given:
        given = given["schemas"]
    listed = given if isinstance(given, list) else [given]
    schemas = [parse_schema(one) for one in listed]
    names = [schema.name for schema in schemas]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Refused(f"The schema {twice[0]!r} is there twice.", action=_ACTION, code="schema_invalid")
    return schemas


def as_plain(schema: Schema) -> dict[str, Any]:
    """The schema as plain JSON types, the inverse of `parse_schema`."""
    return json.loads(schema.model_dump_json())  # type: ignore[no-any-return]


def written_yaml(schemas: Sequence[Schema]) -> str:
    """The schemas as YAML that `parse_schemas` reads back to the same schemas."""
    plain = [_without_defaults(schema) for schema in schemas]
    return yaml.safe_dump({"schemas": plain}, allow_unicode=True, sort_keys=False, width=110)


_ACTION = f"Correct the schema and send it again; field types are: {', '.join(FIELD_TYPES)}."


def _without_defaults(schema: Schema) -> dict[str, Any]:
    listed = {
        name: [one.model_dump(mode="json", exclude_defaults=True) for one in getattr(schema, name)]
        for name in ("fields", "line_items", "constraints")
    }
    plain = {"name": schema.name, "path": list(schema.path), **listed}
    return {name: given for name, given in plain.items() if given or name in ("name", "path", "fields")}


def _sentence(wrong: ValidationError, given: object) -> str:
    first = wrong.errors()[0]
    name = given.get("name", "?") if isinstance(given, dict) else "?"
    place = ".".join(str(part) for part in first["loc"]) or "as a whole"
    said = first["msg"].removeprefix("Value error, ")
    return f"The schema {name!r} does not fit at {place}: {said} (given: {str(first['input'])[:80]!r})."
