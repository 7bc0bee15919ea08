"""Real processes, killed. Every document must end in exactly one terminal state, its work done exactly once."""

from __future__ import annotations

import json
import random
import signal
import time
from collections import Counter

import psutil
import pytest

from services import embedded
from tests.system.conftest import Stack

pytestmark = [pytest.mark.system, pytest.mark.timeout(420)]

WORDS = [
    "claim",
    "policy",
    "invoice",
    "water",
    "damage",
    "motor",
    "premium",
    "doctor",
    "Rechnung",
    "Schaden",
    "facture",
    "sinistre",
    "police",
]


def texts(count: int, seed: int) -> dict[str, str]:
    chance = random.Random(seed)
    return {
        f"{seed}-{number}.txt": f"Letter {seed}/{number}\n" + " ".join(chance.choices(WORDS, k=40))
        for number in range(count)
    }


def check_each_was_done_once(stack: Stack, batch: str, count: int) -> None:
    with stack.engine.connect() as connection:
        done = connection.exec_driver_sql(
            "SELECT document_id, jobs.name, count(*) FROM ledger.jobs JOIN ledger.documents d ON d.id = document_id"
            " WHERE d.batch_id = %s AND jobs.state = 'done' GROUP BY 1, 2",
            (batch,),
        ).all()
    per_job = Counter(row[1] for row in done)
    assert per_job == dict.fromkeys(
        ["ingest.read", "classify.classify", "extract.extract", "review.check", "chat.index"], count
    )
    assert all(row[2] == 1 for row in done)


def test_a_batch_goes_through_every_room(stack: Stack) -> None:
    batch = stack.upload(texts(12, seed=1), "calm")
    assert stack.wait(batch) == {"succeeded": 12}
    check_each_was_done_once(stack, batch, 12)


def test_workers_killed_in_the_middle_lose_nothing_and_repeat_nothing(stack: Stack) -> None:
    batch = stack.upload(texts(40, seed=2), "kills")
    for service in ("ingest", "classify", "extract", "chat", "review"):
        time.sleep(0.7)
        assert stack.kill(f"worker {service}") >= 1
    assert stack.wait(batch) == {"succeeded": 40}
    check_each_was_done_once(stack, batch, 40)


def test_a_broker_killed_and_emptied_in_the_middle_loses_nothing(stack: Stack) -> None:
    batch = stack.upload(texts(40, seed=3), "broker")
    time.sleep(1)
    assert stack.kill("valkey") == 1
    for file in (stack.place.home / "valkey" / "appendonlydir").glob("*"):
        file.unlink(missing_ok=True)
    assert stack.wait(batch) == {"succeeded": 40}
    check_each_was_done_once(stack, batch, 40)


def test_a_frozen_worker_is_passed_by_and_changes_nothing_when_it_thaws(stack: Stack) -> None:
    batch = stack.upload(texts(6, seed=4), "frozen")
    frozen = stack.processes("worker classify")
    for process in frozen:
        process.send_signal(signal.SIGSTOP)
    time.sleep(2)
    for process in frozen:
        process.send_signal(signal.SIGCONT)
    assert stack.wait(batch) == {"succeeded": 6}
    check_each_was_done_once(stack, batch, 6)


def test_everything_killed_at_once_goes_on_after_the_next_start(stack: Stack) -> None:
    batch = stack.upload(texts(30, seed=5), "all")
    time.sleep(1)
    state = json.loads(stack.place.state.read_text())
    supervisor = psutil.Process(state["pid"])
    postgres = int((stack.place.home / "postgres" / "postmaster.pid").read_text().split()[0])
    for process in (supervisor, *supervisor.children(recursive=True), psutil.Process(postgres)):
        process.kill()
    psutil.wait_procs([supervisor], timeout=10)
    stack.engine.dispose()
    embedded.start(stack.place, state["port"])
    give_up_at = time.monotonic() + 90
    while embedded.running(stack.place) is None:
        assert time.monotonic() < give_up_at, (stack.place.logs / "supervisor.log").read_text()[-2000:]
        time.sleep(0.3)
    assert stack.wait(batch) == {"succeeded": 30}
    check_each_was_done_once(stack, batch, 30)


def test_the_files_of_the_installation_are_private(stack: Stack) -> None:
    for secret in (stack.place.client, stack.place.state, stack.place.home / "valkey" / "valkey.conf"):
        assert secret.stat().st_mode & 0o077 == 0, secret
