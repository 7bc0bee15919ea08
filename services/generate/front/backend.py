"""One version of a model, served by a process of its own on a loopback port that only the front talks to."""

from __future__ import annotations

import asyncio
import ctypes
import shlex
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from shared.errors import Unavailable

#: A model of 70 billion parameters is read from disk in minutes.
START_S = 900.0
#: What a request in flight may still take once another version is in use.
DRAIN_S = 120.0
_LOOK_S = 0.1
#: prctl(2): the signal that this process gets when the thread that started it ends.
_PR_SET_PDEATHSIG = 1


def own_server(folder: Path, version: str, port: int) -> Sequence[str]:
    """The command that serves `folder` under the name `version` with our own server."""
    place = ["--model", str(folder), "--name", version, "--port", str(port)]
    return [sys.executable, "-m", "services.generate", *place]


def another_server(template: str) -> Callable[[Path, str, int], Sequence[str]]:
    """Serves with the command `template`, in which {folder}, {version} and {port} are filled in, word by word.

    For TGI: `text-generation-launcher --model-id {folder} --port {port}`.
    """
    words = shlex.split(template)

    def command(folder: Path, version: str, port: int) -> Sequence[str]:
        return [word.format(folder=folder, version=version, port=port) for word in words]

    return command


@dataclass(eq=False)
class Backend:
    """A version that is being served. `in_flight` counts the requests that were sent to it and have not ended."""

    version: str
    folder: Path
    port: int
    process: asyncio.subprocess.Process
    in_flight: int = 0
    _idle: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self.process.returncode is None

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count one request from here to the end of its last byte."""
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1
            if self.in_flight == 0:
                self._idle.set()

    async def healthy(self, client: httpx.AsyncClient, patience_s: float = START_S) -> None:
        """Return once it serves; raises Unavailable where it ends or takes longer than `patience_s`."""
        deadline = asyncio.get_running_loop().time() + patience_s
        while self.alive and asyncio.get_running_loop().time() < deadline:
            try:
                if (await client.get(f"{self.url}/health", timeout=5)).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(_LOOK_S)
        raise Unavailable(
            f"The server of version {self.version} did not become healthy.",
            action="Its own output says why: a damaged folder and too little memory are the usual reasons.",
            code="version_unhealthy",
        )

    async def drained(self, patience_s: float = DRAIN_S) -> bool:
        """Wait until nothing is in flight; False where something still is after `patience_s`."""
        deadline = asyncio.get_running_loop().time() + patience_s
        while self.in_flight:
            self._idle.clear()
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                return False
            try:
                await asyncio.wait_for(self._idle.wait(), left)
            except TimeoutError:
                return False
        return True

    async def stop(self) -> None:
        """End its process: politely, and after DRAIN_S not."""
        if not self.alive:
            return
        self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), DRAIN_S)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


async def started(
    folder: Path, version: str, server: Callable[[Path, str, int], Sequence[str]] = own_server
) -> Backend:
    """Start serving `folder`; it is not healthy yet. The process ends with this one, however that ends."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *server(folder, version, port), stdin=asyncio.subprocess.DEVNULL, preexec_fn=_end_with_parent
    )
    return Backend(version, folder, port, process)


def _end_with_parent() -> None:
    """Run in the child: a front that is killed leaves no server behind that holds the memory of the next one."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
