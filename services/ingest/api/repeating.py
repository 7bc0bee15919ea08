"""Requests that may be repeated: with the same Idempotency-Key, the same request gets the same answer again."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from pydantic_core import to_jsonable_python
from sqlalchemy import Connection

from services.ingest.tables import answers
from services.ingest.tables.answers import Answer
from shared.desk import Desk
from shared.errors import Refused

_LONGEST_KEY = 200


class AnsweredMeanwhile(Exception):  # not an error: it unrolls the transaction
    """Another request with the same Idempotency-Key was faster; its answer is the answer."""


def key_of(request: Request) -> str | None:
    """The request's Idempotency-Key; None where it has none. Raises Refused where it is too long."""
    key = request.headers.get("idempotency-key", "").strip()
    if len(key) > _LONGEST_KEY:
        raise Refused(
            f"The Idempotency-Key has {len(key)} characters; at most {_LONGEST_KEY} are taken.",
            action="Send a random one, such as a UUID.",
            code="invalid_request",
        )
    return key or None


def answered(desk: Desk, workspace: str, key: str | None) -> Answer | None:
    """What a request with this key was answered before."""
    if key is None:
        return None
    with desk.engine.connect() as connection:
        return answers.given(connection, workspace, key)


def remember(
    connection: Connection, workspace: str, key: str | None, route: str, fingerprint: str, body: dict[str, Any]
) -> None:
    """Keep the answer in the transaction of what it speaks of, if it has a key. Raises AnsweredMeanwhile."""
    if key and not answers.keep(connection, workspace, key, Answer(route, fingerprint, to_jsonable_python(body))):
        raise AnsweredMeanwhile
