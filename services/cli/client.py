"""The command line's way to a running Dossier: its HTTP API, and nothing else."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from services.embedded import Place
from shared.errors import Refused, Unavailable

#: A busy or restarting server is asked again for this long before the command gives up.
PATIENCE_S = 60.0


def home() -> Path:
    """`DOSSIER_HOME`, or its default."""
    return Path(os.environ.get("DOSSIER_HOME") or Path.home() / ".local" / "share" / "dossier").expanduser()


class Client:
    """An HTTP client that says what went wrong in the server's own words and repeats what may be repeated."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self._http = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=120, trust_env=False
        )

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def get(self, path: str, **query: Any) -> Any:
        """The JSON at `path`; parameters that are None are left out."""
        return self._answer("GET", path, params={name: value for name, value in query.items() if value is not None})

    def post(self, path: str, **arguments: Any) -> Any:
        """POST and the JSON that comes back (None for an empty answer)."""
        return self._answer("POST", path, **arguments)

    def put(self, path: str, **arguments: Any) -> Any:
        """PUT and the JSON that comes back."""
        return self._answer("PUT", path, **arguments)

    def delete(self, path: str) -> None:
        """DELETE; answers nothing."""
        self._answer("DELETE", path)

    def pages(self, path: str, **query: Any) -> Iterator[Any]:
        """Every item of a cursor-paged list."""
        cursor: str | None = None
        while True:
            page = self.get(path, cursor=cursor, limit=200, **query)
            yield from page["items"]
            cursor = page.get("next_cursor")
            if cursor is None:
                return

    def stream(self, path: str, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The JSON events of a server-sent stream, until `[DONE]` or its end."""
        with self._http.stream("POST", path, json=body) as response:
            if response.is_error:
                response.read()
                raise _problem(response)
            for line in response.iter_lines():
                content = line.removeprefix("data:").strip()
                if line.startswith("data:") and content != "[DONE]":
                    yield json.loads(content)

    def content(self, path: str, **query: Any) -> bytes:
        """The bytes at `path`."""
        response = self._send("GET", path, params={name: value for name, value in query.items() if value is not None})
        return response.content

    def _answer(self, method: str, path: str, **arguments: Any) -> Any:
        response = self._send(method, path, **arguments)
        return response.json() if response.content else None

    def _send(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        give_up_at = time.monotonic() + PATIENCE_S
        while True:
            try:
                response = self._http.request(method, path, **arguments)
            except httpx.TransportError as down:
                problem: Exception = Unavailable(
                    f"Dossier does not answer at {self.url}.", action="Start it with: make up", private=repr(down)
                )
            else:
                if response.status_code not in (429, 502, 503, 504):
                    if response.is_error:
                        raise _problem(response)
                    return response
                problem = _problem(response)
            if time.monotonic() > give_up_at or not _repeatable(method, arguments):
                raise problem
            time.sleep(1)


def _repeatable(method: str, arguments: dict[str, Any]) -> bool:
    return method in ("GET", "PUT", "DELETE") or "Idempotency-Key" in (arguments.get("headers") or {})


def _problem(response: httpx.Response) -> Refused:
    try:
        body = response.json()
        return Refused(body["detail"], action=body.get("action", ""), code=body.get("code"))
    except (ValueError, KeyError, TypeError):
        return Refused(f"The server answered {response.status_code}: {response.text[:200]}")


def connect() -> Client:
    """The Dossier at DOSSIER_URL with DOSSIER_API_KEY, or the one that runs on this machine.

    Raises Refused where neither is known.
    """
    url, key = os.environ.get("DOSSIER_URL"), os.environ.get("DOSSIER_API_KEY")
    if url and key:
        return Client(url, key)
    try:
        known = json.loads(Place(home()).client.read_text())
    except (OSError, ValueError):
        raise Refused(
            f"No Dossier is known here (looked in {home()}).",
            action="Start one with `make up`, or set DOSSIER_URL and DOSSIER_API_KEY.",
        ) from None
    return Client(url or known["url"], key or known["key"])
