"""Our schemas as JSON Schema (draft 2020-12) and back: what other tools read, and what they have.

Types become `type` and `format`; what JSON Schema has no word for stands under `x-dossier` and comes back. A foreign
JSON Schema is read as far as it goes: a nested object has no place here and is refused by name.
"""

from __future__ import annotations

from typing import Any

from services.extract.schema import FieldSpec, Schema, parse_schema
from shared.errors import Refused

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_OWN = "x-dossier"
#: Our types as JSON Schema: amounts and numbers stay decimal strings, which no parser rounds.
_FORMATS = {"date": {"format": "date"}, "duration": {"pattern": r"^\d+ (day|week|month|year)s?$"}}
_DECIMAL = {"pattern": r"^-?\d+(\.\d+)?$"}


def json_schema_of(schema: Schema) -> dict[str, Any]:
    """`schema` as a JSON Schema of the object that holds a document's values, the inverse of the function below."""
    return {
        "$schema": _DRAFT,
        "title": schema.name,
        "type": "object",
        "properties": {field.name: _property(field) for field in schema.fields},
        "required": [field.name for field in schema.fields if field.required],
        "additionalProperties": False,
        _OWN: {
            "path": list(schema.path),
            "line_items": [column.model_dump(mode="json", exclude_defaults=True) for column in schema.line_items],
            "constraints": [rule.model_dump(mode="json", exclude_defaults=True) for rule in schema.constraints],
        },
    }


def schema_from_json_schema(given: dict[str, Any], name: str) -> Schema:
    """The schema that a JSON Schema describes; `name` where it has no title.

    Raises Refused, naming the property, on what has no place in a schema of ours.
    """
    required = given.get("required", [])
    own = given.get(_OWN, {})
    properties = given.get("properties")
    if not isinstance(properties, dict):
        raise Refused("The JSON Schema has no properties.", code="schema_invalid")
    fields = [
        {"name": field, "required": field in required, **_field(field, described)}
        for field, described in properties.items()
    ]
    return parse_schema({"name": given.get("title") or name, "fields": fields, **own})


def _property(field: FieldSpec) -> dict[str, Any]:
    value: dict[str, Any] = {"type": "string", **_FORMATS.get(field.type, {})}
    if field.type in ("amount", "number"):
        value |= _DECIMAL
    if field.type == "choice":
        value["enum"] = list(field.choices)
    described: dict[str, Any] = {"type": "array", "items": value} if field.takes_many else value
    if field.description:
        described["description"] = field.description
    described[_OWN] = {"type": field.type, "many": field.many, "anchors": list(field.anchors)}
    return described


def _field(name: str, described: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(described, dict) or described.get("type") == "object":
        raise Refused(
            f"The property {name!r} is an object; fields are single values or lists of them.",
            action="Make each part of it a field of its own, or a column of the line items.",
            code="schema_invalid",
        )
    many = described.get("type") == "array"
    value = described.get("items", {}) if many else described
    own = described.get(_OWN, {})
    field: dict[str, Any] = {
        "type": _type(value),
        "many": many,
        "description": described.get("description", ""),
        "choices": [one for one in value.get("enum", []) if one is not None],
    }
    field.update(own)
    return field


def _type(value: dict[str, Any]) -> str:
    """The type of ours that comes nearest to a property of somebody else's schema."""
    if value.get("enum"):
        return "choice"
    said = value.get("type")
    if "number" in said if isinstance(said, list) else said in ("number", "integer"):
        return "number"
    return "date" if value.get("format") in ("date", "date-time") else "text"
