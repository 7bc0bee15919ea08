"""What people said, in SQL: write labels, supersede the ones before, close reviews."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from services.review.tables import labels, reviews
from shared.ledger import new_id


def save(connection: Connection, workspace: str, author: str, rows: Sequence[dict[str, Any]]) -> list[Row[Any]]:
    """Write labels, each in place of the one before on the same thing; the new rows in the order given.

    A row has document_id, task, name ("" for the class), path, value, evidence and audit. Where one call speaks
    about the same thing twice, the last word counts. A word that repeats the current one is kept all the same: it is
    a person's confirmation, with author and time.
    """
    unique = {(row["document_id"], row["task"], row["name"], row["audit"]): row for row in rows}
    saved = []
    for row in unique.values():
        fresh = row | {"id": new_id("lab"), "workspace_id": workspace, "author": author}
        connection.execute(
            update(labels)
            .where(
                labels.c.document_id == row["document_id"],
                labels.c.task == row["task"],
                labels.c.name == row["name"],
                labels.c.audit == row["audit"],
                labels.c.superseded_at.is_(None),
            )
            .values(superseded_at=func.clock_timestamp(), superseded_by=fresh["id"])
        )
        saved.append(connection.execute(insert(labels).values(**fresh).returning(labels)).one())
    return saved


def current(
    connection: Connection,
    workspace: str,
    *,
    document: str | None = None,
    task: str | None = None,
    before: str | None = None,
    limit: int,
) -> list[Row[Any]]:
    """Current labels, newest first; `before` is the id that the last page ended with."""
    query = select(labels).where(labels.c.workspace_id == workspace, labels.c.superseded_at.is_(None))
    if document is not None:
        query = query.where(labels.c.document_id == document)
    if task is not None:
        query = query.where(labels.c.task == task)
    if before is not None:
        query = query.where(labels.c.id < before)
    return list(connection.execute(query.order_by(labels.c.id.desc()).limit(limit)))


def close(connection: Connection, workspace: str, author: str, document: str, path: Sequence[str]) -> None:
    """Record that a person is done with the document, while its class is `path`."""
    connection.execute(
        insert(reviews).values(workspace_id=workspace, document_id=document, path=list(path), author=author)
    )


def last_review(connection: Connection, document: str) -> Row[Any] | None:
    """The newest closed review of the document, None where it was never closed."""
    return connection.execute(
        select(reviews).where(reviews.c.document_id == document).order_by(reviews.c.id.desc()).limit(1)
    ).first()
