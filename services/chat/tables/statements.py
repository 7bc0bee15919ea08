"""What other rooms state of the documents, as facts to answer from: the only SQL here over their views."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ARRAY, Connection, Row, Text, bindparam, text

from services.chat.known import Fact
from shared.documents import Evidence

Path = tuple[str, ...]
#: The newest documents of the classes that a question names; more would be a list, not an answer.
MOST_OF_CLASSES = 200


def class_words(connection: Connection, workspace: str) -> dict[Path, str]:
    """The description of every class of the workspace, inner ones included."""
    return {tuple(row.path): row.description for row in connection.execute(_CLASSES, {"workspace": workspace})}


def documents_of_classes(
    connection: Connection, workspace: str, paths: Sequence[Path], documents: Sequence[str] | None
) -> list[str]:
    """The newest documents in these classes or below them, among `documents` where it is not None."""
    if not paths:
        return []
    chosen = {"workspace": workspace, "documents": documents, "most": MOST_OF_CLASSES}
    rows = connection.execute(_OF_CLASSES, chosen | {"paths": [_joined(path) for path in paths]})
    return list(rows.scalars())


def facts(connection: Connection, workspace: str, documents: Iterable[str]) -> list[Fact]:
    """Every value of these documents that has a proof; where a person spoke on a field, only what that person said."""
    chosen = {"workspace": workspace, "documents": sorted(set(documents))}
    fields = _fields(connection, workspace)
    said = {(row.document_id, row.name): row for row in connection.execute(_SAID, chosen)}
    found = []
    for row in connection.execute(_FIELDS, chosen):
        person = said.get((row.document_id, row.name))
        if person is None:
            found.append(_fact(row, fields, row.type))
        elif row.value in _values(person.value):
            found.append(replace(_fact(row, fields, row.type), stated_by=person.author))
    shown = {(fact.document, fact.field) for fact in found}
    for place, person in said.items():
        if place not in shown and person.evidence is not None and person.value is not None:
            found.append(replace(_fact(person, fields), stated_by=person.author))
    return found


@dataclass(frozen=True)
class _Field:
    """A field as one schema has it: the node it stands at, its type, the words for it."""

    at: Path
    type: str
    labels: tuple[str, ...]


def _fact(row: Row[Any], fields: dict[str, list[_Field]], type: str | None = None) -> Fact:
    path = tuple(row.path or ())
    above = [field for field in fields.get(row.name, []) if path[: len(field.at)] == field.at]
    # The deeper schema wins, as it did when the value was looked for.
    field = max(above, key=lambda one: len(one.at), default=_Field((), "text", (_words(row.name),)))
    evidence = Evidence.model_validate(row.evidence)
    return Fact(
        document=row.document_id,
        document_name=row.document_name,
        path=path,
        field=row.name,
        type=type or field.type,
        labels=field.labels,
        text=evidence.quote,
        evidence=evidence,
        confidence=row.confidence,
    )


def _fields(connection: Connection, workspace: str) -> dict[str, list[_Field]]:
    fields = defaultdict(list)
    for row in connection.execute(_SCHEMAS, {"workspace": workspace}):
        labels = tuple(label for label in (_words(row.name), row.description, *row.anchors) if label)
        fields[row.name].append(_Field(tuple(row.path), row.type, labels))
    return fields


def _words(name: str) -> str:
    return name.replace("_", " ")


def _values(said: Any) -> list[Any]:
    return said if isinstance(said, list) else [said]


def _joined(path: Path) -> str:
    return "\x1f".join(path)


_CLASSES = text("SELECT path, description FROM classify.published_taxonomy WHERE workspace_id = :workspace")
_SCHEMAS = text(
    "SELECT path, name, type, description, anchors FROM extract.published_schemas WHERE workspace_id = :workspace"
)
_PATH = (
    " LEFT JOIN classify.published_classes AS machine ON machine.document_id = documents.id"
    " LEFT JOIN review.published_labels AS person ON person.document_id = documents.id AND person.task = 'class'"
    " AND NOT person.audit"
)
_OF_CLASSES = text(
    "SELECT documents.id FROM ledger.documents" + _PATH + " WHERE documents.workspace_id = :workspace"
    " AND (CAST(:documents AS text[]) IS NULL OR documents.id = ANY(CAST(:documents AS text[])))"
    # A class, and all below it: "Claims" names every claim.
    " AND EXISTS (SELECT FROM unnest(CAST(:paths AS text[])) AS named WHERE named ="
    " array_to_string((COALESCE(person.path, machine.path))[1 : cardinality(string_to_array(named, E'\\x1f'))],"
    " E'\\x1f'))"
    " ORDER BY documents.created_at DESC, documents.id LIMIT :most"
).bindparams(bindparam("documents", type_=ARRAY(Text)), bindparam("paths", type_=ARRAY(Text)))
_DOCUMENT = "documents.id AS document_id, documents.name AS document_name, COALESCE(person.path, machine.path) AS path,"
_FIELDS = text(
    f"SELECT {_DOCUMENT} fields.name, fields.type, fields.value, fields.evidence, fields.confidence"
    " FROM extract.published_fields AS fields JOIN ledger.documents ON documents.id = fields.document_id" + _PATH + ""
    " WHERE documents.workspace_id = :workspace AND documents.id = ANY(:documents) AND fields.evidence IS NOT NULL"
    " ORDER BY documents.id, fields.name, fields.position"
)
_SAID = text(
    f"SELECT {_DOCUMENT} said.name, said.value, said.evidence, said.author, NULL AS confidence"
    " FROM review.published_labels AS said JOIN ledger.documents ON documents.id = said.document_id" + _PATH + ""
    " WHERE documents.workspace_id = :workspace AND documents.id = ANY(:documents)"
    " AND said.task = 'field' AND NOT said.audit"
)
