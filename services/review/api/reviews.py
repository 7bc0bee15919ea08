"""`/v1/reviews`: the queue of documents a person should look at, and the act of being done with one."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, select

from services.review.api.labels import Level, NewLabel, Place, Text, shown, write
from services.review.settings import settings
from services.review.tables import said, verdicts
from services.review.tables.decided import decide_on, queue, settle_waiting, waiting
from services.review.tables.stated import Stated, stated_about
from shared import access, facts
from shared.access import Caller
from shared.desk import Desk
from shared.errors import Conflict, Refused
from shared.http import desk, reader, reviewer

router = APIRouter(prefix="/v1", tags=["review"])

#: More labels than any schema has fields.
MOST_LABELS = 1000


class ClassAction(BaseModel):
    """Accept the class as it is, correct it to `path`, or reject it: outside of the taxonomy."""

    model_config = ConfigDict(extra="forbid")

    action: Literal["accept", "correct", "reject"]
    path: list[Level] | None = Field(default=None, max_length=10)


class FieldAction(BaseModel):
    """Accept what the machine found, correct it to `value`, or reject it: the document does not have this field."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=64)
    action: Literal["accept", "correct", "reject"]
    value: Text | list[Text] | None = None
    evidence: Place | None = None


class NewReview(BaseModel):
    """What a person decided about one document; fields that are not named stay as they are."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    about: ClassAction | None = Field(default=None, alias="class")
    fields: list[FieldAction] = Field(default=[], max_length=500)


@router.get("/reviews")
def listed(
    batch: str | None = None,
    cursor: str | None = None,
    limit: int = Query(50, ge=1, le=200),
    caller: Caller = Depends(reader),
    desk: Desk = Depends(desk),
) -> dict[str, Any]:
    """Documents that wait for a person, the most useful to look at first; `waiting` counts them all."""
    after = None if cursor is None else _place(cursor)
    with desk.transaction() as connection:
        settle_waiting(connection, caller.workspace, settings())
        rows = queue(connection, caller.workspace, batch=batch, after=after, limit=limit + 1)
        number = waiting(connection, caller.workspace, batch)
    items = [
        {
            "document": row.document_id,
            "name": row.name,
            "path": row.path,
            "reasons": row.reasons,
            "created_at": row.created_at,
        }
        for row in rows[:limit]
    ]
    last = rows[limit - 1] if len(rows) > limit else None
    following = None if last is None else f"{last.usefulness}:{last.document_id}"
    return {"items": items, "next_cursor": following, "waiting": number}


@router.get("/reviews/{document}")
def one(document: str, caller: Caller = Depends(reader), desk: Desk = Depends(desk)) -> dict[str, Any]:
    """The decision on a document with its reasons, and what people said about it. `decision` null: none yet."""
    with desk.engine.connect() as connection:
        name = facts.in_workspace(connection, caller.workspace, document)
        return {"document": document, "name": name} | _standing(connection, caller.workspace, document)


@router.post("/reviews/{document}")
def close(
    document: str, review: NewReview, caller: Caller = Depends(reviewer), desk: Desk = Depends(desk)
) -> dict[str, Any]:
    """Save the decisions as labels and close the review.

    Where the class is another one now, the review stays open: the fields of the new class are looked for first.
    """
    with desk.transaction() as transaction:
        name = facts.in_workspace(transaction, caller.workspace, document)
        before = stated_about(transaction, [document])[document]
        items = _labels(document, review, before)
        if items:
            write(transaction, desk, caller, items)
        after = stated_about(transaction, [document])[document]
        if after.path is not None and after.path == before.path:
            said.close(transaction, caller.workspace, caller.name, document, after.path)
            access.record(transaction, caller.workspace, caller.name, "review.close", document)
        decide_on(transaction, caller.workspace, [document], settings())
        settle_waiting(transaction, caller.workspace, settings())
        return {"document": document, "name": name} | _standing(transaction, caller.workspace, document)


def _standing(connection: Connection, workspace: str, document: str) -> dict[str, Any]:
    verdict = connection.execute(select(verdicts).where(verdicts.c.document_id == document)).first()
    labels = said.current(connection, workspace, document=document, limit=MOST_LABELS)
    closed = said.last_review(connection, document)
    path = stated_about(connection, [document])[document].path
    return {
        "path": None if path is None else list(path),
        "decision": verdict and verdict.decision,
        "reasons": verdict.reasons if verdict else [],
        "labels": [shown(row) for row in labels if not row.audit],
        "reviewed_by": closed and closed.author,
        "reviewed_at": closed and closed.created_at,
        "created_at": verdict and verdict.created_at,
    }


def _labels(document: str, review: NewReview, known: Stated) -> list[NewLabel]:
    """The labels that a review's actions amount to; raises Refused where there is nothing to accept."""
    items = []
    if review.about is not None:
        items.append(NewLabel(document=document, task="class", path=_path(review.about, known)))
    for action in review.fields:
        value, place = _value(action, known)
        items.append(NewLabel(document=document, task="field", name=action.name, value=value, evidence=place))
    return items


def _path(action: ClassAction, known: Stated) -> list[str]:
    if action.action == "reject":
        return []
    if action.action == "correct":
        if action.path is None:
            raise Refused("A corrected class needs its path.", action="Send path, or reject the class instead.")
        return action.path
    if known.path is None:
        raise Conflict("This document has no class yet that could be accepted.", action="Wait until it is done.")
    return list(known.path)


def _value(action: FieldAction, known: Stated) -> tuple[str | list[str] | None, Place | None]:
    if action.action == "reject":
        return None, None
    if action.action == "correct":
        return action.value, action.evidence
    values = [row for row in known.fields.get(action.name, []) if row.value is not None]
    if not values:
        raise Conflict(
            f"The machine found no value of {action.name} that could be accepted.",
            action="Correct the field, or reject it if the document does not have it.",
        )
    evidence = values[0].evidence
    place = None if evidence is None else Place(start=evidence["start"], end=evidence["end"])
    texts = [str(row.value) for row in values]
    return (texts if len(texts) > 1 else texts[0]), place


def _place(cursor: str) -> tuple[float, str]:
    usefulness, _, document = cursor.partition(":")
    try:
        return float(usefulness), document
    except ValueError:
        raise Refused(f"{cursor!r} is no cursor of this list.", action="Send next_cursor as it was given.") from None
