"""Classify's tables in Postgres, and the only SQL over them: the taxonomy's versions, and the documents' classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from services.classify.model import Prediction
from services.classify.moving import Move
from services.classify.taxonomy import Path, Taxonomy
from shared import ledger


def taxonomy_of(connection: Connection, workspace: str) -> tuple[int, Taxonomy]:
    """The newest version of the workspace's taxonomy; version 0, without classes, where there is none yet."""
    row = connection.execute(_NEWEST, {"workspace": workspace}).first()
    return (0, Taxonomy()) if row is None else (row.version, Taxonomy.model_validate(row.tree))


def keep_taxonomy(connection: Connection, workspace: str, taxonomy: Taxonomy, author: str) -> int:
    """Make `taxonomy` the newest version; its number. Nothing is written where it is the newest already.

    The caller has waited for its turn.
    """
    version, newest = taxonomy_of(connection, workspace)
    if version and newest == taxonomy:
        return version
    tree = taxonomy.model_dump(mode="json")
    connection.execute(_KEEP_TAXONOMY, {"workspace": workspace, "version": version + 1, "tree": tree, "author": author})
    return version + 1


def keep_move(connection: Connection, workspace: str, version: int, source: Path, target: Path) -> None:
    """From `version` on, the class at `source` is at `target`."""
    row = {"id": ledger.new_id("mov"), "workspace": workspace, "version": version}
    connection.execute(_KEEP_MOVE, row | {"source": list(source), "target": list(target)})


def moves_of(connection: Connection, workspace: str) -> list[Move]:
    """Every renaming of a class, the oldest first."""
    rows = connection.execute(_MOVES, {"workspace": workspace})
    return [Move(row.id, row.version, tuple(row.source), tuple(row.target)) for row in rows]


def wait_for_turn(connection: Connection, workspace: str) -> None:
    """Wait until nobody else changes this workspace's taxonomy, so that an edit builds on what it read."""
    connection.execute(_TURN, {"workspace": workspace})


def versions_of(connection: Connection, workspace: str, before: int | None, limit: int) -> Sequence[Row[Any]]:
    """Versions (version, author, created_at, tree), newest first; `before` None begins with the newest."""
    return connection.execute(_VERSIONS, {"workspace": workspace, "before": before, "limit": limit}).all()


def keep_class(
    connection: Connection, workspace: str, document: str, answer: Prediction, model: str, version: int, vector: bytes
) -> None:
    """Make `answer` the document's one class; out of scope is the empty path. `vector`: half-precision floats."""
    connection.execute(_FORGET, {"document": document})
    connection.execute(
        _KEEP_CLASS,
        {
            "document": document,
            "workspace": workspace,
            "path": list(answer.path) if answer.in_scope else [],
            "confidence": list(answer.confidence) if answer.in_scope else [],
            "in_scope": answer.in_scope,
            "alternatives": [{"path": list(one.path), "confidence": one.confidence} for one in answer.alternatives],
            "model": model,
            "version": version,
            "vector": vector,
        },
    )


def forget_class(connection: Connection, document: str) -> None:
    """The document has no class any more."""
    connection.execute(_FORGET, {"document": document})


def class_row(connection: Connection, document: str) -> Row[Any] | None:
    """The machine's word on the document, None before there is one."""
    return connection.execute(_CLASS, {"document": document}).first()


def astray(connection: Connection, workspace: str, leaves: Sequence[Sequence[str]]) -> list[str]:
    """Finished documents of the workspace whose class is not among `leaves`, or that have none."""
    known = ["\x1f".join(path) for path in leaves]
    return list(connection.execute(_ASTRAY, {"workspace": workspace, "leaves": known}).scalars())


def unlabelled(connection: Connection, workspace: str, limit: int) -> Sequence[Row[Any]]:
    """Finished documents without a person's class (document_id, name, path, sure, vector), the least sure first.

    `sure` is the confidence in the whole path, null where it was not scored.
    """
    return connection.execute(_UNLABELLED, {"workspace": workspace, "limit": limit}).all()


def labelled_vectors(connection: Connection, workspace: str) -> list[bytes]:
    """The sentence vectors of documents that have a person's class to learn from."""
    return list(connection.execute(_LABELLED, {"workspace": workspace}).scalars())


_TURN = text("SELECT pg_advisory_xact_lock(hashtext('classify.taxonomy'), hashtext(:workspace))")
_NEWEST = text(
    "SELECT version, tree FROM classify.taxonomies WHERE workspace_id = :workspace ORDER BY version DESC LIMIT 1"
)
_KEEP_TAXONOMY = text(
    "INSERT INTO classify.taxonomies (workspace_id, version, tree, author)"
    " VALUES (:workspace, :version, :tree, :author)"
).bindparams(bindparam("tree", type_=JSONB))
_VERSIONS = text(
    "SELECT version, author, created_at, tree FROM classify.taxonomies WHERE workspace_id = :workspace"
    " AND (CAST(:before AS int) IS NULL OR version < :before) ORDER BY version DESC LIMIT :limit"
)
_FORGET = text("DELETE FROM classify.classes WHERE document_id = :document")
_KEEP_CLASS = text(
    "INSERT INTO classify.classes"
    " (document_id, workspace_id, path, confidence, in_scope, alternatives, model, taxonomy_version, vector) VALUES"
    " (:document, :workspace, :path, CAST(:confidence AS double precision[]), :in_scope, :alternatives, :model,"
    " :version, :vector)"
).bindparams(bindparam("alternatives", type_=JSONB))
_CLASS = text(
    "SELECT path, confidence, in_scope, alternatives, model, created_at FROM classify.classes"
    " WHERE document_id = :document"
)
_ASTRAY = text(
    "SELECT documents.id FROM ledger.documents JOIN ingest.published_readings ON document_id = documents.id"
    " LEFT JOIN classify.classes ON classes.document_id = documents.id"
    " WHERE documents.workspace_id = :workspace AND documents.state = 'succeeded' AND (classes.document_id IS NULL"
    " OR (in_scope AND array_to_string(path, E'\\x1f') <> ALL(:leaves))) ORDER BY documents.id"
)
_KEEP_MOVE = text(
    "INSERT INTO classify.moves (id, workspace_id, version, source, target)"
    " VALUES (:id, :workspace, :version, :source, :target)"
)
_MOVES = text("SELECT id, version, source, target FROM classify.moves WHERE workspace_id = :workspace ORDER BY id")
_UNLABELLED = text(
    "SELECT c.document_id, d.name, c.path, c.confidence[cardinality(c.confidence)] AS sure, c.vector"
    " FROM classify.classes c JOIN ledger.documents d ON d.id = c.document_id"
    " WHERE c.workspace_id = :workspace AND d.state = 'succeeded' AND c.vector IS NOT NULL"
    " AND NOT EXISTS (SELECT 1 FROM review.published_labels l"
    "  WHERE l.document_id = c.document_id AND l.task = 'class')"
    " ORDER BY sure NULLS FIRST, c.document_id LIMIT :limit"
)
_LABELLED = text(
    "SELECT c.vector FROM classify.classes c JOIN review.published_labels l ON l.document_id = c.document_id"
    " WHERE c.workspace_id = :workspace AND l.task = 'class' AND NOT l.audit AND c.vector IS NOT NULL"
    " ORDER BY c.document_id"
)
