"""kill -9 at every step of a long run: the next worker brings it to its end, and nothing is half promoted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from shared import registry

pytestmark = [
    pytest.mark.usefixtures("fine_tuning"),
    # A killed worker leaves no message; the run's log and the registry are what counts.
    pytest.mark.timeout(300),
]


@pytest.fixture
def worker(engine, store, base, tmp_path):
    """Starts a worker of long runs in a process of its own: `worker("merging")` dies there."""
    started = []

    def start(failpoint: str = "") -> subprocess.Popen[bytes]:
        environment = os.environ | {
            "DOSSIER_DATABASE_URL": engine.url.render_as_string(hide_password=False),
            "DOSSIER_STORE_URL": store.folder.absolute().as_uri(),
            "DOSSIER_HOME": str(tmp_path),
            "DOSSIER_TRAIN_BASE": str(base),
            "DOSSIER_TRAIN_BASE_LICENCE": "Apache-2.0",
            "DOSSIER_TRAIN_LEASE_S": "2",
            "DOSSIER_TRAIN_FAILPOINT": failpoint,
        }
        process = subprocess.Popen([sys.executable, "-m", "services.train.tasks.long_runs"], env=environment)
        started.append(process)
        return process

    yield start
    for process in started:
        process.terminate()
        process.wait(30)


@pytest.mark.parametrize(
    "step",
    [
        pytest.param("training", marks=pytest.mark.soak),
        pytest.param("checkpointing", marks=pytest.mark.soak),
        pytest.param("merging", marks=pytest.mark.soak),
        "uploading",
        pytest.param("registering", marks=pytest.mark.soak),
    ],
)
def test_a_run_that_is_killed_is_finished_by_the_next_worker(step, engine, client, asked, worker, workspace):
    run = asked()
    first = worker(step)
    _until(lambda: _killed(first, client, run), "the worker, or its trainer, dies")
    first.kill()
    first.wait()
    with engine.connect() as connection:
        assert registry.versions(connection, workspace, "generator") == []
        assert registry.promoted(connection, workspace, "generator") is None
    worker()
    _until(lambda: client.get(f"/v1/runs/{run}").json()["state"] not in ("pending", "running"), "the run ends")
    ended = client.get(f"/v1/runs/{run}").json()
    assert ended["state"] == "succeeded", ended
    assert {line["step"] for line in ended["measured"]} >= {5, 6}
    with engine.connect() as connection:
        [version] = registry.versions(connection, workspace, "generator")
        assert registry.promoted(connection, workspace, "generator") == version


def _killed(worker: subprocess.Popen[bytes], client, run: str) -> bool:
    """The worker ended, or it took the run back after its trainer was killed."""
    if worker.poll() is not None:
        assert worker.returncode == -signal.SIGKILL
        return True
    return any("interrupted" in line["message"] for line in client.get(f"/v1/runs/{run}").json()["log"])


def _until(reached, what: str, patience_s: float = 150) -> None:
    deadline = time.monotonic() + patience_s
    while not reached():
        assert time.monotonic() < deadline, f"not within {patience_s} s: {what}"
        time.sleep(0.3)


@pytest.mark.soak
def test_a_trainer_does_not_outlive_a_killed_worker(client, asked, worker):
    run = asked(steps=100_000)
    first = worker()
    _until(lambda: client.get(f"/v1/runs/{run}").json()["measured"], "the training has begun")
    [trainer] = psutil.Process(first.pid).children()
    first.kill()
    first.wait()
    _until(lambda: not trainer.is_running() or trainer.status() == psutil.STATUS_ZOMBIE, "the trainer ends", 10)
