"""deploy/worker-alive.py against real processes: one that moves, one that is frozen, none at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent.parent / "deploy" / "worker-alive.py"
LOOP = "import subprocess, sys, time\nsubprocess.Popen(['sleep', '60'])\nwhile True: time.sleep(0.02)"
#: A process-id namespace of its own, as in a container: other workers of this machine are not seen.
ALONE = ["unshare", "--pid", "--fork", "--mount-proc"]


@pytest.fixture(scope="module", autouse=True)
def namespaces():
    if subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets us make no process-id namespace")


def in_container(tmp_path, script):
    """What a shell prints that runs as the first process of a container; $ALIVE is the probe."""
    return subprocess.run(
        [*ALONE, "bash", "-c", script],
        env={**os.environ, "TMPDIR": str(tmp_path), "ALIVE": f"{sys.executable} {SCRIPT}", "LOOP": LOOP,
             "PYTHON": sys.executable},
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip


def test_a_worker_that_moves_is_alive(tmp_path):
    done = in_container(
        tmp_path, '$PYTHON -c "$LOOP" worker & sleep 0.5; $ALIVE started && $ALIVE && sleep 0.2 && $ALIVE && echo yes'
    )
    assert done.stdout == "yes\n", done.stderr


def test_a_frozen_worker_is_not(tmp_path):
    done = in_container(
        tmp_path, '$PYTHON -c "$LOOP" worker & sleep 0.5; kill -STOP $!; $ALIVE; sleep 0.2; $ALIVE || echo frozen'
    )
    assert done.stdout == "frozen\n"
    assert "has not moved" in done.stderr


def test_a_container_without_a_worker_is_not_alive(tmp_path):
    done = in_container(tmp_path, "$ALIVE; echo $?")
    assert done.stdout == "1\n"
    assert "no worker runs here" in done.stderr
