"""HTTP in: field schemas, the fields of a document, and export."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import PlainTextResponse, Response, StreamingResponse
from sqlalchemy import Connection

from services.extract import tables
from services.extract.api import studio
from services.extract.export import Columns, as_csv, as_jsonl, as_parquet, as_xlsx
from services.extract.json_schema import json_schema_of, schema_from_json_schema
from services.extract.schema import Schema, as_plain, parse_schemas, resolved, written_yaml
from shared import access, facts, queues
from shared.access import Caller
from shared.desk import Desk
from shared.errors import NotFound, Refused
from shared.http import admin, desk, reader
from shared.jobs import Extract

router = APIRouter(prefix="/v1", tags=["extract"])
router.include_router(studio.router)

#: A schema file larger than this is a mistake.
_MOST_BYTES = 1 << 20
_YAML, _JSON_SCHEMA = "application/yaml", "application/schema+json"
#: Ids of documents to be extracted again that an answer names; it always says how many.
_MOST_NAMED = 200
_PARQUET = "application/vnd.apache.parquet"
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


async def written(request: Request) -> str:
    """The schemas that a request carries, as text; raises Refused on too many bytes, or others than UTF-8."""
    content = await request.body()
    if len(content) > _MOST_BYTES:
        raise Refused(f"{len(content)} bytes are too many for schemas; {_MOST_BYTES} is the most.")
    try:
        return content.decode()
    except UnicodeDecodeError as wrong:
        raise Refused("The schemas are not UTF-8 text.", action="Save the file as UTF-8.") from wrong


@router.get("/schemas")
def listed(
    accept: Annotated[str, Header()] = "", caller: Caller = Depends(reader), desk: Desk = Depends(desk)
) -> Response:
    """All schemas of the workspace, as JSON, or as YAML where Accept asks for it."""
    with desk.engine.connect() as connection:
        schemas = tables.schemas_of(connection, caller.workspace)
    if "yaml" in accept:
        return PlainTextResponse(written_yaml(schemas), media_type=_YAML)
    return _json({"items": [as_plain(schema) for schema in schemas], "next_cursor": None})


@router.put("/schemas")
def replace(
    written: str = Depends(written), caller: Caller = Depends(admin), desk: Desk = Depends(desk)
) -> dict[str, Any]:
    """Make the schemas of a YAML or JSON file the only ones; documents below a changed one are extracted again."""
    schemas = parse_schemas(written)
    with desk.transaction() as transaction:
        before = {schema.name: schema for schema in tables.schemas_of(transaction, caller.workspace)}
        after = {schema.name: schema for schema in schemas}
        gone = [schema for name, schema in before.items() if name not in after]
        changed = [schema for name, schema in after.items() if before.get(name) != schema]
        for schema in gone:
            tables.keep_schema(transaction, caller.workspace, schema, caller.name, deleted=True)
        for schema in changed:
            tables.keep_schema(transaction, caller.workspace, schema, caller.name)
        moved = [before[schema.name] for schema in changed if schema.name in before]
        again = _extract_again(transaction, caller, [*gone, *changed, *moved])
    return {"items": [as_plain(schema) for schema in schemas], "next_cursor": None, "extracted_again": len(again)}


@router.get("/schemas/{name}")
def one(
    name: str,
    resolved: bool = False,
    accept: Annotated[str, Header()] = "",
    caller: Caller = Depends(reader),
    desk: Desk = Depends(desk),
) -> Response:
    """One schema, as JSON, YAML or JSON Schema by Accept; `resolved=true` adds the fields of the nodes above."""
    with desk.engine.connect() as connection:
        schema = _found(connection, caller.workspace, name, with_parents=resolved)
    if "yaml" in accept:
        return PlainTextResponse(written_yaml([schema]), media_type=_YAML)
    if "schema+json" in accept:
        return Response(json.dumps(json_schema_of(schema), ensure_ascii=False, indent=2), media_type=_JSON_SCHEMA)
    return _json(as_plain(schema))


@router.put("/schemas/{name}")
def keep(
    name: str,
    dry_run: bool = False,
    written: str = Depends(written),
    caller: Caller = Depends(admin),
    desk: Desk = Depends(desk),
) -> dict[str, Any]:
    """Make a schema, or a new version of it; documents below it are extracted again.

    The body is our YAML or JSON, or a JSON Schema. With `dry_run` nothing changes, and the answer says which
    documents would be extracted again.
    """
    given = [schema_from_json_schema(json.loads(written), name)] if _is_json_schema(written) else parse_schemas(written)
    if len(given) != 1 or given[0].name != name:
        raise Refused(f"The body must hold the schema {name!r} and no other.", action="Rename it, or PUT /v1/schemas.")
    with desk.transaction() as transaction:
        before = [schema for schema in tables.schemas_of(transaction, caller.workspace) if schema.name == name]
        if dry_run:
            paths = {schema.path for schema in [*before, *given]} if before != given else set()
            again = tables.documents_below(transaction, caller.workspace, paths)
            return as_plain(given[0]) | {"extracted_again": len(again), "documents": again[:_MOST_NAMED]}
        again = []
        if before != given:
            tables.keep_schema(transaction, caller.workspace, given[0], caller.name)
            again = _extract_again(transaction, caller, [*before, *given])
    return as_plain(given[0]) | {"extracted_again": len(again), "documents": again[:_MOST_NAMED]}


@router.delete("/schemas/{name}", status_code=204)
def delete(name: str, caller: Caller = Depends(admin), desk: Desk = Depends(desk)) -> None:
    """End a schema; its versions stay in the history, and documents below it are extracted again without it."""
    with desk.transaction() as transaction:
        schema = _found(transaction, caller.workspace, name)
        tables.keep_schema(transaction, caller.workspace, schema, caller.name, deleted=True)
        _extract_again(transaction, caller, [schema])


@router.get("/schemas/{name}/versions")
def versions(name: str, caller: Caller = Depends(reader), desk: Desk = Depends(desk)) -> dict[str, Any]:
    """Every version of a schema, the newest first."""
    with desk.engine.connect() as connection:
        found = tables.versions_of(connection, caller.workspace, name)
    if not found:
        raise NotFound(f"There is no schema {name!r}.", action="GET /v1/schemas lists them.")
    return {"items": found, "next_cursor": None}


@router.get("/documents/{document}/fields")
def fields(document: str, caller: Caller = Depends(reader), desk: Desk = Depends(desk)) -> dict[str, Any]:
    """Every field that the document's schema calls for, with its values; those without a value are empty."""
    with desk.engine.connect() as connection:
        facts.in_workspace(connection, caller.workspace, document)
        path = tables.path_of(connection, document)
        schemas = tables.schemas_of(connection, caller.workspace)
        values = tables.values_of(connection, [document])[document]
        rows, flags = tables.rows_and_flags_of(connection, document)
    schema = resolved(schemas, path) if path is not None else None
    shown = [
        {
            "name": field.name,
            "type": field.type,
            "many": field.takes_many,
            "required": field.required,
            "description": field.description,
            "choices": list(field.choices),
            "values": [
                {
                    "value": value.value,
                    "text": value.text,
                    "confidence": value.confidence,
                    "evidence": value.evidence,
                    "engine": value.engine,
                    "model": value.model,
                }
                for value in values
                if value.name == field.name
            ],
        }
        for field in (schema.fields if schema is not None else ())
    ]
    columns = [{"name": column.name, "type": column.type} for column in (schema.line_items if schema else ())]
    return {
        "schema": schema.name if schema is not None else None,
        "fields": shown,
        "line_items": {"columns": columns, "rows": rows},
        "flags": flags,
    }


@router.get("/export")
def export(
    request: Request,
    format: Literal["csv", "jsonl", "xlsx", "parquet"] = "csv",
    batch: str | None = None,
    caller: Caller = Depends(reader),
    desk: Desk = Depends(desk),
) -> Response:
    """The facts of the workspace, or of one batch, as a file: one row per document, in Parquet one per value."""
    with desk.transaction() as transaction:
        schemas = tables.schemas_of(transaction, caller.workspace)
        access.record(transaction, caller.workspace, caller.name, "export", batch or "all", format=format)
    headers = {"Content-Disposition": f'attachment; filename="dossier-export.{format}"'}
    if format in ("xlsx", "parquet"):
        with desk.engine.connect() as connection:
            found = tables.exported(connection, caller.workspace, batch)
            if format == "parquet":
                return Response(as_parquet(found), media_type=_PARQUET, headers=headers)
            content = as_xlsx(found, _columns(schemas), str(request.base_url).rstrip("/"))
            return Response(content, media_type=_XLSX, headers=headers)
    return StreamingResponse(
        _lines(desk, caller.workspace, batch, schemas, format),
        media_type="text/csv; charset=utf-8" if format == "csv" else "application/x-ndjson",
        headers=headers,
    )


def _lines(desk: Desk, workspace: str, batch: str | None, schemas: Sequence[Schema], format: str) -> Any:
    """The lines of a text export, read from the database while they are sent."""
    with desk.engine.connect() as connection:
        found = tables.exported(connection, workspace, batch)
        if format == "jsonl":
            yield from as_jsonl(found)
        else:
            columns = list(dict.fromkeys(name for one in _columns(schemas).values() for name in one.fields))
            yield from as_csv(found, columns)


def _columns(schemas: Sequence[Schema]) -> dict[str, Columns]:
    """What documents of each schema have, inherited fields included, by schema name."""
    merged = {schema.name: resolved(schemas, schema.path) for schema in schemas}
    return {
        name: Columns(
            {field.name: field.type for field in schema.fields},
            {column.name: column.type for column in schema.line_items},
        )
        for name, schema in merged.items()
        if schema is not None
    }


def _found(connection: Connection, workspace: str, name: str, *, with_parents: bool = False) -> Schema:
    schemas = tables.schemas_of(connection, workspace)
    found = next((schema for schema in schemas if schema.name == name), None)
    if found is None:
        raise NotFound(f"There is no schema {name!r}.", action="GET /v1/schemas lists them.")
    if with_parents:
        merged = resolved([schema for schema in schemas if schema.path != found.path or schema is found], found.path)
        return merged or found
    return found


def _is_json_schema(written: str) -> bool:
    return written.lstrip().startswith("{") and '"properties"' in written


def _extract_again(connection: Connection, caller: Caller, changed: Sequence[Schema]) -> list[str]:
    """Send the documents below changed schemas through extraction once more; which."""
    documents = tables.documents_below(connection, caller.workspace, {schema.path for schema in changed})
    queues.send(connection, caller.workspace, [Extract(document=document) for document in documents])
    if changed:
        names = sorted({schema.name for schema in changed})
        access.record(
            connection, caller.workspace, caller.name, "schemas.change", names[0], names=names, again=len(documents)
        )
    return documents


def _json(content: Any) -> Response:
    return Response(json.dumps(content, ensure_ascii=False), media_type="application/json")
