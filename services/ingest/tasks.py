"""Queue in: read files, deliver to webhooks, collect garbage; and the chores that send the latter two.

A file is read in the sandbox; what was read is kept, and what was inside becomes documents.
"""

from __future__ import annotations

import time
from functools import cache

from services.ingest.sandbox import Bounds, Sandbox
from services.ingest.sandboxed import Report
from services.ingest.sealing import opened
from services.ingest.settings import settings
from services.ingest.tables import announcing, files, garbage, passwords, similar, webhooks
from services.ingest.tables.files import Arrived
from services.ingest.webhooks import RETRY_AFTER_S, post
from shared import access, queues
from shared.desk import Desk
from shared.errors import Refused, Unavailable
from shared.jobs import Classify, Collect, Deliver, Index, Job, Read
from shared.ledger import Work
from shared.queues import handles
from shared.reconciling import regularly

#: Progress of a long document is written this often, in seconds; short ones write none.
_TELL_EVERY_S = 1.0
#: Longer than any request or job takes from its put to its commit: there is no hurry.
_GARBAGE_AFTER_S = 3_600
#: Names of files inside files are shown in lists.
_LONGEST_NAME = 300


@handles(Read, soft_time_limit_s=2_800)
def read(job: Read, work: Work) -> list[Job]:
    """Turn the original into a reading; attachments become documents with jobs of their own.

    Idempotent: the reading replaces the one before, and a child that is there already is not made again.
    """
    file = files.file_of(work.read, work.workspace, job.document)
    try:
        original = work.store.get(file.original_key)
    except KeyError as missing:
        raise Unavailable("The original is not in the store.", private=file.original_key) from missing
    report = _report(work, job.document, original, file.name, file.depth)
    stored = work.store.put(work.workspace, "readings", report.reading or b"")
    arrived = _children(work, report)
    garbage.hold(work.write, work.store, work.workspace, [stored.key, *(child.original_key for child in arrived)])
    files.keep_reading(work.write, job.document, _columns(report, stored.key))
    similar.keep(work.write, work.workspace, job.document, report.signature)
    follow: list[Job] = [] if report.container else [Classify(document=job.document), Index(document=job.document)]
    return [*follow, *_admitted(work, job.document, file.batch_id, file.depth, arrived)]


@handles(Deliver, soft_time_limit_s=60)
def deliver(job: Deliver, work: Work) -> list[Job]:
    """Post one event to one webhook; not taken, it is tried again later, and in the end given up as dead.

    A worker that dies in between posts it twice, with the same id. A receiver that failed is left alone for a while.
    """
    found = webhooks.waiting(work.read, work.workspace, job.delivery)
    if found is None:
        return []
    if found.pause_s > 0:
        queues.send(work.write, work.workspace, [job], after_s=found.pause_s)
        return []
    secret = opened(work.store, found.sealed)
    outcome = post(found.url, secret, found.event_id, found.body, private=settings().webhooks_private)
    dead = outcome.gone or found.attempts >= len(RETRY_AFTER_S)
    webhooks.tried(work.write, found, outcome, dead=dead)
    if not outcome.taken and not dead:
        queues.send(work.write, work.workspace, [job], after_s=RETRY_AFTER_S[found.attempts])
    return []


@handles(Collect, soft_time_limit_s=1_800)
def collect(job: Collect, work: Work) -> list[Job]:
    """End expired uploads, and delete from the store what has had no row for an hour."""
    garbage.collect(work.engine, work.store, job.workspace, older_s=_GARBAGE_AFTER_S)
    return []


@regularly("ingest.announce", every_s=2)
def announce(desk: Desk) -> None:
    """Tell webhooks what has happened."""
    announcing.announce(desk)


@regularly("ingest.collect", every_s=3_600)
def collect_everywhere(desk: Desk) -> None:
    """Have the garbage of every workspace collected."""
    with desk.transaction() as transaction:
        for workspace in access.workspaces(transaction):
            queues.send(transaction, workspace.id, [Collect(workspace=workspace.id)], bulk=True)


@cache
def sandbox() -> Sandbox:
    """The reader process of this worker, started at its first file."""
    chosen = settings()
    return Sandbox(
        Bounds(
            memory_bytes=chosen.reader_memory_bytes,
            patience_s=chosen.reader_patience_s,
            threads=chosen.reader_threads,
        )
    )


def _report(work: Work, document: str, original: bytes, name: str, depth: int) -> Report:
    """Read in the sandbox; a password that does not open the file is forgotten at once."""
    password = passwords.of(work.read, work.store, document)
    try:
        return sandbox().read(original, name, depth=depth, password=password, progress=_Teller(work).tell)
    except Refused as refused:
        if password is not None and refused.code == "needs_password":
            with work.engine.begin() as connection:
                keys = passwords.forget(connection, work.workspace, document)
            garbage.sweep(work.engine, work.store, work.workspace, keys=keys)
        raise


def _columns(report: Report, reading_key: str) -> dict[str, object]:
    return {
        "reading_key": reading_key,
        "media_type": report.media_type,
        "language": report.language,
        "page_count": report.page_count,
        "characters": report.characters,
        "quality": report.quality,
        "source": report.source,
        "notes": report.notes,
        "container": report.container,
    }


def _children(work: Work, report: Report) -> list[Arrived]:
    """Put the files found inside into the store: bytes before rows."""
    arrived = []
    for child in report.children:
        stored = work.store.put(work.workspace, "originals", child.content)
        arrived.append(Arrived(child.name[-_LONGEST_NAME:], stored.key, stored.sha256, stored.size_bytes))
    return arrived


def _admitted(work: Work, parent: str, batch: str | None, depth: int, arrived: list[Arrived]) -> list[Job]:
    """Documents for the children that are not there yet, from an earlier reading of the same file."""
    known = {(row.name, row.sha256) for row in files.children_of(work.write, parent)}
    new = [file for file in arrived if (file.name, file.sha256) not in known]
    admitted = files.admit(work.write, work.workspace, batch, new, parent=parent, depth=depth + 1)
    return [Read(document=child.document) for child in admitted if child.duplicate_of is None]


class _Teller:
    """Passes progress on, at most once a second."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._told = time.monotonic()

    def tell(self, done: int, of: int) -> None:
        """Progress in pages."""
        now = time.monotonic()
        if now - self._told >= _TELL_EVERY_S:
            self._told = now
            self._work.progress(done, of)
