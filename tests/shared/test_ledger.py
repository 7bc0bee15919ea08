from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, text

from shared import ledger, queues
from shared.desk import Desk
from shared.errors import Refused, Unavailable
from shared.jobs import Index, Read
from shared.ledger import Claim, Fenced, Work
from shared.queues import Handler

Install = Callable[[Handler], None]


def row(engine: Engine, table: str, id_: str) -> Any:
    with engine.connect() as connection:
        return connection.execute(text(f"SELECT * FROM ledger.{table} WHERE id = :id"), {"id": id_}).one()


def only_job(engine: Engine) -> str:
    with engine.connect() as connection:
        return str(connection.execute(text("SELECT id FROM ledger.jobs")).scalar_one())


def claimed(desk: Desk) -> Claim:
    held = ledger.claim(desk.engine, only_job(desk.engine))
    assert held is not None
    return held


def expire_leases(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE ledger.jobs SET lease_until = now() - interval '1 s', next_at = now()"))


def test_a_claimed_job_cannot_be_claimed_again_while_its_lease_holds(desk: Desk, document: str) -> None:
    held = claimed(desk)
    assert held.job == Read(document=document)
    assert ledger.claim(desk.engine, held.id) is None
    assert row(desk.engine, "documents", document).state == "running"


def test_of_many_workers_that_claim_at_once_exactly_one_gets_the_job(desk: Desk, document: str) -> None:
    job, won = only_job(desk.engine), []
    gate = threading.Barrier(8)

    def contend() -> None:
        gate.wait()
        if ledger.claim(desk.engine, job) is not None:
            won.append(1)

    threads = [threading.Thread(target=contend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1


def test_a_frozen_worker_that_wakes_up_changes_nothing(desk: Desk, document: str, workspace: str) -> None:
    frozen = claimed(desk)
    expire_leases(desk.engine)
    successor = claimed(desk)
    with Work(frozen, desk.engine, desk.store) as work, pytest.raises(Fenced):
        ledger.finish(work, [Index(document=document)])
    assert not ledger.renew(desk.engine, frozen)
    ledger.fail(desk.engine, frozen, ledger.Reason("x", "too late"))
    ledger.retry(desk.engine, frozen, "too late", give_back=False)
    assert row(desk.engine, "documents", document).state == "running"
    with Work(successor, desk.engine, desk.store) as work:
        ledger.finish(work, [])
    assert row(desk.engine, "documents", document).state == "succeeded"


def test_rows_follow_ups_and_the_end_of_the_job_are_one_commit(desk: Desk, document: str) -> None:
    held = claimed(desk)
    with Work(held, desk.engine, desk.store) as work:
        work.write.execute(text("UPDATE ledger.documents SET name = 'renamed'"))
    assert row(desk.engine, "documents", document).name == "letter.txt"
    with Work(held, desk.engine, desk.store) as work:
        work.write.execute(text("UPDATE ledger.documents SET name = 'renamed'"))
        ledger.finish(work, [Index(document=document)])
    after = row(desk.engine, "documents", document)
    assert (after.name, after.open_jobs, after.state) == ("renamed", 1, "running")


def test_a_document_has_succeeded_when_the_last_of_its_jobs_ends(
    desk: Desk, document: str, reads_with: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads_with(lambda job, work: [Index(document=job.document), Index(document=job.document)])
    monkeypatch.setitem(queues.HANDLERS, Index.name, queues.Handling(Index, lambda job, work: [], 60))
    queues.run(desk, claimed(desk))
    assert row(desk.engine, "documents", document).state == "running"
    assert queues.drain(desk) == ["chat.index", "chat.index"]
    after = row(desk.engine, "documents", document)
    assert (after.state, after.open_jobs) == ("succeeded", 0)
    assert after.finished_at is not None


def test_a_refused_document_fails_at_once_with_words_for_a_person(
    desk: Desk, document: str, reads_with: Install
) -> None:
    def refuse(job: Read, work: Work) -> list[Any]:
        raise Refused("The file is empty.", action="Upload it again.", code="empty")

    reads_with(refuse)
    assert queues.drain(desk) == ["ingest.read"]
    after = row(desk.engine, "documents", document)
    assert after.state == "failed"
    assert after.reason == {"code": "empty", "message": "The file is empty.", "action": "Upload it again."}


def test_infrastructure_trouble_burns_no_attempt(desk: Desk, document: str, reads_with: Install) -> None:
    calls = []

    def down_ten_times(job: Read, work: Work) -> list[Any]:
        calls.append(1)
        if len(calls) <= 10:
            raise Unavailable("The store is down.")
        return []

    reads_with(down_ten_times)
    queues.drain(desk)
    assert len(calls) == 11
    assert row(desk.engine, "documents", document).state == "succeeded"
    assert row(desk.engine, "jobs", only_job(desk.engine)).attempts == 1


def test_a_backoff_grows_and_is_bounded(desk: Desk, document: str) -> None:
    waits = []
    for _ in range(9):
        with desk.engine.begin() as connection:
            connection.execute(text("UPDATE ledger.jobs SET next_at = now()"))
        ledger.retry(desk.engine, claimed(desk), "down", give_back=True)
        with desk.engine.connect() as connection:
            waits.append(
                connection.execute(text("SELECT extract(epoch FROM next_at - now()) FROM ledger.jobs")).scalar_one()
            )
    assert waits[0] == pytest.approx(1, abs=0.5)
    assert waits[1] == pytest.approx(2, abs=0.5)
    assert float(waits[-1]) == pytest.approx(ledger.LONGEST_BACKOFF_S, abs=0.5)


def test_a_handler_that_always_crashes_ends_in_quarantine_and_the_document_says_so(
    desk: Desk, document: str, reads_with: Install
) -> None:
    def crash(job: Read, work: Work) -> list[Any]:
        raise ZeroDivisionError("by zero")

    reads_with(crash)
    assert len(queues.drain(desk)) == ledger.MAX_ATTEMPTS
    after = row(desk.engine, "documents", document)
    assert (after.state, after.reason["code"]) == ("failed", "internal")
    job = row(desk.engine, "jobs", only_job(desk.engine))
    assert job.state == "quarantined"
    assert "by zero" in job.trouble


def test_a_document_that_kills_its_workers_ends_in_quarantine(desk: Desk, document: str) -> None:
    for _ in range(ledger.MAX_ATTEMPTS):
        claimed(desk)
        expire_leases(desk.engine)
    assert ledger.claim(desk.engine, only_job(desk.engine)) is None
    after = row(desk.engine, "documents", document)
    assert (after.state, after.reason["code"]) == ("failed", "crashed")


def test_a_failed_document_stops_its_other_jobs_and_can_be_tried_again(
    desk: Desk, document: str, workspace: str, reads_with: Install
) -> None:
    with desk.transaction() as tx:
        queues.send(tx, workspace, [Index(document=document)])

    def refuse(job: Read, work: Work) -> list[Any]:
        raise Refused("No.")

    reads_with(refuse)
    assert queues.drain(desk) == ["ingest.read"]
    reads_with(lambda job, work: [])
    with desk.transaction() as tx:
        queues.send(tx, workspace, [Read(document=document)])
    assert row(desk.engine, "documents", document).state == "pending"
    queues.drain(desk)
    after = row(desk.engine, "documents", document)
    assert (after.state, after.reason) == ("succeeded", None)


def test_canceling_fences_a_running_handler(desk: Desk, document: str, workspace: str) -> None:
    held = claimed(desk)
    with desk.transaction() as tx:
        assert ledger.cancel(tx, workspace, document=document) == 1
    with Work(held, desk.engine, desk.store) as work, pytest.raises(Fenced):
        ledger.finish(work, [Index(document=document)])
    assert row(desk.engine, "documents", document).state == "canceled"
    assert not queues.drain(desk)


def test_canceling_reaches_only_the_own_workspace(desk: Desk, document: str) -> None:
    with desk.transaction() as tx:
        assert ledger.cancel(tx, "ws_other", document=document) == 0
    assert row(desk.engine, "documents", document).state == "pending"


def test_a_job_that_was_rolled_back_was_never_there(desk: Desk, workspace: str, document: str) -> None:
    def route_that_fails() -> None:
        with desk.transaction() as tx:
            queues.send(tx, workspace, [Index(document=document)])
            raise ConnectionAbortedError("the caller went away")

    with pytest.raises(ConnectionAbortedError):
        route_that_fails()
    assert row(desk.engine, "documents", document).open_jobs == 1
    assert only_job(desk.engine)


def test_what_is_due_is_rung_for_once_and_again_when_patience_ends(desk: Desk, document: str) -> None:
    names = [Read.name]
    with desk.engine.begin() as connection:
        assert len(ledger.due(connection, names, 0, 10, patience_s=60)) == 1
    with desk.engine.begin() as connection:
        assert not ledger.due(connection, names, 0, 10, patience_s=60)
        assert len(ledger.due(connection, names, 0, 10, patience_s=0)) == 1


def test_a_job_that_was_claimed_before_any_ring_was_noted_is_due_when_its_lease_runs_out(
    desk: Desk, document: str
) -> None:
    claimed(desk)
    with desk.engine.begin() as connection:
        assert not ledger.due(connection, [Read.name], 0, 10, patience_s=0)
    expire_leases(desk.engine)
    with desk.engine.begin() as connection:
        assert len(ledger.due(connection, [Read.name], 0, 10, patience_s=60)) == 1


def test_a_broker_that_forgot_everything_makes_all_waiting_jobs_due(desk: Desk, document: str) -> None:
    with desk.engine.begin() as connection:
        ledger.due(connection, [Read.name], 0, 10, patience_s=60)
        assert ledger.forget_rings(connection) == 1
        assert len(ledger.due(connection, [Read.name], 0, 10, patience_s=60)) == 1


def test_ids_sort_by_the_time_they_were_made() -> None:
    made = [ledger.new_id("doc") for _ in range(100)]
    assert len(set(made)) == 100
    assert [one[:16] for one in made] == sorted(one[:16] for one in made)


def test_a_forgotten_document_takes_what_was_inside_it_along(desk: Desk, document: str, workspace: str) -> None:
    child = ledger.new_id("doc")
    with desk.transaction() as tx:
        ledger.add_documents(
            tx, [{"id": child, "workspace_id": workspace, "name": "inside.txt", "parent_id": document}]
        )
    held = claimed(desk)
    with desk.transaction() as tx:
        assert ledger.forget(tx, "ws_other", document) == []
        assert set(ledger.forget(tx, workspace, document)) == {document, child}
    with Work(held, desk.engine, desk.store) as work, pytest.raises(Fenced):
        ledger.finish(work, [])
    with desk.engine.connect() as connection:
        for table in ("documents", "jobs"):
            assert connection.execute(text(f"SELECT count(*) FROM ledger.{table}")).scalar_one() == 0
