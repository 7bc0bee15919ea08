"""The ledger: what every document and job is, and the only SQL that changes it.

Celery over Redis loses and repeats messages, so the queue is only a doorbell and this is the truth:

- A job is claimed with a lease and a fence. No row, no work.
- The rows a handler writes, the end of its job and the jobs that follow are one transaction, begun by
  `Work.write`, which locks the job under its fence. A worker that froze and woke up raises Fenced and changes nothing.
- A document has succeeded when none of its jobs is open; `open_jobs` is counted in those same transactions.
- Times are the database's. This module knows no queue: `shared/queues.py` rings, tests drain.
"""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, NamedTuple

from sqlalchemy import (
    Column,
    Connection,
    DateTime,
    Engine,
    Integer,
    MetaData,
    Table,
    Text,
    bindparam,
    func,
    insert,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.errors import DossierError
from shared.generation import Generator
from shared.jobs import DocumentJob, Job, parse
from shared.store import Store

#: Claims of one job before it is given up: a file that kills its worker stops here.
MAX_ATTEMPTS = 5
#: A worker renews every third of this; the reconciler takes a job over when it has run out.
LEASE_S = 15
#: The longest wait between two tries of anything, in seconds.
LONGEST_BACKOFF_S = 60

metadata = MetaData(schema="ledger")

documents = Table(
    "documents",
    metadata,
    Column("id", Text, primary_key=True),
    Column("workspace_id", Text, nullable=False),
    Column("batch_id", Text),
    Column("parent_id", Text),
    Column("name", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="pending"),
    #: {code, message, action}; set where the state is failed, canceled or skipped.
    Column("reason", JSONB),
    Column("open_jobs", Integer, nullable=False, server_default="0"),
    #: {done, of}: pages read so far, while a long document is being read.
    Column("progress", JSONB),
    Column("created_at", DateTime(timezone=True), server_default=func.now(), nullable=False),
    Column("updated_at", DateTime(timezone=True), server_default=func.now(), nullable=False),
    Column("finished_at", DateTime(timezone=True)),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("workspace_id", Text, nullable=False),
    Column("document_id", Text),
    Column("name", Text, nullable=False),
    Column("body", JSONB, nullable=False),
    #: 0 for what somebody waits for, 1 for bulk; workers take 0 first. Followers inherit it.
    Column("lane", Integer, nullable=False, server_default="0"),
    Column("state", Text, nullable=False, server_default="waiting"),
    Column("fence", Integer, nullable=False, server_default="0"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    #: How often infrastructure trouble gave the attempt back; only stretches the backoff.
    Column("given_back", Integer, nullable=False, server_default="0"),
    Column("next_at", DateTime(timezone=True), server_default=func.now(), nullable=False),
    Column("lease_until", DateTime(timezone=True)),
    Column("sent_at", DateTime(timezone=True)),
    #: The last trouble, for the log reader; `reason` is for people and set when the job is given up.
    Column("trouble", Text),
    Column("reason", JSONB),
    Column("created_at", DateTime(timezone=True), server_default=func.now(), nullable=False),
    Column("finished_at", DateTime(timezone=True)),
)


class Fenced(Exception):  # not an error: the job belongs to somebody else now
    """This worker's claim is over (lease lost, job canceled); whatever it was about to write must not be written."""


class Claim(NamedTuple):
    """One job, held by one worker until its lease ends. `job` is validated again on the way out of the ledger."""

    id: str
    fence: int
    attempts: int
    workspace: str
    document: str | None
    job: Job
    lane: int = 0


class Ring(NamedTuple):
    """A job that the queue should hear of."""

    id: str
    name: str
    lane: int


class Reason(NamedTuple):
    """Why a document is not a success, for a person: a stable code, a sentence, and what to do."""

    code: str
    message: str
    action: str = ""

    @classmethod
    def of(cls, error: DossierError) -> Reason:
        """The reason that an error gives."""
        return cls(error.code, error.public, error.action)


@dataclass
class Work:
    """What a handler gets beside its job. Reads go through `read`, all writes through `write`.

    `write` opens the one transaction at its first use and proves the fence; the runner commits it together with
    the end of the job and the jobs that follow. Raises Fenced where the claim is over.
    """

    claim: Claim
    engine: Engine
    store: Store
    generator: Generator | None = None
    #: A folder for caches and models; survives restarts, may be emptied at any time.
    cache: str = ""
    _read: Connection | None = field(default=None, repr=False)
    _write: Connection | None = field(default=None, repr=False)

    @property
    def job(self) -> str:
        """The job's id."""
        return self.claim.id

    @property
    def workspace(self) -> str:
        """The workspace that the job belongs to; every query filters by it."""
        return self.claim.workspace

    @property
    def document(self) -> str | None:
        """The document the job is about, if any."""
        return self.claim.document

    @property
    def read(self) -> Connection:
        """A connection for reading, outside of the transaction of `write`."""
        if self._read is None:
            self._read = self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        return self._read

    @property
    def write(self) -> Connection:
        """The fenced transaction."""
        if self._write is None:
            connection = self.engine.connect()
            connection.begin()
            if not _held(connection, self.claim):
                connection.close()
                raise Fenced(self.claim.id)
            self._write = connection
        return self._write

    def progress(self, done: int, of: int) -> None:
        """Tell the world how far a long job is, at once and outside of the transaction."""
        if self.claim.document is not None:
            self.read.execute(_PROGRESS, {"id": self.claim.document, "done": done, "of": of})

    def __enter__(self) -> Work:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, wrong: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close both connections; what was not committed is rolled back."""
        for connection in (self._write, self._read):
            if connection is not None:
                connection.close()
        self._write = self._read = None


def new_id(kind: str) -> str:
    """A fresh id such as `doc_01j9…`: sortable by time of making (milliseconds), 80 random bits behind."""
    return f"{kind}_{int(time.time() * 1000):012x}{secrets.token_hex(10)}"


# --- documents ---------------------------------------------------------------------------------------------------


def add_documents(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Record new documents: dicts of id, workspace_id, name, and optionally batch_id, parent_id, state, reason."""
    if rows:
        base: dict[str, Any] = {"batch_id": None, "parent_id": None, "state": "pending", "reason": None}
        stamped = [base | row for row in rows]
        connection.execute(insert(documents), stamped)


def cancel(connection: Connection, workspace: str, *, batch: str | None = None, document: str | None = None) -> int:
    """Cancel every unfinished document of a batch, or one document; the number that were canceled.

    A running handler loses its fence at once: what it has not committed never happens.
    """
    chosen = {"workspace": workspace, "batch": batch, "document": document}
    canceled = connection.execute(_CANCEL_DOCUMENTS, chosen).scalars().all()
    connection.execute(_CANCEL_JOBS, {"ids": list(canceled)})
    return len(canceled)


def forget(connection: Connection, workspace: str, document: str) -> list[str]:
    """Delete a document with everything found inside it, and every room's rows about them; their ids.

    Running handlers lose their fence. The bytes in the store are their owner's business. [] where this workspace
    has no such document.
    """
    family = list(connection.execute(_FAMILY, {"id": document, "workspace": workspace}).scalars())
    connection.execute(_CANCEL_JOBS, {"ids": family})
    # Rows of children, jobs and of other schemas go with theirs by ON DELETE CASCADE.
    connection.execute(_FORGET_DOCUMENT, {"id": document, "workspace": workspace})
    return family


# --- jobs --------------------------------------------------------------------------------------------------------


def add(connection: Connection, workspace: str, new: Iterable[Job], lane: int = 0, *, after_s: float = 0) -> list[Ring]:
    """Write jobs into the caller's transaction and open their documents again; what to ring for after its commit.

    With `after_s` they are due so many seconds from now: nobody rings, the reconciler will.
    """
    rows: list[dict[str, Any]] = [
        {
            "id": new_id("job"),
            "workspace_id": workspace,
            "document_id": job.document if isinstance(job, DocumentJob) else None,
            "name": job.name,
            "lane": lane,
            "body": job.model_dump(mode="json"),
        }
        for job in new
    ]
    if not rows:
        return []
    connection.execute(insert(jobs), rows)
    opened = Counter(row["document_id"] for row in rows if row["document_id"] is not None)
    if opened:
        # Sorted: two callers that open the same documents must not wait for each other in a circle.
        counts = [{"id": id_, "count": opened[id_], "workspace": workspace} for id_ in sorted(opened)]
        connection.execute(_OPEN, counts)
    if after_s > 0:
        connection.execute(_POSTPONE, {"ids": [row["id"] for row in rows], "after": after_s})
        return []
    return [Ring(row["id"], row["name"], lane) for row in rows]


def claim(engine: Engine, job_id: str, lease_s: int = LEASE_S) -> Claim | None:
    """Take a job, or None where it is done, held by somebody, or not due.

    A job that was claimed MAX_ATTEMPTS times and never ended (its worker died each time) is quarantined here.
    """
    with engine.begin() as connection:
        connection.execute(_UNHURRIED)
        connection.execute(_RUNNING, {"id": job_id})
        row = connection.execute(_CLAIM, {"id": job_id, "lease": lease_s}).first()
        if row is None:
            connection.rollback()
            return None
        if row.attempts > MAX_ATTEMPTS:
            _end_failed(connection, row.id, row.document_id, _DIED, row.trouble)
            return None
    job = parse(row.name, row.body)
    return Claim(row.id, row.fence, row.attempts, row.workspace_id, row.document_id, job, row.lane)


def renew(engine: Engine, held: Claim, lease_s: int = LEASE_S) -> bool:
    """Hold the job for another `lease_s` seconds; False where the claim is over."""
    with engine.begin() as connection:
        connection.execute(_UNHURRIED)
        renewed = connection.execute(_RENEW, {"id": held.id, "fence": held.fence, "lease": lease_s})
        return renewed.rowcount == 1


def stands(engine: Engine, held: Claim) -> bool:
    """Whether nobody has canceled the job or taken it over; changes nothing."""
    with engine.connect() as connection:
        return connection.execute(_STANDS, {"id": held.id, "fence": held.fence}).first() is not None


def finish(work: Work, follow: Sequence[Job]) -> list[Ring]:
    """End the job as done: its rows, its end and its followers in one commit; the followers, to ring for."""
    connection = work.write
    sent = add(connection, work.workspace, follow, work.claim.lane)
    connection.execute(_DONE, {"id": work.claim.id})
    if work.document is not None:
        connection.execute(_CLOSE, {"id": work.document})
    connection.commit()
    return sent


def fail(engine: Engine, held: Claim, reason: Reason, trouble: str | None = None) -> None:
    """Quarantine the job and fail its document with `reason`; nothing happens where the claim is over."""
    with engine.begin() as connection:
        if _held(connection, held):
            _end_failed(connection, held.id, held.document, reason, trouble)


def retry(engine: Engine, held: Claim, trouble: str, *, give_back: bool) -> None:
    """Let the job wait and be tried again; `give_back` returns the attempt (the trouble was ours).

    The wait doubles from one second up to LONGEST_BACKOFF_S.
    """
    with engine.begin() as connection:
        connection.execute(
            _RETRY,
            {
                "id": held.id,
                "fence": held.fence,
                "back": 1 if give_back else 0,
                "longest": LONGEST_BACKOFF_S,
                "trouble": trouble[-4000:],
            },
        )


def due(connection: Connection, names: Sequence[str], lane: int, limit: int, patience_s: float) -> list[Ring]:
    """Jobs of the kinds `names` in one lane that should be rung for, at most `limit`, oldest first.

    That is: waiting, due, and not rung for within `patience_s` seconds; or leased and the lease has run out.
    They count as rung for from now on. Rows that another reconciler holds are passed over.
    """
    chosen = {"names": list(names), "lane": lane, "limit": limit, "patience": patience_s}
    return [Ring(row.id, row.name, row.lane) for row in connection.execute(_DUE, chosen)]


def forget_rings(connection: Connection) -> int:
    """The broker forgot everything: let every waiting job be rung for again; how many that were."""
    return connection.execute(_FORGET).rowcount


def trouble_of_run(connection: Connection, run: str) -> Reason | None:
    """Why a job of this run was given up; None where none was."""
    row = connection.execute(_RUN_TROUBLE, {"run": run}).first()
    return Reason(**row.reason) if row is not None else None


_DIED = Reason(
    "crashed",
    f"The worker died {MAX_ATTEMPTS} times over this document.",
    "The file is probably damaged. Open it elsewhere, save it again and upload that, or retry.",
)


def _held(connection: Connection, held: Claim) -> bool:
    """Whether the claim still stands; locks the document, then the job.

    Everybody locks in this order, so that a cancel and a finishing worker cannot wait for each other.
    """
    if held.document is not None:
        connection.execute(_LOCK_DOCUMENT, {"id": held.document})
    return connection.execute(_HOLD, {"id": held.id, "fence": held.fence}).first() is not None


def _end_failed(connection: Connection, job_id: str, document: str | None, reason: Reason, trouble: str | None) -> None:
    why = reason._asdict()
    connection.execute(_QUARANTINE, {"id": job_id, "trouble": trouble and trouble[-4000:], "reason": why})
    if document is not None:
        connection.execute(_FAILED, {"id": document, "reason": why})
        connection.execute(_STOP_SIBLINGS, {"id": document})


#: A claim that a crash of the database forgets is a job that waits: no need to wait for the disk.
_UNHURRIED = text("SET LOCAL synchronous_commit TO off")
_LOCK_DOCUMENT = text("SELECT 1 FROM ledger.documents WHERE id = :id FOR UPDATE")
_RUN_TROUBLE = text(
    "SELECT reason FROM ledger.jobs WHERE body->>'run' = :run AND state = 'quarantined' ORDER BY id DESC LIMIT 1"
)
_HOLD = text("SELECT 1 FROM ledger.jobs WHERE id = :id AND fence = :fence AND state = 'leased' FOR UPDATE")
_STANDS = text("SELECT 1 FROM ledger.jobs WHERE id = :id AND fence = :fence AND state = 'leased'")
_PROGRESS = text(
    "UPDATE ledger.documents SET progress = jsonb_build_object('done', CAST(:done AS int), 'of', CAST(:of AS int)),"
    " updated_at = now() WHERE id = :id"
)
_OPEN = text(
    "UPDATE ledger.documents SET open_jobs = open_jobs + :count, reason = NULL, finished_at = NULL,"
    " state = CASE WHEN state = 'running' THEN state ELSE 'pending' END, updated_at = now()"
    " WHERE id = :id AND workspace_id = :workspace"
)
_CLAIM = text(
    "UPDATE ledger.jobs SET state = 'leased', fence = fence + 1, attempts = attempts + 1,"
    " lease_until = clock_timestamp() + make_interval(secs => :lease)"
    " WHERE id = :id AND ((state = 'waiting' AND next_at <= clock_timestamp())"
    "  OR (state = 'leased' AND lease_until < clock_timestamp()))"
    " RETURNING id, fence, attempts, workspace_id, document_id, name, body, trouble, lane"
)
_RUNNING = text(
    "UPDATE ledger.documents SET state = 'running', updated_at = now() WHERE state = 'pending'"
    " AND id = (SELECT document_id FROM ledger.jobs WHERE id = :id)"
)
_RENEW = text(
    "UPDATE ledger.jobs SET lease_until = clock_timestamp() + make_interval(secs => :lease)"
    " WHERE id = :id AND fence = :fence AND state = 'leased'"
)
_DONE = text(
    "UPDATE ledger.jobs SET state = 'done', lease_until = NULL, trouble = NULL, finished_at = clock_timestamp()"
    " WHERE id = :id"
)
_CLOSE = text(
    "UPDATE ledger.documents SET open_jobs = open_jobs - 1, updated_at = now(),"
    " state = CASE WHEN open_jobs = 1 THEN 'succeeded' ELSE state END,"
    " progress = CASE WHEN open_jobs = 1 THEN NULL ELSE progress END,"
    " finished_at = CASE WHEN open_jobs = 1 THEN clock_timestamp() ELSE finished_at END WHERE id = :id"
)
_QUARANTINE = text(
    "UPDATE ledger.jobs SET state = 'quarantined', lease_until = NULL, finished_at = clock_timestamp(),"
    " trouble = COALESCE(:trouble, trouble), reason = :reason WHERE id = :id"
).bindparams(bindparam("reason", type_=JSONB))
_STOP_SIBLINGS = text(
    "UPDATE ledger.jobs SET state = 'canceled', fence = fence + 1, lease_until = NULL,"
    " finished_at = clock_timestamp() WHERE document_id = :id AND state IN ('waiting', 'leased')"
)
_FAILED = text(
    "UPDATE ledger.documents SET state = 'failed', reason = :reason, open_jobs = 0, progress = NULL,"
    " updated_at = now(), finished_at = clock_timestamp() WHERE id = :id"
).bindparams(bindparam("reason", type_=JSONB))
_RETRY = text(
    "UPDATE ledger.jobs SET state = 'waiting', lease_until = NULL, attempts = attempts - :back,"
    " given_back = given_back + :back, trouble = :trouble, sent_at = NULL,"
    " next_at = clock_timestamp() + make_interval(secs => LEAST(:longest, power(2, CASE WHEN :back = 1"
    "  THEN LEAST(given_back, 10) ELSE LEAST(attempts - 1, 10) END)))"
    " WHERE id = :id AND fence = :fence AND state = 'leased'"
)
_DUE = text(
    "UPDATE ledger.jobs SET sent_at = clock_timestamp() WHERE id IN ("
    " SELECT id FROM ledger.jobs WHERE name = ANY(:names) AND lane = :lane"
    "  AND ((state = 'waiting' AND next_at <= clock_timestamp() AND (sent_at IS NULL"
    "    OR sent_at < clock_timestamp() - make_interval(secs => :patience)))"
    "   OR (state = 'leased' AND lease_until < clock_timestamp()"
    "    AND (sent_at IS NULL OR sent_at < clock_timestamp() - make_interval(secs => 2))))"
    "  ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED)"
    " RETURNING id, name, lane"
)
_FORGET = text("UPDATE ledger.jobs SET sent_at = NULL WHERE state = 'waiting' AND sent_at IS NOT NULL")
_CANCEL_DOCUMENTS = text(
    "UPDATE ledger.documents SET state = 'canceled', open_jobs = 0, progress = NULL, updated_at = now(),"
    " finished_at = clock_timestamp(),"
    ' reason = \'{"code": "canceled", "message": "Canceled by a person.", "action": "Retry to start again."}\''
    " WHERE workspace_id = :workspace AND state IN ('pending', 'running')"
    " AND (batch_id = :batch OR id = :document) RETURNING id"
)
_FAMILY = text(
    "WITH RECURSIVE family AS (SELECT id FROM ledger.documents WHERE id = :id AND workspace_id = :workspace UNION"
    " SELECT documents.id FROM ledger.documents JOIN family ON documents.parent_id = family.id) SELECT id FROM family"
)
_FORGET_DOCUMENT = text("DELETE FROM ledger.documents WHERE id = :id AND workspace_id = :workspace")
_POSTPONE = text(
    "UPDATE ledger.jobs SET next_at = clock_timestamp() + make_interval(secs => :after) WHERE id = ANY(:ids)"
)
_CANCEL_JOBS = text(
    "UPDATE ledger.jobs SET state = 'canceled', fence = fence + 1, lease_until = NULL,"
    " finished_at = clock_timestamp() WHERE document_id = ANY(:ids) AND state IN ('waiting', 'leased')"
)
