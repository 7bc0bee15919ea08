"""The inside of the sandbox: a warm process that forks once per file and never opens one itself.

It speaks over the socket it inherits as descriptor `argv[1]`: a task comes with three descriptors (the file, a place
for the answer, a pipe for progress), an exit status goes back. Each fork has its own session, limits and end; what
it leaves running is killed. Knows nothing of the database, the store or the network.
"""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import select
import signal
import socket
import sys
import traceback
import warnings
from typing import Any, Literal

import msgspec

from services.ingest.limits import Limits
from shared.errors import DossierError, NotFound, Unavailable


class Task(msgspec.Struct, frozen=True):
    """One file to read, or one page of it to draw (`page` and `width`, in pixels)."""

    name: str
    password: str | None
    threads: int
    depth: int
    limits: Limits
    memory_bytes: int
    cpu_s: int
    output_bytes: int
    page: int | None = None
    width: int = 0


class Inside(msgspec.Struct):
    """A file found inside the file."""

    name: str
    content: bytes


class Report(msgspec.Struct):
    """What a file gave: exactly one of `reading` (encoded as the store keeps it), `picture` and `trouble`."""

    reading: bytes | None = None
    picture: bytes | None = None
    trouble: Trouble | None = None
    media_type: str = ""
    language: str | None = None
    page_count: int = 0
    characters: int = 0
    quality: float | None = None
    source: Literal["text", "ocr", "mixed", "none"] = "none"
    notes: list[str] = []
    children: list[Inside] = []
    container: bool = False
    signature: bytes | None = None


class Trouble(msgspec.Struct):
    """An error on its way out of the sandbox. `kind` names its class in shared/errors.py."""

    kind: Literal["refused", "not_found", "unavailable"]
    code: str
    public: str
    action: str
    private: str | None


class Ended(msgspec.Struct):
    """How a fork ended: `signal` that killed it (0 for none), its exit code, its peak memory."""

    signal: int
    code: int
    peak_bytes: int


def main(descriptor: int) -> None:
    """Serve tasks until the other side hangs up."""
    warnings.simplefilter("ignore")
    _warm_up()
    with socket.socket(fileno=descriptor) as line:
        line.send(b"ready")
        while True:
            message, descriptors, _, _ = socket.recv_fds(line, 1 << 20, 3)
            if not message:
                return
            ended = _fork(line, msgspec.msgpack.decode(message, type=Task), descriptors)
            for number in descriptors:
                os.close(number)
            if ended is None:
                return
            line.send(msgspec.msgpack.encode(ended))


def _warm_up() -> None:
    """Pay for imports and models once; forks share the memory."""
    import extract_msg  # noqa: F401
    import openpyxl  # noqa: F401
    import pikepdf  # noqa: F401

    from services.ingest import language, pdf, reading, rendering, scans, similarity  # noqa: F401

    language.preload()
    gc.collect()
    gc.freeze()


def _fork(line: socket.socket, task: Task, descriptors: list[int]) -> Ended | None:
    """Run the task in a fork; None where the other side hung up in the middle."""
    child = os.fork()
    if child == 0:
        line.close()
        os._exit(_run(task, *descriptors))
    watched = os.pidfd_open(child)
    try:
        either: list[Any] = [watched, line]
        readable, _, _ = select.select(either, [], [])
        hung_up = line in readable and watched not in readable
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)  # also what the fork left behind in its session
        if hung_up:  # a cancel, a deadline or the end of the worker: no more words, the other side only hangs up
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        _, status, usage = os.wait4(child, 0)
        return None if hung_up else _ended(status, usage.ru_maxrss)
    finally:
        os.close(watched)


def _ended(status: int, peak_kib: int) -> Ended:
    killed = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    return Ended(killed, os.WEXITSTATUS(status) if not killed else 0, peak_kib * 1024)


def _run(task: Task, source: int, answer: int, progress: int) -> int:
    """Everything between fork and exit; the exit code is 0 where a report was written."""
    try:
        os.setsid()
        _limit(task)
        gc.disable()
        report = _report(task, source, progress)
        try:
            _write(answer, msgspec.msgpack.encode(report))
        except OSError:
            too_much = _refused("too_large", "What the file unpacks to exceeds the limit for one file.")
            os.ftruncate(answer, 0)
            os.lseek(answer, 0, os.SEEK_SET)
            _write(answer, msgspec.msgpack.encode(Report(trouble=too_much)))
    except BaseException:  # noqa: BLE001  # the last line of defence: the exit code tells
        return 1
    return 0


def _limit(task: Task) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the write fails instead
    for limit, value in (
        (resource.RLIMIT_AS, task.memory_bytes),
        (resource.RLIMIT_CPU, task.cpu_s),
        (resource.RLIMIT_FSIZE, task.output_bytes),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 256),
    ):
        resource.setrlimit(limit, (value, value))


def _report(task: Task, source: int, progress: int) -> Report:
    try:
        content = _content(source)
        if task.page is not None:
            return _drawn(task, content)
        return _read(task, content, progress)
    except DossierError as known:
        kind: Literal["refused", "not_found", "unavailable"] = (
            "not_found"
            if isinstance(known, NotFound)
            else "unavailable"
            if isinstance(known, Unavailable)
            else "refused"
        )
        return Report(trouble=Trouble(kind, known.code, known.public, known.action, known.private))
    except (MemoryError, RecursionError) as over:
        return Report(
            trouble=_refused("too_large", "Reading the file needs more memory than one file may use.", repr(over))
        )
    except Exception as bug:  # noqa: BLE001  # a reader's defect must end as one failed document with its reason
        words = f"The reader failed on this file ({type(bug).__name__})."
        return Report(trouble=_refused("reader_failed", words, "".join(traceback.format_exception(bug))[-4000:]))


def _refused(code: str, public: str, private: str | None = None) -> Trouble:
    action = "Save the file again, as PDF if possible, and send that."
    return Trouble("refused", code, public, action, private)


def _content(source: int) -> bytes:
    size = os.fstat(source).st_size
    pieces: list[bytes] = []
    offset = 0
    while offset < size and (piece := os.pread(source, min(size - offset, 1 << 26), offset)):
        pieces.append(piece)
        offset += len(piece)
    return b"".join(pieces)


def _drawn(task: Task, content: bytes) -> Report:
    from services.ingest.rendering import page_png

    return Report(picture=page_png(content, task.name, task.page or 1, task.width, task.password, task.limits))


def _read(task: Task, content: bytes, progress: int) -> Report:
    from services.ingest.reading import Request, read
    from services.ingest.similarity import signature_of
    from shared.documents import encode

    def tell(done: int, of: int) -> None:
        with contextlib.suppress(OSError):
            os.write(progress, f"{done} {of}\n".encode())

    outcome = read(content, Request(task.name, task.password, task.threads, task.depth, task.limits), tell)
    reading = outcome.reading
    graded = [page.quality for page in reading.pages if page.quality is not None]
    sources = {page.source for page in reading.pages} - {"none"}
    return Report(
        reading=encode(reading),
        media_type=reading.media_type,
        language=reading.language,
        page_count=len(reading.pages),
        characters=len(reading.text),
        quality=round(sum(graded) / len(graded), 4) if graded else None,
        source="mixed" if len(sources) > 1 else next(iter(sources), "none"),
        notes=reading.notes,
        children=[Inside(child.name, child.content) for child in outcome.children],
        container=outcome.container,
        signature=None if outcome.container else signature_of(reading.text),
    )


def _write(target: int, encoded: bytes) -> None:
    view = memoryview(encoded)
    while view:
        view = view[os.write(target, view[: 1 << 26]) :]


if __name__ == "__main__":
    main(int(sys.argv[1]))
