"""A whole Dossier in its own home: supervisor, Postgres, Valkey, API, workers, as `make up` starts them."""

from __future__ import annotations

import json
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import Engine, text

from services import embedded
from services.cli import first_run
from services.cli.client import Client
from services.embedded import Place
from shared.database import engine_from


@dataclass
class Stack:
    """A running installation and the ways to hurt it."""

    place: Place
    client: Client
    engine: Engine

    def processes(self, what: str) -> list[psutil.Process]:
        """Processes of this installation whose command line holds `what`, their forked children included."""
        supervisor = psutil.Process(json.loads(self.place.state.read_text())["pid"])
        found = [one for one in supervisor.children(recursive=False) if what in " ".join(_command(one))]
        return [child for parent in found for child in (parent, *parent.children(recursive=True))]

    def kill(self, what: str) -> int:
        """kill -9 all of them; how many that were."""
        victims = self.processes(what)
        for victim in victims:
            try:
                victim.send_signal(signal.SIGKILL)
            except psutil.NoSuchProcess:
                continue
        return len(victims)

    def upload(self, texts: dict[str, str], name: str = "batch") -> str:
        """Upload small texts as one batch; its id."""
        files = [("files", (file, content.encode(), "text/plain")) for file, content in texts.items()]
        answer = self.client.post("/v1/batches", files=files, data={"name": name}, headers={"Idempotency-Key": name})
        return str(answer["batch"]["id"])

    def wait(self, batch: str, timeout_s: float = 180) -> Counter[str]:
        """Wait until every document of the batch is terminal; their states, counted."""
        give_up_at = time.monotonic() + timeout_s
        while time.monotonic() < give_up_at:
            states = Counter(self.rows("SELECT state FROM ledger.documents WHERE batch_id = :batch", batch=batch))
            if states and not (states["pending"] or states["running"]):
                return states
            time.sleep(0.3)
        raise TimeoutError(f"after {timeout_s} s the documents of {batch} are {dict(states)}")

    def rows(self, query: str, **values: Any) -> list[Any]:
        """The first column of every row."""
        with self.engine.connect() as connection:
            return list(connection.execute(text(query), values).scalars())


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@pytest.fixture(scope="session")
def start_stack() -> Iterator[Callable[[], Stack]]:
    """Starts an installation; all are stopped at the end of the session."""
    places: list[Place] = []
    stacks: list[Stack] = []

    def start() -> Stack:
        # Not in pytest's own folder: every other session on the machine locks Postgres' user out of that.
        place = Place(Path(tempfile.mkdtemp(prefix="dossier-home-")))
        places.append(place)
        embedded.start(place, embedded.free_port())
        state = _wait_until_ready(place)
        client = Client(state["url"], _key(place, state))
        stacks.append(Stack(place, client, engine_from(state["environment"]["DOSSIER_DATABASE_URL"])))
        return stacks[-1]

    yield start
    for stack in stacks:
        stack.client.close()
        stack.engine.dispose()
    for place in places:
        embedded.stop(place)
        shutil.rmtree(place.home, ignore_errors=True)


@pytest.fixture(scope="session")
def stack(start_stack: Callable[[], Stack]) -> Stack:
    """One installation that the tests of the session share."""
    return start_stack()


def _wait_until_ready(place: Place) -> dict[str, Any]:
    give_up_at = time.monotonic() + 120
    while time.monotonic() < give_up_at:
        state = embedded.running(place)
        if state is not None and _answers(state["url"]):
            return state
        time.sleep(0.2)
    raise TimeoutError((place.logs / "supervisor.log").read_text()[-3000:])


def _answers(url: str) -> bool:
    import httpx

    try:
        return httpx.get(f"{url}/readyz", timeout=2, trust_env=False).is_success
    except httpx.TransportError:
        return False


def _key(place: Place, state: dict[str, Any]) -> str:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in state["environment"].items():
            patch.setenv(name, value)
        first_run.prepare(place, state["url"], samples=False)
    return str(json.loads(Path(place.client).read_text())["key"])
