"""The search route, and what both routes show of a passage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from services.chat import tables
from services.chat.retrieval import Question, Ranked
from services.chat.settings import encoder
from shared.access import Caller
from shared.desk import Desk
from shared.documents import Reading, decode, evidence_for
from shared.http import desk, reader

router = APIRouter(tags=["chat"])

#: Characters of a question that are looked at; a longer one is a document, not a question.
MOST_CHARACTERS = 4000


class Filters(BaseModel):
    """Which documents to look in; each None means no restriction."""

    model_config = ConfigDict(extra="forbid")

    documents: list[str] | None = Field(default=None, max_length=10_000)
    batch: str | None = None
    language: str | None = None


class Search(BaseModel):
    """What to look for, in words or as a question."""

    model_config = ConfigDict(extra="forbid")

    query: str = Field(min_length=1, max_length=MOST_CHARACTERS)
    limit: int = Field(default=10, ge=1, le=100)
    filters: Filters = Filters()


@router.post("/search")
def search(asked: Search, caller: Caller = Depends(reader), desk: Desk = Depends(desk)) -> dict[str, Any]:
    """The passages of the workspace that fit the query best."""
    question = Question(asked.query)
    with desk.engine.connect() as connection:
        only = _chosen(connection, caller.workspace, asked.filters)
        found, _ = tables.search(connection, caller.workspace, question, encoder(desk.cache), only)
        readings = readings_of(desk, connection, caller.workspace, found[: asked.limit])
    return {"items": [shown(one, readings) for one in found[: asked.limit] if one.passage.document in readings]}


def readings_of(desk: Desk, connection: Connection, workspace: str, found: Sequence[Ranked]) -> dict[str, Reading]:
    """The readings of the passages' documents; one that was deleted in this moment is left out."""
    return readings_of_documents(desk, connection, workspace, {one.passage.document for one in found})


def readings_of_documents(
    desk: Desk, connection: Connection, workspace: str, documents: Iterable[str]
) -> dict[str, Reading]:
    """The readings of these documents; one of another workspace, or that was deleted in this moment, is left out."""
    keys = tables.reading_keys(connection, workspace, documents)
    return {document: decode(desk.store.get(key)) for document, key in keys.items()}


def shown(one: Ranked, readings: dict[str, Reading]) -> dict[str, Any]:
    """A passage as the API answers it."""
    passage = one.passage
    evidence = evidence_for(readings[passage.document], passage.document, passage.start, passage.end)
    return {
        "document": passage.document,
        "name": passage.name,
        "page": passage.page,
        "text": passage.text,
        "start": passage.start,
        "end": passage.end,
        "boxes": evidence.boxes,
        "score": round(one.score, 4),
    }


def _chosen(connection: Connection, workspace: str, filters: Filters) -> list[str] | None:
    if filters.batch is None and filters.language is None:
        return filters.documents
    chosen = tables.documents_of(connection, workspace, filters.batch, filters.language)
    return chosen if filters.documents is None else sorted(set(chosen) & set(filters.documents))
