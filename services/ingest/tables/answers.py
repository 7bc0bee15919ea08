"""Answers that a repeated request gets again, under its Idempotency-Key."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from shared.errors import Conflict


class Answer(NamedTuple):
    """What a request was answered; `fingerprint` tells what it had asked for."""

    route: str
    fingerprint: str
    body: dict[str, Any]

    def check(self, route: str, fingerprint: str | None = None) -> None:
        """Raises Conflict where this request asks for something else than the one that was answered.

        `fingerprint` None: the request was not read yet.
        """
        if self.route != route:
            raise Conflict(
                f"The Idempotency-Key was used for {self.route} before.",
                action="Make a new key for each request.",
                code="idempotency_key_reused",
            )
        if fingerprint is not None and self.fingerprint != fingerprint:
            raise Conflict(
                "The Idempotency-Key was used before, for a request with other content.",
                action="Make a new key for each request; repeat one only with the same files and fields.",
                code="idempotency_key_reused",
            )


def given(connection: Connection, workspace: str, key: str) -> Answer | None:
    """What the request with this key was answered within the last day; None for a new key."""
    row = connection.execute(_GIVEN, {"workspace": workspace, "key": key}).first()
    return None if row is None else Answer(*row)


def keep(connection: Connection, workspace: str, key: str, answer: Answer) -> bool:
    """Remember an answer in the same transaction as what it speaks of; False where another request was faster.

    Waits for a request with the same key that is still being written. Answers of more than a day are forgotten.
    """
    connection.execute(_FORGET, {"workspace": workspace})
    return connection.execute(_KEEP, answer._asdict() | {"workspace": workspace, "key": key}).rowcount == 1


_GIVEN = text(
    "SELECT route, fingerprint, answer FROM ingest.answers WHERE workspace_id = :workspace AND idempotency_key = :key"
)
_FORGET = text("DELETE FROM ingest.answers WHERE workspace_id = :workspace AND created_at < now() - interval '1 day'")
_KEEP = text(
    "INSERT INTO ingest.answers (workspace_id, idempotency_key, route, fingerprint, answer)"
    " VALUES (:workspace, :key, :route, :fingerprint, :body) ON CONFLICT DO NOTHING"
).bindparams(bindparam("body", type_=JSONB))
