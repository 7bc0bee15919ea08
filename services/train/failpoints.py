"""Kills on purpose, for tests of crashes: the process dies, as if the machine had, at a named step.

The steps are `training`, `checkpointing`, `merging`, `uploading`, `registering` and `switching`. Nothing is armed
unless DOSSIER_TRAIN_FAILPOINT names one.
"""

from __future__ import annotations

import os
import signal

_armed: set[str] = set()


def arm(step: str | None) -> None:
    """Die at `step`; None arms nothing."""
    if step is not None:
        _armed.add(step)


def reached(step: str) -> None:
    """Die here where `step` is armed."""
    if step in _armed:
        os.kill(os.getpid(), signal.SIGKILL)
