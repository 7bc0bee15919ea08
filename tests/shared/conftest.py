from __future__ import annotations

from collections.abc import Callable

import pytest

from shared import ledger, queues
from shared.desk import Desk
from shared.jobs import Read
from shared.queues import Handler, Handling


@pytest.fixture
def document(desk: Desk, workspace: str) -> str:
    """A new document with one open Read job."""
    document = ledger.new_id("doc")
    with desk.transaction() as tx:
        ledger.add_documents(tx, [{"id": document, "workspace_id": workspace, "name": "letter.txt"}])
        queues.send(tx, workspace, [Read(document=document)])
    return document


@pytest.fixture
def reads_with(monkeypatch: pytest.MonkeyPatch) -> Callable[[Handler], None]:
    """Makes a function the handler of Read, for this test."""

    def install(function: Handler) -> None:
        monkeypatch.setitem(queues.HANDLERS, Read.name, Handling(Read, function, 60))

    return install
