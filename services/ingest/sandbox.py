"""The outside of the sandbox: hand a file to a process that can do no harm, get a report or a refusal back.

The process is warm (imports and models are paid once) and forks per file; bubblewrap takes its network, its view of
the disk and its credentials away where user namespaces work, resource limits and a deadline always hold. Bytes go in
and out through anonymous memory: nothing is left on disk, whatever dies.
"""

from __future__ import annotations

import functools
import logging
import os
import select
import shutil
import signal
import site
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from services.ingest.limits import DEFAULT, Limits
from services.ingest.sandboxed import Ended, Report, Task, Trouble
from shared.errors import NotFound, Refused, Unavailable

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[2]
#: What a reader may see of the disk besides Python and this program: system libraries, fonts, tesseract's models.
_SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/opt", "/etc/ld.so.cache", "/etc/fonts")
_ALTERNATIVES = ("/etc/alternatives", "/etc/libreoffice", "/etc/ssl/openssl.cnf")
#: Starting takes 2 s here; a loaded machine may need much longer.
_START_S = 120
_MEGABYTE = 1_000_000

Progress = Callable[[int, int], None]


class Bounds(msgspec.Struct, frozen=True):
    """What one file may use.

    Attributes:
        memory_bytes: address space of each process that works on it.
        patience_s: seconds without progress (a page read is progress), plus `patience_s_per_mb`.
        longest_s: seconds in all, also processor seconds of one process.
        output_bytes: reading and inner files together.
        threads: pages recognised side by side.
    """

    memory_bytes: int = 3 << 30
    patience_s: float = 90.0
    patience_s_per_mb: float = 5.0
    longest_s: int = 2_700
    output_bytes: int = 800_000_000
    threads: int = 1
    limits: Limits = DEFAULT


class Sandbox:
    """One warm reader process, started at the first use and started again after it was shot.

    Safe to share between threads: one file at a time.
    """

    def __init__(self, bounds: Bounds | None = None) -> None:
        self.bounds = bounds or Bounds()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None
        self._owner = os.getpid()
        #: The most memory that one file's reader has used so far, in bytes.
        self.peak_bytes = 0

    def read(
        self,
        content: bytes,
        name: str,
        *,
        depth: int = 0,
        password: str | None = None,
        progress: Progress = lambda done, of: None,
    ) -> Report:
        """Read one file. `progress` may raise to stop the work; what it raises is passed on.

        Raises Refused with the reason where the file cannot be read, exceeds its bounds, or killed its reader.
        """
        return self._run(content, self._task(name, depth, password), progress)

    def draw(self, content: bytes, name: str, page: int, width: int, *, password: str | None = None) -> bytes:
        """Page `page` (from 1) as PNG, `width` pixels wide. Raises NotFound beyond the last page, else as `read`."""
        task = msgspec.structs.replace(self._task(name, 0, password), page=page, width=width)
        picture = self._run(content, task, lambda done, of: None).picture
        return picture or b""

    def close(self) -> None:
        """Hang up; the process ends by itself. It starts again at the next use."""
        with self._lock:
            self._hang_up()

    def _task(self, name: str, depth: int, password: str | None) -> Task:
        bounds = self.bounds
        return Task(
            name=name,
            password=password,
            threads=bounds.threads,
            depth=depth,
            limits=bounds.limits,
            memory_bytes=bounds.memory_bytes,
            cpu_s=bounds.longest_s,
            output_bytes=bounds.output_bytes,
        )

    def _run(self, content: bytes, task: Task, progress: Progress) -> Report:
        with self._lock:
            if self._owner != os.getpid():  # a fork of a process that had one: theirs is not ours to talk to
                self._process, self._line, self._owner = None, None, os.getpid()
            source, answer = os.memfd_create("source"), os.memfd_create("answer")
            listening, telling = os.pipe()
            try:
                _write_all(source, content)
                ended = self._send(task, [source, answer, telling], listening, len(content), progress)
                return self._report(ended, answer)
            finally:
                for descriptor in (source, answer, listening, telling):
                    os.close(descriptor)

    def _send(self, task: Task, descriptors: list[int], listening: int, size_bytes: int, progress: Progress) -> Ended:
        """Hand over the task and wait for its end. Whatever goes wrong here costs the process its life."""
        line = self._ready()
        try:
            socket.send_fds(line, [msgspec.msgpack.encode(task)], descriptors)
            return self._wait(line, listening, size_bytes, progress)
        except OSError as broken:
            self._hang_up()
            raise Unavailable("The reader process went away.", private=repr(broken)) from broken
        except BaseException:
            self._hang_up()
            raise

    def _wait(self, line: socket.socket, listening: int, size_bytes: int, progress: Progress) -> Ended:
        patience_s = self.bounds.patience_s + self.bounds.patience_s_per_mb * size_bytes / _MEGABYTE
        began = last = time.monotonic()
        while True:
            deadline = min(last + patience_s, began + self.bounds.longest_s)
            watched: list[Any] = [line, listening]
            readable, _, _ = select.select(watched, [], [], max(deadline - time.monotonic(), 0))
            if line in readable:
                message = line.recv(4096)
                if not message:
                    raise Unavailable("The reader process went away.")
                return msgspec.msgpack.decode(message, type=Ended)
            if listening in readable:
                last = time.monotonic()
                done, of = os.read(listening, 65536).splitlines()[-1].split()
                progress(int(done), int(of))
            elif time.monotonic() >= deadline:
                raise Refused(
                    f"Reading the file was stopped after {time.monotonic() - began:.0f} s without an end in sight.",
                    action="Split the file, or save it again as PDF, and send that.",
                    code="too_slow",
                )

    def _report(self, ended: Ended, answer: int) -> Report:
        self.peak_bytes = max(self.peak_bytes, ended.peak_bytes)
        if ended.signal == signal.SIGXCPU:
            raise Refused("Reading the file took too much processor time.", action="Split the file.", code="too_slow")
        if ended.signal or ended.code:
            raise Refused(
                "The file made its reader crash.",
                action="Open it in the program it comes from, save it again as PDF, and send that.",
                code="reader_crashed",
                private=f"signal {ended.signal}, exit code {ended.code}, peak {ended.peak_bytes} bytes",
            )
        os.lseek(answer, 0, os.SEEK_SET)
        with os.fdopen(os.dup(answer), "rb") as stream:
            report = msgspec.msgpack.decode(stream.read(), type=Report)
        if report.trouble is not None:
            raise _raised(report.trouble)
        return report

    def _ready(self) -> socket.socket:
        """The line to a living process. Raises Unavailable where it does not start."""
        if self._line is not None and self._process is not None and self._process.poll() is None:
            return self._line
        self._hang_up()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [*_walls(), sys.executable, "-m", "services.ingest.sandboxed", str(theirs.fileno())]
            self._process = subprocess.Popen(
                command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, env=_environment(), cwd="/"
            )
        ours.settimeout(_START_S)
        try:
            ready = ours.recv(16)
        except TimeoutError:
            ready = b""
        if ready != b"ready":
            ours.close()
            self._hang_up()
            raise Unavailable("The reader process does not start.", action="Run `dossier doctor`.")
        ours.settimeout(None)
        self._line = ours
        return ours

    def _hang_up(self) -> None:
        """Close the line: the process inside kills what it runs and ends; if not within a second, it is shot."""
        if self._line is not None:
            self._line.close()
        if self._process is not None:
            try:
                self._process.wait(timeout=1.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process, self._line = None, None


def _raised(trouble: Trouble) -> Exception:
    kinds = {"refused": Refused, "not_found": NotFound, "unavailable": Unavailable}
    return kinds[trouble.kind](trouble.public, action=trouble.action, code=trouble.code, private=trouble.private)


def _write_all(target: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(target, view[: 1 << 26]) :]


def _environment() -> dict[str, str]:
    """What the reader may know: no credentials, one thread for every numeric library."""
    kept = {name: os.environ[name] for name in ("LANG", "TESSDATA_PREFIX") if name in os.environ}
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_THREAD_LIMIT"), "1")
    path = os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin")
    return {"PATH": path, "PYTHONPATH": str(ROOT), "HOME": "/tmp", "PYTHONDONTWRITEBYTECODE": "1", **kept, **single}


@functools.cache
def _walls() -> tuple[str, ...]:
    """The bubblewrap command that works here; () where none does, then only resource limits hold."""
    program = shutil.which("bwrap")
    if program is None:
        log.warning("bubblewrap is not installed: readers run with resource limits only")
        return ()
    for isolation in (("--unshare-all", "--uid", "65534", "--gid", "65534", "--cap-drop", "ALL"), ("--unshare-all",)):
        command = (program, *isolation, "--new-session", "--clearenv", *_kept_variables(), *_views())
        tried = subprocess.run([*command, sys.executable, "-c", ""], capture_output=True, check=False)
        if tried.returncode == 0:
            return command
    log.warning("bubblewrap does not work here (no user namespaces?): readers run with resource limits only")
    return ()


def _kept_variables() -> list[str]:
    return [part for name, value in _environment().items() for part in ("--setenv", name, value)]


def _views() -> list[str]:
    """Read-only views of what Python and tesseract need, an empty /tmp, and nothing else of the disk."""
    python = [sys.prefix, sys.base_prefix, *site.getsitepackages()]
    ours = [str(ROOT / "services"), str(ROOT / "shared")]
    # The empty /tmp comes first, or it would hide a checkout that lies below it.
    seen = ["--tmpfs", "/tmp"]
    for path in sorted({*_SYSTEM, *_ALTERNATIVES, *python, *ours}):
        if Path(path).exists():
            seen += ["--ro-bind", path, path]
    return [*seen, "--proc", "/proc", "--dev", "/dev", "--chdir", "/"]
