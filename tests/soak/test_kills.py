"""`make soak`: 300 kills of random workers over 2,000 documents, and the same batch without kills beside it."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import threading
import time

import psutil
import pytest

from tests.system.conftest import Stack
from tests.system.test_nothing_is_lost import check_each_was_done_once, texts

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

DOCUMENTS = 2000
KILLS = 300


def test_300_kills_over_2000_documents_lose_nothing_and_repeat_nothing(stack: Stack) -> None:
    calm_s = _run(stack, seed=10)
    stop, kills = threading.Event(), []
    killer = threading.Thread(target=_kill_at_random, args=(stack, stop, kills))
    killer.start()
    stormy_s = _run(stack, seed=11)
    stop.set()
    killer.join()
    print(
        json.dumps(
            {
                "documents": DOCUMENTS,
                "kills": len(kills),
                "documents_per_s": round(DOCUMENTS / calm_s, 1),
                "documents_per_s_under_kills": round(DOCUMENTS / stormy_s, 1),
                "ratio": round(calm_s / stormy_s, 2),
            }
        )
    )
    assert len(kills) >= KILLS


def _run(stack: Stack, seed: int) -> float:
    began = time.monotonic()
    files = list(texts(DOCUMENTS, seed).items())
    batch = stack.client.post("/v1/batches", data={"name": f"soak {seed}", "finalize": "false"})["batch"]["id"]
    for start in range(0, len(files), 500):
        parts = [("files", (name, content.encode())) for name, content in files[start : start + 500]]
        stack.client.post(f"/v1/batches/{batch}/files", files=parts, headers={"Idempotency-Key": f"{seed}-{start}"})
    stack.client.post(f"/v1/batches/{batch}/finalize")
    assert stack.wait(batch, timeout_s=1700) == {"succeeded": DOCUMENTS}
    check_each_was_done_once(stack, batch, DOCUMENTS)
    return time.monotonic() - began


def _kill_at_random(stack: Stack, stop: threading.Event, kills: list[int]) -> None:
    """Kill worker processes, parents and children alike, in step with the progress of the batch: 300 in all."""
    chance = random.Random(0)
    while not stop.is_set():
        wanted = KILLS * (_done(stack) + DOCUMENTS // 10) / DOCUMENTS
        workers = stack.processes("worker ")
        if workers and len(kills) < min(wanted, KILLS):
            victim = chance.choice(workers)
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.send_signal(signal.SIGKILL)
                kills.append(victim.pid)
        time.sleep(0.1)


def _done(stack: Stack) -> int:
    finished = "SELECT count(*) FROM ledger.documents WHERE name LIKE '11-%' AND state = 'succeeded'"
    return int(stack.rows(finished)[0])
