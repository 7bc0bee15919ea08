"""The chat room alone, with documents in its index that were read elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Engine, text
from starlette.testclient import TestClient

from services import rooms
from shared import access, http, ledger, queues
from shared.access import Role
from shared.desk import Desk
from shared.documents import Page, Reading, Word, encode
from shared.generation import ScriptedGenerator
from shared.jobs import Index

Put = Callable[..., str]


def reading_of(*pages: str, language: str | None = "en") -> Reading:
    """A reading of these pages; each line is 12 points high, each character 5 points wide."""
    made: list[Page] = []
    whole = ""
    for number, page in enumerate(pages, start=1):
        start = len(whole)
        whole += page
        words = []
        for match in re.finditer(r"\S+", page):
            line_start = page.rfind("\n", 0, match.start()) + 1
            top = 50.0 + 12 * page.count("\n", 0, match.start())
            left, right = (50.0 + 5 * (place - line_start) for place in match.span())
            words.append(Word(match.group(), (left, top, right, top + 10), start + match.start(), start + match.end()))
        made.append(Page(number, 595, 842, start, len(whole), words))
        whole += "\n"
    reading = Reading(whole, made, "text/plain", language)
    reading.check()
    return reading


@pytest.fixture
def make_reading() -> Callable[..., Reading]:
    return reading_of


@pytest.fixture
def put(desk: Desk, engine: Engine, workspace: str) -> Put:
    """Puts a document into the index: `put("policy.txt", "page one", "page two", language="en")`; its id."""
    rooms.open_handlers("chat")

    def put(name: str, *pages: str, language: str | None = "en", workspace: str = workspace) -> str:
        document = ledger.new_id("doc")
        stored = desk.store.put(workspace, "readings", encode(reading_of(*pages, language=language)))
        with engine.begin() as connection:
            ledger.add_documents(connection, [{"id": document, "workspace_id": workspace, "name": name}])
            row = {"document": document, "workspace": workspace, "key": stored.key, "language": language}
            connection.execute(
                text(
                    "INSERT INTO ingest.files (document_id, workspace_id, original_key, sha256, size_bytes)"
                    " VALUES (:document, :workspace, 'x', 'x', 1)"
                ),
                row,
            )
            connection.execute(
                text(
                    "INSERT INTO ingest.readings (document_id, reading_key, media_type, language, page_count,"
                    " characters, source, notes, container)"
                    " VALUES (:document, :key, 'text/plain', :language, 1, 1, 'text', '[]', false)"
                ),
                row,
            )
        with desk.transaction() as transaction:
            queues.send(transaction, workspace, [Index(document=document)])
        assert queues.drain(desk) == ["chat.index"]
        return document

    return put


@pytest.fixture
def state_of(engine: Engine) -> Callable[[str], str]:
    def state(document: str) -> str:
        with engine.connect() as connection:
            found = connection.execute(text("SELECT state FROM ledger.documents WHERE id = :id"), {"id": document})
            return str(found.scalar_one())

    return state


@pytest.fixture
def client(desk: Desk, key_for: Callable[[Role], str]) -> Iterator[TestClient]:
    app = http.application(desk, [rooms.router("chat")])
    with TestClient(app, headers={"Authorization": f"Bearer {key_for('reader')}"}) as client:
        yield client


@pytest.fixture
def stranger(desk: Desk, engine: Engine) -> Iterator[TestClient]:
    """A client with an admin key of another workspace."""
    with engine.begin() as connection:
        foreign = access.add_workspace(connection, "elsewhere")
        key = access.issue(connection, foreign, "stranger", "admin")[1]
    app = http.application(desk, [rooms.router("chat")])
    with TestClient(app, headers={"Authorization": f"Bearer {key}"}) as client:
        yield client


@pytest.fixture
def scripted(desk: Desk, key_for: Callable[[Role], str]) -> Iterator[tuple[TestClient, ScriptedGenerator]]:
    """A client of a desk with a generation server, and the server's script."""
    generator = ScriptedGenerator([])
    app = http.application(replace(desk, generator=generator), [rooms.router("chat")])
    with TestClient(app, headers={"Authorization": f"Bearer {key_for('reader')}"}) as client:
        yield client, generator
