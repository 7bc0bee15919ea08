"""Places where this process can be made to die, to prove that nothing is lost or left behind when it does.

Off unless DOSSIER_INGEST_FAILPOINT names a step; then the process ends itself with SIGKILL when it gets there, as a
power cut would: nothing is flushed, nothing is cleaned up.
"""

from __future__ import annotations

import os
import signal

from services.ingest.settings import settings

#: In the order in which a request passes them.
STEPS = (
    "multipart.one_stored",
    "multipart.all_stored",
    "multipart.written",
    "multipart.committed",
    "tus.begun",
    "tus.begun_committed",
    "tus.piece_stored",
    "tus.piece_committed",
    "tus.whole_stored",
    "tus.written",
    "tus.committed",
)


def at(step: str) -> None:
    """Die here, where `step` is the one that was asked for."""
    if settings().failpoint == step:
        os.kill(os.getpid(), signal.SIGKILL)
