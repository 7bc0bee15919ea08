"""How one version takes another's place while people are being answered.

    verify hashes → start → healthy → canary → write down → switch → drain → end the one before the previous

Up to "write down" a failure, or a kill, changes nothing: the version in use goes on, and a restart finds it. From
there on a restart finds the new one, which has proven itself. A request belongs to the version that was in use when it
arrived, to its last byte. The version before stays up, so that going back is one step.

This module forwards no request (`proxy.py`) and fetches no files (whoever asks for a version has put them there).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from services.generate.front import canary
from services.generate.front.backend import Backend
from shared.errors import Conflict, Refused, Unavailable

log = logging.getLogger(__name__)

STATE = "serving.json"
_LOOK_S = 0.5


@dataclass(frozen=True)
class Placed:
    """A version and the folder that its files lie in."""

    version: str
    folder: Path


class Switch:
    """The version in use, the one before it, and the way from one to the next.

    `home` keeps what is in use over restarts. `headers` (the server's own key) go with the canary. `reached` is called
    with the name of each step that was taken; `start` begins to serve a folder under a version's name.
    """

    def __init__(
        self,
        home: Path,
        client: httpx.AsyncClient,
        headers: dict[str, str],
        reached: Callable[[str], None],
        start: Callable[[Path, str], Awaitable[Backend]],
    ) -> None:
        self._state = home / STATE
        self._client, self._headers, self._reached, self._start = client, headers, reached, start
        self._turn = asyncio.Lock()
        self._stopping = False
        self.current: Backend | None = None
        self.previous: Backend | None = None
        self._before: Placed | None = None

    async def begin(self, first: Placed | None) -> None:
        """Serve what was in use when the front last ran; else `first`; None of both: nothing, until one is deployed."""
        kept = self._kept()
        chosen = kept.get("current") or first
        self._before = kept.get("previous")
        if chosen is not None:
            self.current = await self._start(chosen.folder, chosen.version)
            await self.current.healthy(self._client)

    def in_use(self) -> Backend:
        """The backend for a request that arrives now; raises Unavailable where there is none."""
        if self.current is None or not self.current.alive:
            raise Unavailable("No model is being served.", action="Promote a generator, or wait until it has started.")
        return self.current

    def shown(self) -> dict[str, str | None]:
        """The versions in use and before: {current, previous}."""
        before = self._before.version if self._before is not None else None
        return {"current": self.current.version if self.current else None, "previous": before}

    async def deploy(self, placed: Placed, sha256: Mapping[str, str]) -> dict[str, float]:
        """Put a version in use; the seconds each step took. Nothing happens where it already is.

        `sha256` has the hash of each file by its name. Raises Refused (wrong files, wrong answers), Unavailable (it
        does not start) and Conflict (another one is being put in use): the version in use stays in all cases.
        """
        if self._turn.locked():
            raise Conflict("Another version is being put in use.", action="Wait until that has ended.")
        async with self._turn:
            if self.current is not None and self.current.version == placed.version and self.current.alive:
                return {}
            steps = _Steps(self._reached)
            await asyncio.to_thread(_verify, placed.folder, sha256)
            steps.done("verified")
            fresh = await self._proven(placed, steps)
            await self._switch(fresh, steps)
            return steps.took

    async def rollback(self) -> dict[str, float]:
        """Put the version before back in use, the seconds each step took; the two change places.

        Raises Conflict where there is none.
        """
        if self._turn.locked():
            raise Conflict("Another version is being put in use.", action="Wait until that has ended.")
        async with self._turn:
            if self._before is None:
                raise Conflict("No version was in use before the present one.")
            steps, back = _Steps(self._reached), self.previous
            if back is None or not back.alive:
                back = await self._proven(self._before, steps)
            await self._switch(back, steps)
            return steps.took

    async def tend(self) -> None:
        """Start the version in use again whenever its process ends, until `stop`."""
        while not self._stopping:
            await asyncio.sleep(_LOOK_S)
            if self._turn.locked() or self.current is None or self.current.alive:
                continue
            async with self._turn:
                log.warning("the server of version %s ended, starting it again", self.current.version)
                try:
                    again = await self._start(self.current.folder, self.current.version)
                    await again.healthy(self._client)
                except Unavailable as wrong:
                    log.error("%s", wrong.public)
                else:
                    self.current = again

    async def stop(self) -> None:
        """End all processes; what is in flight finishes first."""
        self._stopping = True
        await asyncio.gather(*(backend.stop() for backend in (self.current, self.previous) if backend is not None))

    async def _proven(self, placed: Placed, steps: _Steps) -> Backend:
        """The version, started, healthy, and giving the answers it should; ended again where it does not."""
        fresh = await self._start(placed.folder, placed.version)
        steps.done("started")
        try:
            await fresh.healthy(self._client)
            steps.done("healthy")
            await canary.sing(self._client, fresh.url, placed.folder, self._headers)
            steps.done("canary")
        except (Refused, Unavailable, httpx.HTTPError) as wrong:
            await fresh.stop()
            if isinstance(wrong, httpx.HTTPError):
                raise Unavailable("The new version's server broke off.", private=repr(wrong)) from wrong
            raise
        return fresh

    async def _switch(self, fresh: Backend, steps: _Steps) -> None:
        old, older = self.current, self.previous
        before = None if old is None else Placed(old.version, old.folder)
        self._keep(Placed(fresh.version, fresh.folder), before)
        steps.done("written")
        self.current, self.previous, self._before = fresh, old, before
        steps.done("switched")
        if old is not None and not await old.drained():
            log.warning("%d requests to version %s still run", old.in_flight, old.version)
        steps.done("drained")
        if older is not None and older is not fresh:
            await older.drained()
            await older.stop()

    def _keep(self, current: Placed, previous: Placed | None) -> None:
        """Write down what is in use, whole or not at all."""
        written = {"current": _plain(current), "previous": None if previous is None else _plain(previous)}
        aside = self._state.with_suffix(".new")
        with aside.open("w") as file:
            json.dump(written, file)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(self._state)

    def _kept(self) -> dict[str, Placed | None]:
        if not self._state.is_file():
            return {}
        kept: dict[str, dict[str, str] | None] = json.loads(self._state.read_text())
        return {
            name: None if place is None else Placed(place["version"], Path(place["folder"]))
            for name, place in kept.items()
        }


class _Steps:
    """The seconds that each step took, by its name."""

    def __init__(self, reached: Callable[[str], None]) -> None:
        self._reached, self._at = reached, time.monotonic()
        self.took: dict[str, float] = {}

    def done(self, step: str) -> None:
        now = time.monotonic()
        self.took[step], self._at = round(now - self._at, 3), now
        self._reached(step)


def _plain(placed: Placed) -> dict[str, Any]:
    return {"version": placed.version, "folder": str(placed.folder)}


def _verify(folder: Path, sha256: Mapping[str, str]) -> None:
    """Raise Refused where a file is missing, changed, or one that nobody named."""
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    if found != set(sha256):
        raise Refused(
            f"The folder has other files than the version: {', '.join(sorted(found ^ set(sha256)))}.",
            action="Fetch the version again.",
            code="version_files",
        )
    for name, expected in sha256.items():
        with (folder / name).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != expected:
                raise Refused(f"{name} is damaged.", action="Fetch the version again.", code="version_files")
