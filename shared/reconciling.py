"""What happens by itself: the reconciler rings for jobs that are due, and calls what is to be done regularly.

Rings get lost, backoffs end, leases run out, the broker forgets everything: the ledger knows what is due, and this
tells the queue again. It knows the broker only as a place where queues have a length, and it never does the work.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

import redis
from sqlalchemy import Connection, text
from sqlalchemy.exc import InterfaceError, OperationalError

from shared import ledger
from shared.desk import Desk
from shared.errors import Unavailable
from shared.jobs import JOBS
from shared.ledger import Ring

log = logging.getLogger(__name__)

#: Interactive, then bulk: a batch of thousands must not keep the one letter waiting that somebody looks for.
LANES = (0, 1)
#: A queue is never filled beyond this: the rest waits in the ledger, where it costs nothing.
DEPTH = 200
KEY_PREFIX = "dossier:"
EPOCH = KEY_PREFIX + "epoch"

Chore = Callable[[Desk], None]
#: What is done regularly in this process: name -> (seconds between two times, function).
CHORES: dict[str, tuple[int, Chore]] = {}


def regularly(name: str, *, every_s: int) -> Callable[[Chore], Chore]:
    """Have a short function called about every `every_s` seconds, by one worker of its service at a time.

    It must be repeatable: a broker that forgot the time calls too early, one that is down not at all. Whatever
    takes long it sends as a job.
    """

    def register(chore: Chore) -> Chore:
        CHORES[name] = (every_s, chore)
        return chore

    return register


def services() -> list[str]:
    """The services that have jobs."""
    return sorted({job.service() for job in JOBS.values()})


def queue_of(service: str, lane: int) -> str:
    """The queue that carries a service's jobs of one lane."""
    return service if lane == 0 else f"{service}.bulk"


class Reconciler:
    """Rings for what is due: new jobs whose ring was lost, backoffs that ended, leases that ran out.

    One runs in every worker; a Postgres advisory lock lets one at a time do the work.
    """

    def __init__(self, desk: Desk, broker_url: str) -> None:
        self._desk = desk
        self._redis = redis.Redis.from_url(broker_url, socket_timeout=5, socket_connect_timeout=3)

    def start(self) -> None:
        """Work in a thread of its own until the process ends."""
        threading.Thread(target=self._forever, daemon=True, name="reconciler").start()

    def _forever(self, every_s: float = 1.0) -> None:
        while True:
            try:
                self.tick()
                self.chores()
            except (OperationalError, InterfaceError, redis.RedisError, Unavailable) as down:
                log.warning("the reconciler waits: %s", type(down).__name__)
            except Exception:
                # A defect in a chore must not silence the bell for everybody.
                log.exception("the reconciler failed and goes on")
            time.sleep(every_s)

    def tick(self) -> int:
        """One round; how many jobs were rung for (0 where another reconciler is at work)."""
        with self._desk.engine.begin() as connection:
            if not connection.execute(text("SELECT pg_try_advisory_xact_lock(hashtext('dossier.ring'))")).scalar():
                return 0
            if self._redis.set(EPOCH, "1", nx=True):
                log.warning("the broker has forgotten everything: %d jobs anew", ledger.forget_rings(connection))
            found = [job for service in services() for lane in LANES for job in self._due(connection, service, lane)]
        for start in range(0, len(found), DEPTH):
            self._desk.ring(found[start : start + DEPTH])
        return len(found)

    def chores(self) -> list[str]:
        """Do what is to be done regularly and due; the names of it."""
        due = [name for name, (every_s, _) in CHORES.items() if self._is_time(name, every_s)]
        for name in due:
            CHORES[name][1](self._desk)
        return due

    def _is_time(self, chore: str, every_s: int) -> bool:
        return bool(self._redis.set(f"{KEY_PREFIX}chore:{chore}", "1", nx=True, ex=every_s))

    def _due(self, connection: Connection, service: str, lane: int) -> Sequence[Ring]:
        depth = int(self._redis.llen(KEY_PREFIX + queue_of(service, lane)))
        if depth >= DEPTH // 2:
            return []
        names = [name for name, job in JOBS.items() if job.service() == service]
        # An empty queue with a ring behind it means a lost message; a filled one only means patience.
        return ledger.due(connection, names, lane, DEPTH - depth, patience_s=3 if depth == 0 else 60)
