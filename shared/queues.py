"""The queue: the only file that knows Celery.

The queue carries nothing but `(job id)`; the job itself is in the ledger (shared/ledger.py), so Redis may lose,
repeat or forget everything. Every setting below closes a trap that was measured; do not loosen one alone.

    @handles(Classify, soft_time_limit_s=60)
    def classify(job: Classify, work: Work) -> list[Job]: ...

`send` writes jobs into the caller's transaction; the doorbell rings after its commit. Where the ring is lost, the
reconciler rings again. Tests need no broker: `drain` runs the same handlers from the ledger alone.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

import redis
from celery import Celery, signals
from celery.exceptions import SoftTimeLimitExceeded
from kombu.entity import Exchange, Queue
from kombu.exceptions import OperationalError as BrokerDown
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import InterfaceError, OperationalError

from shared import ledger, logs
from shared.desk import Desk
from shared.errors import Refused, Unavailable
from shared.jobs import JOBS, Job
from shared.ledger import LEASE_S, MAX_ATTEMPTS, Claim, Fenced, Reason, Ring, Work

log = logging.getLogger(__name__)

J = TypeVar("J", bound=Job)
Handler = Callable[[Any, Work], Sequence[Job]]

#: Longer than any task may run: the shortest value of any worker on the broker requeues everybody's tasks.
VISIBILITY_S = 3600
#: Between the soft limit, which raises inside the handler, and the hard one, which kills its process.
GRACE_S = 20
#: A queue is never filled beyond this by the reconciler: the rest waits in the ledger, where it costs nothing.
DEPTH = 200
#: A handler that overran its time limit is tried this often in all; a slow machine deserves a second chance.
SLOW_ATTEMPTS = 2
#: Interactive, then bulk: a batch of thousands must not keep the one letter waiting that somebody looks for.
LANES = (0, 1)
KEY_PREFIX = "dossier:"
EPOCH = KEY_PREFIX + "epoch"
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


def send(connection: Connection, workspace: str, jobs: Iterable[Job], *, bulk: bool = False) -> None:
    """Write jobs into this transaction of `desk.transaction()`; the queue is told after its commit, best effort.

    `bulk` jobs, and what follows from them, stand back behind those that somebody waits for.
    """
    lane = 1 if bulk else 0
    connection.info.setdefault("doorbell", []).extend(ledger.add(connection, workspace, jobs, lane))


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
        task_queues=[Queue(name, Exchange("dossier", "direct"), routing_key=name) for name in _queues()],
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
                    queue = _queue_of(JOBS[job.name].service(), job.lane)
                    self._app.send_task(
                        job.name, args=[job.id], queue=queue, routing_key=queue, producer=producer, retry=False
                    )
        except (BrokerDown, redis.RedisError, OSError) as down:
            self._silent_until = time.monotonic() + self.SILENCE_S
            log.warning("the queue could not be told, the reconciler will: %s", type(down).__name__)


class _Heart(threading.Thread):
    """Renews the lease of the job that this process works on; interrupts the work where the claim is over.

    The interruption is a signal that raises Fenced in the main thread, and only while a handler runs there: anywhere
    else (a commit, a claim) it would tear our own bookkeeping apart.
    """

    def __init__(self, engine: Engine) -> None:
        super().__init__(daemon=True, name="lease")
        self._engine = engine
        self._held: Claim | None = None
        self._lock = threading.Lock()
        self._interruptible = False
        signal.signal(signal.SIGUSR2, self._interrupt)

    def run(self) -> None:
        while True:
            time.sleep(LEASE_S / 3)
            with self._lock:
                held = self._held
            if held is None:
                continue
            try:
                alive = ledger.renew(self._engine, held)
            except (OperationalError, InterfaceError):
                continue
            with self._lock:
                if not alive and self._held is held:
                    log.info("the claim on %s is over, the work is interrupted", held.id)
                    os.kill(os.getpid(), signal.SIGUSR2)

    def hold(self, held: Claim | None) -> None:
        """Keep this claim alive from now on; None for nothing."""
        with self._lock:
            self._held = held

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


def worker(desk_from: Callable[[], Desk], broker_url: str, service: str, *, concurrency: int, name: str) -> None:
    """Run the worker of one service until it is told to stop (SIGTERM finishes the task in hand).

    `desk_from` is called once in each worker process, after the fork: connections do not survive one.
    """
    app = celery_app(broker_url)
    process: dict[str, Any] = {}

    def begin(**_: object) -> None:
        _die_with_parent()
        process["desk"] = desk_from()
        process["heart"] = _Heart(process["desk"].engine)
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
    signals.worker_ready.connect(lambda **_: _start_reconciler(desk_from, broker_url), weak=False)
    lanes = ",".join(_queue_of(service, lane) for lane in LANES)
    app.worker_main(
        ["worker", "--queues", lanes, "--concurrency", str(concurrency), "--hostname", f"{name}@%h",
         "--without-gossip", "--without-mingle", "--loglevel", "WARNING"]
    )  # fmt: skip


def _die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent dies: an orphan would hold its lease for nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


# --- the reconciler ----------------------------------------------------------------------------------------------


def _start_reconciler(desk_from: Callable[[], Desk], broker_url: str) -> None:
    reconciler = Reconciler(desk_from(), broker_url)
    threading.Thread(target=reconciler.forever, daemon=True, name="reconciler").start()


class Reconciler:
    """Rings for what is due: new jobs whose ring was lost, backoffs that ended, leases that ran out.

    One runs in every worker; a Postgres advisory lock lets one at a time do the work.
    """

    def __init__(self, desk: Desk, broker_url: str) -> None:
        self._desk = desk
        self._redis = redis.Redis.from_url(broker_url, socket_timeout=5, socket_connect_timeout=3)

    def forever(self, every_s: float = 1.0) -> None:
        """Tick until the process ends; trouble with the database or the broker is waited out."""
        while True:
            try:
                self.tick()
            except (OperationalError, InterfaceError, redis.RedisError, BrokerDown) as down:
                log.warning("the reconciler waits: %s", type(down).__name__)
            time.sleep(every_s)

    def tick(self) -> int:
        """One round; how many jobs were rung for (0 where another reconciler is at work)."""
        with self._desk.engine.begin() as connection:
            if not connection.execute(text("SELECT pg_try_advisory_xact_lock(hashtext('dossier.ring'))")).scalar():
                return 0
            if self._redis.set(EPOCH, "1", nx=True):
                log.warning("the broker has forgotten everything: %d jobs anew", ledger.forget_rings(connection))
            found = [job for service in _services() for lane in LANES for job in self._due(connection, service, lane)]
        for start in range(0, len(found), DEPTH):
            self._desk.ring(found[start : start + DEPTH])
        return len(found)

    def _due(self, connection: Connection, service: str, lane: int) -> Sequence[Ring]:
        depth = int(self._redis.llen(KEY_PREFIX + _queue_of(service, lane)))
        if depth >= DEPTH // 2:
            return []
        names = [name for name, job in JOBS.items() if job.service() == service]
        # An empty queue with a ring behind it means a lost message; a filled one only means patience.
        return ledger.due(connection, names, lane, DEPTH - depth, patience_s=3 if depth == 0 else 60)


def _services() -> list[str]:
    return sorted({job.service() for job in JOBS.values()})


def _queue_of(service: str, lane: int) -> str:
    return service if lane == 0 else f"{service}.bulk"


def _queues() -> list[str]:
    return [_queue_of(service, lane) for service in _services() for lane in LANES]
