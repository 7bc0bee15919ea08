"""The queue: the only file that knows Celery.

The queue carries nothing but `(job id)`; the job itself is in the ledger (shared/ledger.py), so Redis may lose,
repeat or forget everything. Every setting below closes a trap that was measured; do not loosen one alone.

    @handles(Classify, soft_time_limit_s=60)
    def classify(job: Classify, work: Work) -> list[Job]: ...

`send` writes jobs into the caller's transaction; the doorbell rings after its commit. Where the ring is lost, the
reconciler (shared/reconciling.py) rings again. Tests need no broker: `drain` runs the same handlers from the ledger
alone.
"""

from __future__ import annotations

import ctypes
import logging
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

import redis
from celery import Celery, signals
from celery.exceptions import SoftTimeLimitExceeded
from kombu.entity import Exchange, Queue
from kombu.exceptions import OperationalError as BrokerDown
from sqlalchemy import Connection, text
from sqlalchemy.exc import InterfaceError, OperationalError

from shared import ledger, logs
from shared.desk import Desk
from shared.errors import Refused, Unavailable
from shared.jobs import JOBS, Job
from shared.leases import Heart
from shared.ledger import MAX_ATTEMPTS, Claim, Fenced, Reason, Ring, Work
from shared.reconciling import DEPTH, KEY_PREFIX, LANES, Reconciler, queue_of, services

log = logging.getLogger(__name__)

J = TypeVar("J", bound=Job)
Handler = Callable[[Any, Work], Sequence[Job]]

#: Longer than any task may run: the shortest value of any worker on the broker requeues everybody's tasks.
VISIBILITY_S = 3600
#: Between the soft limit, which raises inside the handler, and the hard one, which kills its process.
GRACE_S = 20
#: A handler that overran its time limit is tried this often in all; a slow machine deserves a second chance.
SLOW_ATTEMPTS = 2
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Handling:
    """One handler and its time limits, in seconds."""

    job: type[Job]
    function: Handler
    soft_time_limit_s: int


HANDLERS: dict[str, Handling] = {}


def handles(job: type[J], *, soft_time_limit_s: int) -> Callable[[Handler], Handler]:
    """Make a function the handler of `job`. It takes the job and its Work, and returns the jobs that follow.

    After `soft_time_limit_s` seconds it is interrupted; that burns an attempt. Raises ValueError where the job has
    a handler already.
    """

    def register(function: Handler) -> Handler:
        if job.name in HANDLERS and HANDLERS[job.name].function.__module__ != function.__module__:
            raise ValueError(f"{job.name} is handled by {HANDLERS[job.name].function.__module__} already")
        HANDLERS[job.name] = Handling(job, function, soft_time_limit_s)
        return function

    return register


def send(
    connection: Connection, workspace: str, jobs: Iterable[Job], *, bulk: bool = False, after_s: float = 0
) -> None:
    """Write jobs into this transaction of `desk.transaction()`; the queue is told after its commit, best effort.

    `bulk` jobs, and what follows from them, stand back behind those that somebody waits for. Nothing starts before
    `after_s` seconds have passed.
    """
    rung = ledger.add(connection, workspace, jobs, lane=1 if bulk else 0, after_s=after_s)
    connection.info.setdefault("doorbell", []).extend(rung)


# --- running one job ---------------------------------------------------------------------------------------------


def run(desk: Desk, held: Claim, around: AbstractContextManager[None] | None = None) -> None:
    """Run the handler of a claimed job and settle the outcome in the ledger; raises nothing but bugs of its own.

    The handler alone, without the bookkeeping, runs inside `around`.
    """
    handling = HANDLERS[held.job.name]
    with logs.about(job=held.id, document=held.document, name=held.job.name):
        try:
            with Work(held, desk.engine, desk.store, desk.generator, str(desk.cache)) as work:
                with around or nullcontext():
                    follow = handling.function(held.job, work)
                sent = ledger.finish(work, follow)
            desk.ring(sent)
        except Fenced:
            log.info("the claim was over before the work was; nothing was written")
            _forget_connections(desk)
        except Refused as refused:
            log.info("refused: %s", refused.code)
            ledger.fail(desk.engine, held, Reason.of(refused), refused.private)
        except (Unavailable, OperationalError, InterfaceError) as down:
            log.warning("infrastructure trouble, the attempt is given back: %s", type(down).__name__)
            ledger.retry(desk.engine, held, repr(down), give_back=True)
        except SoftTimeLimitExceeded:
            _forget_connections(desk)
            _too_slow(desk, held, handling.soft_time_limit_s)
        except Exception as bug:  # noqa: BLE001  # the one place where a handler's bug becomes a quarantine
            _crashed(desk, held, bug)


def _forget_connections(desk: Desk) -> None:
    """An interruption may have left a connection in the middle of something: none of them is used again."""
    desk.engine.dispose()


def _too_slow(desk: Desk, held: Claim, limit_s: int) -> None:
    if held.attempts < SLOW_ATTEMPTS:
        ledger.retry(desk.engine, held, f"took more than {limit_s} s", give_back=False)
        return
    slow = Reason(
        "too_slow",
        f"{held.job.name} took more than {limit_s} seconds, {SLOW_ATTEMPTS} times.",
        "Split the document into smaller ones, or retry when the machine is less busy.",
    )
    ledger.fail(desk.engine, held, slow)


def _crashed(desk: Desk, held: Claim, bug: Exception) -> None:
    trouble = "".join(traceback.format_exception(bug))
    log.error("the handler crashed (attempt %d of %d)", held.attempts, MAX_ATTEMPTS, exc_info=bug)
    if held.attempts < MAX_ATTEMPTS:
        ledger.retry(desk.engine, held, trouble, give_back=False)
        return
    why = Reason(
        "internal",
        f"Dossier failed at {held.job.name} ({type(bug).__name__}), {MAX_ATTEMPTS} times.",
        "This is a defect of ours: the log has the details. Retry after an update.",
    )
    ledger.fail(desk.engine, held, why, trouble)


def drain(desk: Desk, *, limit: int = 100_000) -> list[str]:
    """Run every open job in this process, oldest first, until none is left; the names in the order they ran.

    Waiting times are skipped. For tests and for small commands; raises RuntimeError after `limit` jobs.
    """
    ran: list[str] = []
    while True:
        with desk.engine.begin() as connection:
            connection.execute(text("UPDATE ledger.jobs SET next_at = now() WHERE state = 'waiting'"))
            waiting = connection.execute(
                text("SELECT id FROM ledger.jobs WHERE state = 'waiting' ORDER BY lane, id LIMIT 100")
            )
            ids = list(waiting.scalars())
        if not ids:
            return ran
        for job_id in ids:
            held = ledger.claim(desk.engine, job_id)
            if held is not None:
                ran.append(held.job.name)
                run(desk, held)
        if len(ran) > limit:
            raise RuntimeError(f"more than {limit} jobs ran; the last were {ran[-5:]}")


# --- Celery ------------------------------------------------------------------------------------------------------


def celery_app(broker_url: str) -> Celery:
    """The Celery application: one task per job name, routed to the queue of its service."""
    app = Celery("dossier", broker=broker_url)
    app.conf.update(
        task_serializer="json",
        accept_content=["json"],
        result_backend=None,
        task_ignore_result=True,
        task_acks_late=True,
        # True loops for ever over a file that kills its worker; the ledger counts attempts instead.
        task_reject_on_worker_lost=False,
        task_create_missing_queues=False,
        # Bound by its own key: a bare Queue would be bound by the default queue's key and get everybody's messages.
        task_queues=[Queue(name, Exchange("dossier", "direct"), routing_key=name) for name in _queue_names()],
        task_default_queue="ingest",
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_soft_shutdown_timeout=10,
        worker_send_task_events=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "visibility_timeout": VISIBILITY_S,
            "socket_timeout": 5,
            "socket_connect_timeout": 3,
            "socket_keepalive": True,
            "health_check_interval": 25,
            "unacked_mutex_expire": 30,
            "unacked_restore_interval": 10,
            # In the order a worker names them: the interactive lane first.
            "queue_order_strategy": "priority",
            "global_keyprefix": KEY_PREFIX,
        },
        task_publish_retry_policy={"max_retries": 1, "interval_start": 0, "interval_max": 0.2},
    )
    return app


class CeleryDoorbell:
    """Tells the queue that a job waits. Best effort: a ring that fails is left to the reconciler."""

    #: After a ring that failed, nobody rings for so long: no request shall wait for a broker that is down.
    SILENCE_S = 5.0

    def __init__(self, broker_url: str) -> None:
        self._app = celery_app(broker_url)
        self._app.conf.broker_transport_options |= {"max_retries": 1, "interval_start": 0, "interval_max": 0.1}
        self._silent_until = 0.0

    def ring(self, jobs: Sequence[Ring]) -> None:
        """Ring for the first DEPTH jobs; the reconciler feeds the rest as the queue empties."""
        if time.monotonic() < self._silent_until:
            return
        try:
            with self._app.connection_for_write() as connection, self._app.amqp.Producer(connection) as producer:
                for job in jobs[:DEPTH]:
                    queue = queue_of(JOBS[job.name].service(), job.lane)
                    self._app.send_task(
                        job.name, args=[job.id], queue=queue, routing_key=queue, producer=producer, retry=False
                    )
        except (BrokerDown, redis.RedisError, OSError) as down:
            self._silent_until = time.monotonic() + self.SILENCE_S
            log.warning("the queue could not be told, the reconciler will: %s", type(down).__name__)


def worker(desk_from: Callable[[], Desk], broker_url: str, service: str, *, concurrency: int, name: str) -> None:
    """Run the worker of one service until it is told to stop (SIGTERM finishes the task in hand).

    `desk_from` is called once in each worker process, after the fork: connections do not survive one.
    """
    app = celery_app(broker_url)
    process: dict[str, Any] = {}

    def begin(**_: object) -> None:
        _die_with_parent()
        process["desk"] = desk_from()
        process["heart"] = Heart(process["desk"].engine)
        process["heart"].start()

    def perform(job_id: str) -> None:
        desk: Desk = process["desk"]
        try:
            held = ledger.claim(desk.engine, job_id)
        except (OperationalError, InterfaceError):
            log.warning("the database cannot be reached; the job stays in the ledger")
            return
        if held is None:
            return
        process["heart"].hold(held)
        try:
            run(desk, held, process["heart"].interruptible())
        except (OperationalError, InterfaceError):
            log.warning("the outcome could not be recorded; the lease will run out")
        except SoftTimeLimitExceeded:
            log.info("interrupted while the outcome was being recorded; the lease will run out")
        finally:
            process["heart"].hold(None)

    for handling in HANDLERS.values():
        if handling.job.service() == service:
            limit_s = handling.soft_time_limit_s
            app.task(perform, name=handling.job.name, soft_time_limit=limit_s, time_limit=limit_s + GRACE_S)
    signals.worker_process_init.connect(begin, weak=False)
    signals.worker_ready.connect(lambda **_: Reconciler(desk_from(), broker_url).start(), weak=False)
    lanes = ",".join(queue_of(service, lane) for lane in LANES)
    app.worker_main(
        ["worker", "--queues", lanes, "--concurrency", str(concurrency), "--hostname", f"{name}@%h",
         "--without-gossip", "--without-mingle", "--loglevel", "WARNING"]
    )  # fmt: skip


def _die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent dies: an orphan would hold its lease for nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _queue_names() -> list[str]:
    return [queue_of(service, lane) for service in services() for lane in LANES]
