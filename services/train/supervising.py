"""Watch over a training process: pass on what it measures, and end it where nobody wants its work any more.

Long runs live in a process of their own, never inside a queue's time limit. This module starts and ends it and reads
the lines that it appends to its metrics file; it knows nothing of the database.
"""

from __future__ import annotations

import ctypes
import json
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

#: From SIGTERM to SIGKILL: a checkpoint of a large adapter takes a while.
GRACE_S = 120.0
#: prctl(2): the signal that this process gets when the thread that started it ends.
_PR_SET_PDEATHSIG = 1


class Follower:
    """Reads the whole lines that were appended to a JSONL file since the last look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = path.stat().st_size if path.exists() else 0

    def new(self) -> list[dict[str, Any]]:
        """The new lines; one that is still being written comes the next time."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as opened:
            opened.seek(self._at)
            whole, newline, _ = opened.read().rpartition(b"\n")
        self._at += len(whole) + len(newline)
        return [json.loads(line) for line in whole.splitlines()]


def supervise(
    command: Sequence[str],
    metrics: Path,
    beat: Callable[[list[dict[str, Any]]], bool],
    *,
    every_s: float,
    grace_s: float = GRACE_S,
) -> int | None:
    """Run `command` to its end; its exit status (negative: the signal that ended it), None where `beat` ended it.

    `beat` is called every `every_s` seconds with the new lines of `metrics`, and once after the end. Where it answers
    False, or raises, the process gets SIGTERM and, `grace_s` later, SIGKILL: it never outlives its supervision.
    """
    follower = Follower(metrics)
    with subprocess.Popen(command, preexec_fn=_end_with_parent) as process:
        try:
            while True:
                try:
                    status = process.wait(every_s)
                except subprocess.TimeoutExpired:
                    if not beat(follower.new()):
                        return None
                else:
                    beat(follower.new())
                    return status
        finally:
            _end(process, grace_s)


def _end_with_parent() -> None:
    """Run in the child: a killed supervisor must leave nothing behind that writes into the run's folder."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _end(process: subprocess.Popen[bytes], grace_s: float) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(grace_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
