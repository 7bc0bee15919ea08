"""The lease of the job in hand: renewed while the handler works, and the handler interrupted when it is lost.

A cancel, or another worker that took the job over, ends a claim in the ledger; within LOOK_S seconds the handler
hears of it, whatever it is waiting for. Knows no queue.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine
from sqlalchemy.exc import InterfaceError, OperationalError

from shared import ledger
from shared.ledger import LEASE_S, Claim, Fenced

log = logging.getLogger(__name__)

#: How often the ledger is asked whether the claim still stands. A person who cancels waits for this.
LOOK_S = 1.0


class Heart(threading.Thread):
    """Keeps one claim of this process alive; interrupts the work where the claim is over.

    The interruption is a signal that raises Fenced in the main thread, and only while a handler runs there: anywhere
    else (a commit, a claim) it would tear our own bookkeeping apart.
    """

    def __init__(self, engine: Engine) -> None:
        super().__init__(daemon=True, name="lease")
        self._engine = engine
        self._held: Claim | None = None
        self._renewed_at = 0.0
        self._lock = threading.Lock()
        self._interruptible = False
        signal.signal(signal.SIGUSR2, self._interrupt)

    def run(self) -> None:
        """Look after the claim until the process ends."""
        while True:
            time.sleep(LOOK_S)
            with self._lock:
                held = self._held
            if held is None:
                continue
            try:
                alive = self._stands(held)
            except (OperationalError, InterfaceError):
                continue
            with self._lock:
                if not alive and self._held is held:
                    log.info("the claim on %s is over, the work is interrupted", held.id)
                    os.kill(os.getpid(), signal.SIGUSR2)

    def _stands(self, held: Claim) -> bool:
        """Whether the claim stands; renews it every third of its lease, and only looks in between."""
        if time.monotonic() - self._renewed_at < LEASE_S / 3:
            return ledger.stands(self._engine, held)
        renewed = ledger.renew(self._engine, held)
        self._renewed_at = time.monotonic()
        return renewed

    def hold(self, held: Claim | None) -> None:
        """Keep this claim alive from now on; None for nothing."""
        with self._lock:
            self._held, self._renewed_at = held, time.monotonic()

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Inside, a claim that is over raises Fenced."""
        self._interruptible = True
        try:
            yield
        finally:
            self._interruptible = False

    def _interrupt(self, *_: object) -> None:
        if self._interruptible:
            self._interruptible = False
            raise Fenced("the claim was over in the middle of the work")
