"""HTTP in: the taxonomy, and what a document is."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import PlainTextResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from services.classify import tables
from services.classify.taxonomy import (
    Description,
    Name,
    Node,
    Taxonomy,
    from_yaml,
    taxonomy_from,
    to_yaml,
    with_changes,
    with_node,
    without_node,
)
from shared import access, facts, queues
from shared.access import Caller
from shared.desk import Desk
from shared.errors import NotFound, Refused
from shared.http import admin, desk, reader
from shared.jobs import Classify

router = APIRouter()

#: A taxonomy file larger than this is a mistake.
_MOST_BYTES = 4 << 20
_YAML = "application/yaml"


class NewNode(BaseModel):
    """A class to add below `parent` (a path; empty is the top)."""

    model_config = ConfigDict(extra="forbid")

    parent: tuple[str, ...] = ()
    name: Name
    description: Description = ""


class NodeChange(BaseModel):
    """Another name or description for the class at `path`; null leaves it as it is."""

    model_config = ConfigDict(extra="forbid")

    path: tuple[str, ...] = Field(min_length=1)
    name: Name | None = None
    description: Description | None = None


async def written(request: Request, content_type: Annotated[str, Header()] = "") -> Taxonomy:
    """The taxonomy that a request carries, JSON or YAML; raises Refused on anything else."""
    content = await request.body()
    if len(content) > _MOST_BYTES:
        raise Refused(f"{len(content)} bytes are too many for a taxonomy; {_MOST_BYTES} is the most.")
    try:
        text = content.decode()
        return from_yaml(text) if "yaml" in content_type else taxonomy_from(json.loads(text))
    except UnicodeDecodeError as wrong:
        raise Refused("The taxonomy is not UTF-8 text.", action="Save the file as UTF-8.") from wrong
    except json.JSONDecodeError as wrong:
        raise Refused(
            f"The taxonomy is not JSON: {wrong}.",
            action=f"Send YAML with 'Content-Type: {_YAML}'.",
            code="taxonomy_malformed",
        ) from wrong


@router.get("/taxonomy")
def current(
    accept: Annotated[str, Header()] = "", caller: Caller = Depends(reader), desk: Desk = Depends(desk)
) -> Response:
    """The newest taxonomy, as JSON, or as a YAML file where Accept asks for it; version 0 where there is none yet."""
    with desk.engine.connect() as connection:
        version, taxonomy = tables.taxonomy_of(connection, caller.workspace)
    if "yaml" in accept:
        return PlainTextResponse(to_yaml(taxonomy), media_type=_YAML)
    return Response(json.dumps(_shown(version, taxonomy), ensure_ascii=False), media_type="application/json")


@router.put("/taxonomy")
def replace(
    caller: Caller = Depends(admin), taxonomy: Taxonomy = Depends(written), desk: Desk = Depends(desk)
) -> dict[str, Any]:
    """Make a new version; documents whose class it no longer has are classified again."""
    with desk.transaction() as transaction:
        tables.wait_for_turn(transaction, caller.workspace)
        return _kept(transaction, caller, taxonomy)


@router.get("/taxonomy/versions")
def versions(
    cursor: int | None = None,
    limit: int = Query(50, ge=1, le=200),
    caller: Caller = Depends(reader),
    desk: Desk = Depends(desk),
) -> dict[str, Any]:
    """Every version with its author and number of leaves, newest first."""
    with desk.engine.connect() as connection:
        rows = tables.versions_of(connection, caller.workspace, cursor, limit + 1)
    items = [
        {
            "version": row.version,
            "author": row.author,
            "created_at": row.created_at,
            "leaves": len(Taxonomy.model_validate(row.tree).leaves()),
        }
        for row in rows[:limit]
    ]
    return {"items": items, "next_cursor": str(rows[limit - 1].version) if len(rows) > limit else None}


@router.post("/taxonomy/nodes", status_code=201)
def add(node: NewNode, caller: Caller = Depends(admin), desk: Desk = Depends(desk)) -> dict[str, Any]:
    """Add a class; answers the new version of the taxonomy."""
    with desk.transaction() as transaction:
        before = _before_edit(transaction, caller)
        new = Node(name=node.name, description=node.description)
        return _kept(transaction, caller, with_node(before, node.parent, new))


@router.patch("/taxonomy/nodes")
def change(change: NodeChange, caller: Caller = Depends(admin), desk: Desk = Depends(desk)) -> dict[str, Any]:
    """Rename or describe a class; answers the new version of the taxonomy.

    Labels and learned models that know the class by its former name go on counting.
    """
    with desk.transaction() as transaction:
        before = _before_edit(transaction, caller)
        after = with_changes(before, change.path, change.name, change.description)
        if change.name is not None and change.name != change.path[-1]:
            version, _ = tables.taxonomy_of(transaction, caller.workspace)
            renamed = (*change.path[:-1], change.name)
            tables.keep_move(transaction, caller.workspace, version + 1, change.path, renamed)
        return _kept(transaction, caller, after)


@router.delete("/taxonomy/nodes")
def remove(
    path: Annotated[list[str], Query(min_length=1)], caller: Caller = Depends(admin), desk: Desk = Depends(desk)
) -> dict[str, Any]:
    """Remove the class at `?path=…&path=…` with all below it; answers the new version of the taxonomy."""
    with desk.transaction() as transaction:
        before = _before_edit(transaction, caller)
        return _kept(transaction, caller, without_node(before, tuple(path)))


@router.get("/documents/{document}/classes")
def classes(document: str, caller: Caller = Depends(reader), desk: Desk = Depends(desk)) -> dict[str, Any]:
    """What the machine says the document is. `path` is empty where `in_scope` is false; see `alternatives` then."""
    with desk.engine.connect() as connection:
        facts.in_workspace(connection, caller.workspace, document)
        row = tables.class_row(connection, document)
    if row is None:
        raise NotFound(
            f"Document {document} has no class yet.", action="Wait until its state is succeeded; is there a taxonomy?"
        )
    return {
        "path": row.path,
        "confidence": row.confidence,
        "in_scope": row.in_scope,
        "model": row.model,
        "alternatives": row.alternatives,
        "created_at": row.created_at,
    }


def _before_edit(transaction: Connection, caller: Caller) -> Taxonomy:
    tables.wait_for_turn(transaction, caller.workspace)
    return tables.taxonomy_of(transaction, caller.workspace)[1]


def _kept(transaction: Connection, caller: Caller, taxonomy: Taxonomy) -> dict[str, Any]:
    before, _ = tables.taxonomy_of(transaction, caller.workspace)
    version = tables.keep_taxonomy(transaction, caller.workspace, taxonomy, caller.name)
    if version != before:
        access.record(transaction, caller.workspace, caller.name, "taxonomy.change", f"version {version}")
        astray = tables.astray(transaction, caller.workspace, taxonomy.leaves())
        queues.send(transaction, caller.workspace, [Classify(document=document) for document in astray], bulk=True)
    return _shown(version, taxonomy)


def _shown(version: int, taxonomy: Taxonomy) -> dict[str, Any]:
    return {"version": version, **taxonomy.model_dump(mode="json")}
