"""What one service may read of another: the published views, and typed readers over them.

A service writes only its own schema; others read it only through the views named here. The columns are the contract
(docs/architecture.md); `tests/contracts/test_views.py` holds the views to it.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from shared.documents import Evidence, Reading, decode
from shared.errors import NotFound
from shared.store import Store

#: view name -> its columns, in order.
VIEWS: dict[str, tuple[str, ...]] = {
    "ingest.published_readings": (
        "document_id", "reading_key", "original_key", "media_type", "language", "page_count", "sha256",
        "size_bytes", "quality", "source",
    ),
    "classify.published_classes": ("document_id", "path", "confidence", "in_scope", "model", "created_at"),
    "classify.published_taxonomy": ("workspace_id", "path", "description"),
    "extract.published_schemas": ("workspace_id", "path", "name", "type", "description", "anchors"),
    "extract.published_fields": (
        "document_id", "name", "position", "value", "text", "confidence", "evidence", "engine", "model", "type",
        "created_at",
    ),
    "review.published_labels": (
        "id", "workspace_id", "document_id", "task", "name", "path", "value", "evidence", "author", "created_at",
        "audit",
    ),
    "review.published_verdicts": ("document_id", "decision", "reasons", "created_at"),
    "train.published_runs": ("id", "workspace_id", "role", "snapshot_key", "promote", "parameters"),
}  # fmt: skip


@dataclass(frozen=True)
class Class:
    """What a document is. `confidence` has one entry per level of `path`, None where it was not scored.

    `path` is () where none fits (out of scope). `human` tells a person's word from a model's.
    """

    path: tuple[str, ...]
    confidence: tuple[float | None, ...]
    model: str
    human: bool


@dataclass(frozen=True)
class FieldValue:
    """One value of one field as extracted; `value` is its normal form, `text` as printed."""

    name: str
    position: int
    value: Any
    text: str | None
    confidence: float | None
    evidence: Evidence | None
    engine: str
    type: str


@dataclass(frozen=True)
class Label:
    """A person's word on one document: its class (`task` "class", in `path`) or one field (`name`, `value`).

    `audit` labels are ground truth for measuring, made blind on a random sample: nothing ever learns from them.
    """

    id: str
    document: str
    task: str
    name: str | None
    path: tuple[str, ...] | None
    value: Any
    evidence: dict[str, Any] | None
    author: str
    created_at: datetime.datetime
    audit: bool


@dataclass(frozen=True)
class Run:
    """A training run as its handler sees it."""

    id: str
    workspace: str
    role: str
    snapshot_key: str | None
    promote: bool
    parameters: dict[str, Any]


def reading(connection: Connection, store: Store, document: str) -> Reading:
    """The document's reading; raises NotFound where it has none (yet)."""
    key = connection.execute(_READING_KEY, {"document": document}).scalar()
    if key is None:
        raise NotFound(f"Document {document} has not been read yet.", action="Wait until its state is succeeded.")
    return decode(store.get(key))


def class_of(connection: Connection, document: str) -> Class | None:
    """The document's class: a person's word where there is one, else the machine's; None where there is neither.

    Audit labels stay out: they measure the desk, they do not decide for it.
    """
    human = connection.execute(_HUMAN_CLASS, {"document": document}).first()
    if human is not None:
        path = tuple(human.path or ())
        return Class(path, (None,) * len(path), f"human:{human.author}", human=True)
    row = connection.execute(_MACHINE_CLASS, {"document": document}).first()
    if row is None:
        return None
    return Class(tuple(row.path), tuple(row.confidence), row.model, human=False)


def fields_of(connection: Connection, document: str) -> list[FieldValue]:
    """Every extracted value of the document, by field name and position."""
    return [
        FieldValue(
            row.name,
            row.position,
            row.value,
            row.text,
            row.confidence,
            Evidence.model_validate(row.evidence) if row.evidence is not None else None,
            row.engine,
            row.type,
        )
        for row in connection.execute(_FIELDS, {"document": document})
    ]


def labels(
    connection: Connection,
    workspace: str,
    *,
    task: str | None = None,
    documents: Sequence[str] | None = None,
    audit: bool | None = False,
) -> list[Label]:
    """Current labels of a workspace, oldest first; `documents` None means all of them.

    `audit` False gives those to learn from, True those to measure with, None both.
    """
    chosen = {"workspace": workspace, "task": task, "audit": audit}
    rows = connection.execute(_LABELS, chosen | {"documents": None if documents is None else list(documents)})
    return [
        Label(
            row.id,
            row.document_id,
            row.task,
            row.name,
            None if row.path is None else tuple(row.path),
            row.value,
            row.evidence,
            row.author,
            row.created_at,
            row.audit,
        )
        for row in rows
    ]


def run(connection: Connection, run_id: str) -> Run:
    """The run with that id; raises NotFound where there is none."""
    row = connection.execute(_RUN, {"id": run_id}).first()
    if row is None:
        raise NotFound(f"There is no run {run_id}.")
    return Run(row.id, row.workspace_id, row.role, row.snapshot_key, row.promote, row.parameters or {})


def in_workspace(connection: Connection, workspace: str, document: str) -> str:
    """The document's name; raises NotFound where this workspace has no such document."""
    name = connection.execute(_OWNED, {"document": document, "workspace": workspace}).scalar()
    if name is None:
        raise NotFound(f"There is no document {document}.", action="Check the id, and the workspace of the key.")
    return str(name)


_READING_KEY = text("SELECT reading_key FROM ingest.published_readings WHERE document_id = :document")
_HUMAN_CLASS = text(
    "SELECT path, author FROM review.published_labels WHERE document_id = :document AND task = 'class'"
    " AND NOT audit"
    " ORDER BY created_at DESC LIMIT 1"
)
_MACHINE_CLASS = text("SELECT path, confidence, model FROM classify.published_classes WHERE document_id = :document")
_FIELDS = text(
    "SELECT name, position, value, text, confidence, evidence, engine, type FROM extract.published_fields"
    " WHERE document_id = :document ORDER BY name, position"
)
_LABELS = text(
    "SELECT id, document_id, task, name, path, value, evidence, author, created_at, audit"
    " FROM review.published_labels WHERE workspace_id = :workspace AND (CAST(:task AS text) IS NULL OR task = :task)"
    " AND (CAST(:audit AS boolean) IS NULL OR audit = :audit)"
    " AND (CAST(:documents AS text[]) IS NULL OR document_id = ANY(CAST(:documents AS text[])))"
    " ORDER BY created_at, id"
)
_RUN = text("SELECT id, workspace_id, role, snapshot_key, promote, parameters FROM train.published_runs WHERE id = :id")
_OWNED = text("SELECT name FROM ledger.documents WHERE id = :document AND workspace_id = :workspace")
