"""Extract's tables in Postgres, and the only SQL over them: schemas with their versions, and extracted fields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from services.extract.export import ExportedDocument, ExportedValue
from services.extract.extraction import Extraction
from services.extract.schema import Schema, parse_schema

#: Documents are exported this many at a time.
_EXPORTED_AT_ONCE = 200


def schemas_of(connection: Connection, workspace: str) -> list[Schema]:
    """The schemas of a workspace as they are now, by name."""
    rows = connection.execute(_SCHEMAS, {"workspace": workspace})
    return [parse_schema(dict(row._mapping)) for row in rows]


def versions_of(connection: Connection, workspace: str, name: str) -> list[dict[str, Any]]:
    """Every version of a schema, the newest first: version, author, time, whether it ended the schema, and fields."""
    rows = connection.execute(_VERSIONS, {"workspace": workspace, "name": name})
    return [dict(row._mapping) for row in rows]


def keep_schema(connection: Connection, workspace: str, schema: Schema, author: str, *, deleted: bool = False) -> None:
    """Make `schema` the newest version of its name; `deleted` ends it."""
    connection.execute(
        _SCHEMA,
        {
            "workspace": workspace,
            "name": schema.name,
            "path": list(schema.path),
            "fields": [field.model_dump(mode="json") for field in schema.fields],
            "line_items": [column.model_dump(mode="json") for column in schema.line_items],
            "constraints": [rule.model_dump(mode="json") for rule in schema.constraints],
            "deleted": deleted,
            "author": author,
        },
    )


def documents_below(connection: Connection, workspace: str, paths: Iterable[Sequence[str]]) -> list[str]:
    """The documents that were extracted at one of these nodes of the taxonomy or below, and are not being worked on."""
    found: set[str] = set()
    for path in paths:
        rows = connection.execute(_BELOW, {"workspace": workspace, "path": list(path), "depth": len(path)})
        found.update(rows.scalars())
    return sorted(found)


def keep_values(
    connection: Connection,
    workspace: str,
    document: str,
    schema_name: str | None,
    path: Sequence[str],
    found: Extraction,
    missing: Mapping[str, str],
) -> None:
    """Make `found` all that is known of the document; `missing` are required fields without a value, name to type."""
    connection.execute(_FORGET, {"document": document})
    connection.execute(
        _EXTRACTION,
        {
            "document": document,
            "workspace": workspace,
            "schema": schema_name,
            "path": list(path),
            "missing": dict(missing),
            "line_items": [asdict(row) for row in found.rows],
            "flags": [asdict(flag) for flag in found.flags],
            "generated": found.generated,
        },
    )
    rows = [
        {
            "document": document,
            "name": value.name,
            "position": value.position,
            "type": value.type,
            "value": value.value,
            "text": value.text,
            "confidence": value.confidence,
            "evidence": None if value.evidence is None else value.evidence.model_dump(mode="json"),
            "engine": value.engine,
            "model": value.model,
        }
        for value in found.values
    ]
    if rows:
        connection.execute(_FIELD, rows)


def path_of(connection: Connection, document: str) -> tuple[str, ...] | None:
    """The class that the document was extracted for; None where it was not extracted (yet)."""
    path = connection.execute(_PATH, {"document": document}).scalar()
    return None if path is None else tuple(path)


def rows_and_flags_of(connection: Connection, document: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The line items and the flags of a document, as `keep_values` wrote them; both empty where not extracted."""
    row = connection.execute(_FOUND, {"document": document}).first()
    return ([], []) if row is None else (row.line_items, row.flags)


def generated_of(connection: Connection, document: str) -> dict[str, list[str]]:
    """What the generated engine said of a document, by field; empty where it was not asked."""
    return connection.execute(_GENERATED, {"document": document}).scalar() or {}


def corrected_like(
    connection: Connection, workspace: str, document: str, path: Sequence[str], most: int
) -> dict[str, dict[str, list[str]]]:
    """What people typed in other documents of this class, by document and field; of the `most` last corrected."""
    found: dict[str, dict[str, list[str]]] = {}
    asked = {"workspace": workspace, "document": document, "path": list(path), "most": most}
    for row in connection.execute(_CORRECTED, asked):
        said = row.value if isinstance(row.value, list) else [] if row.value is None else [row.value]
        found.setdefault(row.document_id, {})[row.name] = [str(value) for value in said]
    return found


def known_values(
    connection: Connection, workspace: str, document: str, names: Sequence[str]
) -> dict[str, frozenset[str]]:
    """What the other documents of the workspace say in these fields, casefolded, by field."""
    found: dict[str, set[str]] = {name: set() for name in names}
    if names:
        for row in connection.execute(_KNOWN, {"workspace": workspace, "document": document, "names": list(names)}):
            found[row.name].add(row.value)
    return {name: frozenset(values) for name, values in found.items()}


def values_of(connection: Connection, documents: Sequence[str]) -> dict[str, list[ExportedValue]]:
    """The values of these documents, a person's word in place of the machine's; by document, in order."""
    found: dict[str, list[ExportedValue]] = {document: [] for document in documents}
    human: dict[str, set[str]] = {document: set() for document in documents}
    for row in connection.execute(_LABELS, {"documents": list(documents)}):
        human[row.document_id].add(row.name)
        said = row.value if isinstance(row.value, list) else [] if row.value is None else [row.value]
        for position, value in enumerate(said):
            found[row.document_id].append(
                ExportedValue(row.name, position, str(value), str(value), None, row.evidence, "human", row.author)
            )
    for row in connection.execute(_VALUES, {"documents": list(documents)}):
        if row.name not in human[row.document_id]:
            found[row.document_id].append(
                ExportedValue(
                    row.name, row.position, row.value, row.text, row.confidence, row.evidence, row.engine, row.model
                )
            )
    return found


def exported(connection: Connection, workspace: str, batch: str | None) -> Iterator[ExportedDocument]:
    """Every extracted document of the workspace, or of one batch, in order of their ids."""
    after = ""
    while rows := connection.execute(
        _EXPORTED, {"workspace": workspace, "batch": batch, "after": after, "most": _EXPORTED_AT_ONCE}
    ).all():
        values = values_of(connection, [row.id for row in rows])
        for row in rows:
            yield ExportedDocument(
                *(row.id, row.name, row.schema_name, tuple(row.path), row.decision),
                *(values[row.id], row.line_items, row.flags),
            )
        after = rows[-1].id


_SCHEMAS = text(
    "SELECT name, path, fields, line_items, constraints FROM"
    " (SELECT DISTINCT ON (name) * FROM extract.schemas WHERE workspace_id = :workspace"
    " ORDER BY name, version DESC) AS newest WHERE NOT deleted ORDER BY name"
)
_SCHEMA = text(
    "INSERT INTO extract.schemas (workspace_id, name, version, path, fields, line_items, constraints, deleted, author)"
    " SELECT :workspace, :name, coalesce(max(version), 0) + 1, :path, :fields, :line_items, :constraints, :deleted,"
    " :author FROM extract.schemas WHERE workspace_id = :workspace AND name = :name"
).bindparams(*(bindparam(name, type_=JSONB) for name in ("fields", "line_items", "constraints")))
_VERSIONS = text(
    "SELECT version, author, created_at, deleted, path, jsonb_array_length(fields) AS fields FROM extract.schemas"
    " WHERE workspace_id = :workspace AND name = :name ORDER BY version DESC"
)
_BELOW = text(
    "SELECT document_id FROM extract.extractions JOIN ledger.documents ON documents.id = document_id"
    " WHERE extractions.workspace_id = :workspace AND path[1:CAST(:depth AS int)] = CAST(:path AS text[])"
    " AND documents.state = 'succeeded'"
)
_FORGET = text("DELETE FROM extract.extractions WHERE document_id = :document")
_EXTRACTION = text(
    "INSERT INTO extract.extractions (document_id, workspace_id, schema_name, path, missing, line_items, flags,"
    " generated) VALUES (:document, :workspace, :schema, :path, :missing, :line_items, :flags, :generated)"
).bindparams(
    *(bindparam(name, type_=JSONB) for name in ("missing", "line_items", "flags")),
    bindparam("generated", type_=JSONB(none_as_null=True)),
)
_GENERATED = text("SELECT generated FROM extract.extractions WHERE document_id = :document")
_CORRECTED = text(
    # Blind audit labels measure; nothing is shown to a model from them.
    "SELECT document_id, labels.name, labels.value FROM review.published_labels AS labels"
    " JOIN extract.extractions USING (document_id) WHERE labels.workspace_id = :workspace AND task = 'field'"
    " AND NOT audit AND extractions.path = CAST(:path AS text[])"
    " AND document_id <> :document AND document_id IN (SELECT document_id FROM review.published_labels"
    " WHERE workspace_id = :workspace AND task = 'field' AND NOT audit GROUP BY document_id"
    " ORDER BY max(created_at) DESC LIMIT :most)"
)
_FOUND = text("SELECT line_items, flags FROM extract.extractions WHERE document_id = :document")
_KNOWN = text(
    "SELECT DISTINCT name, lower(value #>> '{}') AS value FROM extract.fields"
    " JOIN extract.extractions USING (document_id)"
    " WHERE workspace_id = :workspace AND document_id <> :document AND name = ANY(:names)"
)
_FIELD = text(
    "INSERT INTO extract.fields"
    " (document_id, name, position, type, value, text, confidence, evidence, engine, model) VALUES"
    " (:document, :name, :position, :type, :value, :text, :confidence, :evidence, :engine, :model)"
).bindparams(bindparam("value", type_=JSONB), bindparam("evidence", type_=JSONB(none_as_null=True)))
_PATH = text("SELECT path FROM extract.extractions WHERE document_id = :document")
_VALUES = text(
    "SELECT document_id, name, position, value, text, confidence, evidence, engine, model FROM extract.fields"
    " WHERE document_id = ANY(:documents) ORDER BY document_id, name, position"
)
_LABELS = text(
    # Audit labels are made blind to measure with: they are not facts of the desk.
    "SELECT document_id, name, value, evidence, author FROM review.published_labels"
    " WHERE document_id = ANY(:documents) AND task = 'field' AND NOT audit ORDER BY document_id, name"
)
_EXPORTED = text(
    "SELECT documents.id, documents.name, extractions.schema_name, extractions.path, verdicts.decision,"
    " extractions.line_items, extractions.flags"
    " FROM extract.extractions JOIN ledger.documents ON documents.id = extractions.document_id"
    " LEFT JOIN review.published_verdicts AS verdicts ON verdicts.document_id = documents.id"
    " WHERE extractions.workspace_id = :workspace AND documents.id > :after"
    " AND (CAST(:batch AS text) IS NULL OR documents.batch_id = :batch) ORDER BY documents.id LIMIT :most"
)
