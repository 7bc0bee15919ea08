from __future__ import annotations

import threading
from collections.abc import Callable

from sqlalchemy import Engine

from shared import events, ledger
from shared.desk import Desk


def add(engine: Engine, workspace: str, state: str, batch: str | None = None) -> str:
    document = ledger.new_id("doc")
    with engine.begin() as connection:
        row = {"id": document, "workspace_id": workspace, "name": "x", "state": state, "batch_id": batch}
        ledger.add_documents(connection, [row])
    return document


def test_every_end_of_a_document_is_an_event_and_no_step_before_it(
    desk: Desk, document: str, workspace: str, drain: Callable[[], list[str]]
) -> None:
    assert events.after(desk.engine, 0) == []
    with desk.transaction() as tx:
        ledger.cancel(tx, workspace, document=document)
    (canceled,) = events.after(desk.engine, 0, workspace=workspace)
    assert (canceled.document, canceled.state) == (document, "canceled")
    assert canceled.reason is not None
    assert canceled.reason["code"] == "canceled"
    assert events.after(desk.engine, canceled.position) == []
    skipped = add(desk.engine, workspace, "skipped", batch="bat_1")
    assert [event.document for event in events.after(desk.engine, 0, batch="bat_1")] == [skipped]
    assert events.after(desk.engine, 0, workspace="ws_other") == []


def test_what_commits_late_comes_behind_what_was_seen_already(desk: Desk, workspace: str) -> None:
    slow = desk.engine.connect()
    slow.begin()
    row = {"id": "doc_slow", "workspace_id": workspace, "name": "x", "state": "skipped"}
    ledger.add_documents(slow, [row])
    fast = add(desk.engine, workspace, "skipped")
    (seen,) = events.after(desk.engine, 0)
    assert seen.document == fast
    slow.commit()
    slow.close()
    assert [event.document for event in events.after(desk.engine, seen.position)] == ["doc_slow"]


def test_readers_that_follow_while_others_write_miss_nothing(desk: Desk, workspace: str) -> None:
    written: list[str] = []
    writers = [
        threading.Thread(target=lambda: written.extend(add(desk.engine, workspace, "skipped") for _ in range(25)))
        for _ in range(4)
    ]
    seen: list[list[str]] = [[], []]

    def follow(into: list[str]) -> None:
        position = 0
        while len(into) < 100:
            for event in events.after(desk.engine, position, limit=7):
                into.append(event.document)
                position = event.position

    readers = [threading.Thread(target=follow, args=(into,)) for into in seen]
    for thread in [*writers, *readers]:
        thread.start()
    for thread in [*writers, *readers]:
        thread.join(timeout=60)
    assert seen[0] == seen[1]
    assert sorted(seen[0]) == sorted(written)
