"""What a running room holds: built once per process from the settings, handed to routes and handlers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, Engine

from shared.generation import Generator
from shared.ledger import Ring
from shared.settings import Settings
from shared.store import Store


class Doorbell(Protocol):
    """Tells the queue that jobs wait; best effort, never raises."""

    def ring(self, jobs: Sequence[Ring]) -> None:
        """Ring for these jobs."""


class Silent:
    """A doorbell that nobody hears: for tests that drain, and for commands that only read."""

    def ring(self, jobs: Sequence[Ring]) -> None:
        """Do nothing; the reconciler or `drain` finds the jobs in the ledger."""


@dataclass(frozen=True)
class Desk:
    """The engine, the store, the doorbell and the generation port of this process.

    `generator` is None where no generation server is configured. `cache` is a folder for derived files.
    """

    engine: Engine
    store: Store
    doorbell: Doorbell
    cache: Path
    generator: Generator | None = None
    settings: Settings | None = None

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction; jobs that `queues.send` wrote into it are rung for after the commit."""
        with self.engine.connect() as connection:
            try:
                with connection.begin():
                    yield connection
                rung = connection.info.pop("doorbell", [])
            finally:
                connection.info.pop("doorbell", None)
        self.ring(rung)

    def ring(self, jobs: Sequence[Ring]) -> None:
        """Tell the queue about committed jobs."""
        if jobs:
            self.doorbell.ring(jobs)
