"""`/v1/labels`: what people say is right, one label per thing said."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from sqlalchemy import Connection, Row, text

from services.review.settings import settings
from services.review.tables import said
from services.review.tables.decided import decide_on, settle_waiting
from services.review.tables.stated import stated_about
from shared import access, facts, queues
from shared.access import Caller
from shared.desk import Desk
from shared.documents import Reading, evidence_for
from shared.errors import NotFound, Refused
from shared.http import desk, reader, reviewer
from shared.jobs import Extract

router = APIRouter(prefix="/v1", tags=["review"])

Text = Annotated[str, StringConstraints(max_length=10_000)]
Level = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Place(BaseModel):
    """Where a value stands: `text[start:end]` of the document's reading, half open."""

    model_config = ConfigDict(extra="forbid")

    start: int = Field(ge=0)
    end: int = Field(gt=0)


class NewLabel(BaseModel):
    """One thing a person says about one document.

    Task `class`: `path` is the class, [] means outside of the taxonomy. Task `field`: `value` is the normal form (a
    list where the field holds many), null means that the document does not have it. `audit` labels were made
    blind to measure; nothing learns from them and they decide nothing.
    """

    model_config = ConfigDict(extra="forbid")

    document: str
    task: Literal["class", "field"]
    path: list[Level] | None = Field(default=None, max_length=10)
    name: str | None = Field(default=None, min_length=1, max_length=64)
    value: Text | list[Text] | None = None
    evidence: Place | None = None
    audit: bool = False

    @model_validator(mode="after")
    def _says_one_thing(self) -> NewLabel:
        if self.task == "class" and (self.path is None or self.name is not None or self.value is not None):
            raise ValueError("a class label has a path and neither name nor value")
        if self.task == "field" and (self.name is None or self.path is not None):
            raise ValueError("a field label has a name and no path")
        return self


class NewLabels(BaseModel):
    """At most a thousand labels; all are saved or none."""

    model_config = ConfigDict(extra="forbid")

    items: list[NewLabel] = Field(min_length=1, max_length=1000)


@router.post("/labels", status_code=201)
def save(new: NewLabels, caller: Caller = Depends(reviewer), desk: Desk = Depends(desk)) -> dict[str, Any]:
    """Save labels with author and time; a newer word supersedes the one before. A corrected class sends Extract."""
    with desk.transaction() as transaction:
        saved = write(transaction, desk, caller, new.items)
        settle_waiting(transaction, caller.workspace, settings())
    return {"items": [shown(row) for row in saved]}


@router.get("/labels")
def listed(
    document: str | None = None,
    task: Literal["class", "field"] | None = None,
    cursor: str | None = None,
    limit: int = Query(50, ge=1, le=200),
    caller: Caller = Depends(reader),
    desk: Desk = Depends(desk),
) -> dict[str, Any]:
    """Current labels, newest first."""
    with desk.engine.connect() as connection:
        rows = said.current(connection, caller.workspace, document=document, task=task, before=cursor, limit=limit + 1)
    return {
        "items": [shown(row) for row in rows[:limit]],
        "next_cursor": rows[limit - 1].id if len(rows) > limit else None,
    }


def write(transaction: Connection, desk: Desk, caller: Caller, items: list[NewLabel]) -> list[Row[Any]]:
    """Save labels, decide anew on their documents, and send Extract where the class is another one now.

    Raises NotFound on a document of another workspace, Refused on evidence that is not a place in its text.
    """
    documents = list(dict.fromkeys(item.document for item in items))
    _must_own(transaction, caller.workspace, documents)
    before = {document: known.path for document, known in stated_about(transaction, documents).items()}
    readings: dict[str, Reading] = {}
    rows = [_row(transaction, desk, item, readings) for item in items]
    saved = said.save(transaction, caller.workspace, caller.name, rows)
    after = stated_about(transaction, documents)
    moved = [document for document in documents if after[document].machine and after[document].path != before[document]]
    queues.send(transaction, caller.workspace, [Extract(document=document) for document in moved])
    decided = set(transaction.execute(_DECIDED, {"documents": documents}).scalars())
    decide_on(transaction, caller.workspace, [one for one in documents if one in decided], settings())
    subject = documents[0] if len(documents) == 1 else f"{len(documents)} documents"
    access.record(transaction, caller.workspace, caller.name, "label.save", subject, labels=len(saved))
    return saved


def shown(row: Row[Any]) -> dict[str, Any]:
    """A label for the caller."""
    return {
        "id": row.id,
        "document": row.document_id,
        "task": row.task,
        "name": row.name or None,
        "path": row.path,
        "value": row.value,
        "evidence": row.evidence,
        "author": row.author,
        "audit": row.audit,
        "created_at": row.created_at,
    }


def _must_own(connection: Connection, workspace: str, documents: list[str]) -> None:
    owned = set(connection.execute(_OWNED, {"documents": documents, "workspace": workspace}).scalars())
    missing = [document for document in documents if document not in owned]
    if missing:
        raise NotFound(f"There is no document {missing[0]}.", action="Check the id, and the workspace of the key.")


def _row(connection: Connection, desk: Desk, item: NewLabel, readings: dict[str, Reading]) -> dict[str, Any]:
    return {
        "document_id": item.document,
        "task": item.task,
        "name": item.name or "",
        "path": item.path,
        "value": item.value,
        "evidence": _evidence(connection, desk, item, readings),
        "audit": item.audit,
    }


def _evidence(
    connection: Connection, desk: Desk, item: NewLabel, readings: dict[str, Reading]
) -> dict[str, Any] | None:
    if item.evidence is None:
        return None
    if item.document not in readings:
        readings[item.document] = facts.reading(connection, desk.store, item.document)
    try:
        found = evidence_for(readings[item.document], item.document, item.evidence.start, item.evidence.end)
    except ValueError as wrong:
        raise Refused(
            f"The evidence of {item.name or 'the class'} is not a place in the text: {wrong}.",
            action="Send start and end of one stretch of text on one page.",
        ) from wrong
    return found.model_dump(mode="json")


_OWNED = text("SELECT id FROM ledger.documents WHERE id = ANY(:documents) AND workspace_id = :workspace")
_DECIDED = text("SELECT document_id FROM review.verdicts WHERE document_id = ANY(:documents)")
