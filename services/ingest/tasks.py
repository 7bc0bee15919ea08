"""Queue in: read a file in the sandbox, keep what was read, make documents of what was inside."""

from __future__ import annotations

import time
from functools import cache

from services.ingest.sandbox import Bounds, Sandbox
from services.ingest.sandboxed import Report
from services.ingest.settings import settings
from services.ingest.tables import files
from services.ingest.tables.files import Arrived
from shared.errors import Unavailable
from shared.jobs import Classify, Index, Job, Read
from shared.ledger import Work
from shared.queues import handles

#: Progress of a long document is written this often, in seconds; short ones write none.
_TELL_EVERY_S = 1.0
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
    report = sandbox().read(original, file.name, depth=file.depth, progress=_Teller(work).tell)
    stored = work.store.put(work.workspace, "readings", report.reading or b"")
    arrived = _children(work, report)
    files.keep_reading(work.write, job.document, _columns(report, stored.key))
    follow: list[Job] = [] if report.container else [Classify(document=job.document), Index(document=job.document)]
    return [*follow, *_admitted(work, job.document, file.batch_id, file.depth, arrived)]


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
