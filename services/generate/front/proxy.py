"""Requests on their way through: each goes to the version in use when it arrived, and says which in its headers.

Two routes are the front's own, for whoever has its key (DOSSIER_GENERATE_ADMIN_KEY): `GET /versions`, and
`POST /versions` `{version, folder, sha256}` and `/versions/rollback`, which answer once the switch is made and drained.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from fastapi import Depends, FastAPI, Header, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict
from starlette.types import Receive, Scope, Send

from services.generate.front.backend import Backend
from services.generate.front.switching import Placed, Switch
from shared.errors import DossierError, Unauthenticated

#: Names the version that made an answer.
VERSION_HEADER = "x-dossier-version"
#: Headers that concern one connection, and so are not passed on (RFC 9110, section 7.6.1).
_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "host", "proxy-authorization"}


class NewVersion(BaseModel):
    """What to put in use: `folder` is on the front's machine, `sha256` has the hash of each file by its name."""

    model_config = ConfigDict(extra="forbid")

    version: str
    folder: Path
    sha256: dict[str, str]


def application(switch: Switch, client: httpx.AsyncClient, admin_key: str, first: Placed | None) -> FastAPI:
    """The front over `switch`; it starts serving with the application."""

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        await switch.begin(first)
        tending = asyncio.create_task(switch.tend())
        yield
        tending.cancel()
        await switch.stop()
        await client.aclose()

    app = FastAPI(title="Dossier generation front", lifespan=life, openapi_url=None, docs_url=None, redoc_url=None)
    app.add_exception_handler(DossierError, _said)

    def admin(authorization: str = Header("")) -> None:
        if not hmac.compare_digest(authorization.removeprefix("Bearer ").encode(), admin_key.encode()):
            raise Unauthenticated("This needs the front's own key.", action="Send DOSSIER_GENERATE_ADMIN_KEY.")

    @app.get("/versions", dependencies=[Depends(admin)])
    async def shown() -> dict[str, str | None]:
        return switch.shown()

    @app.post("/versions", dependencies=[Depends(admin)])
    async def deploy(new: NewVersion) -> dict[str, Any]:
        took = await switch.deploy(Placed(new.version, new.folder), new.sha256)
        return switch.shown() | {"took_s": took}

    @app.post("/versions/rollback", dependencies=[Depends(admin)])
    async def rollback() -> dict[str, Any]:
        took = await switch.rollback()
        return switch.shown() | {"took_s": took}

    @app.api_route("/{path:path}", methods=["GET", "POST"])
    async def through(request: Request, path: str) -> Response:
        return await _through(request, switch, client)

    return app


class _Passed(StreamingResponse):
    """An answer as it comes. It is in flight until its last byte, or until the client has gone."""

    def __init__(self, answer: httpx.Response, backend: Backend, in_flight: ExitStack) -> None:
        headers = {name: value for name, value in answer.headers.items() if name not in _HOP}
        super().__init__(answer.aiter_raw(), answer.status_code, headers | {VERSION_HEADER: backend.version})
        self._answer, self._in_flight = answer, in_flight

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._in_flight:
            try:
                await super().__call__(scope, receive, send)
            finally:
                await self._answer.aclose()


async def _through(request: Request, switch: Switch, client: httpx.AsyncClient) -> Response:
    body = await request.body()
    backend = switch.in_use()  # from here to the last byte it is one version
    in_flight = ExitStack()
    in_flight.enter_context(backend.request())
    try:
        asked = client.build_request(
            request.method,
            f"{backend.url}{request.url.path}",
            params=request.query_params,
            headers={name: value for name, value in request.headers.items() if name not in _HOP},
            content=body,
        )
        answer = await client.send(asked, stream=True)
    except httpx.TransportError as lost:
        in_flight.close()
        wrong = f"the model's server broke off: {type(lost).__name__}"
        return JSONResponse({"error": wrong, "error_type": "unhealthy"}, 503)
    except BaseException:  # also when the client goes away meanwhile
        in_flight.close()
        raise
    return _Passed(answer, backend, in_flight)


async def _said(request: Request, wrong: Exception) -> Response:
    assert isinstance(wrong, DossierError)
    body = {"error": wrong.public, "error_type": wrong.code, "action": wrong.action}
    return JSONResponse(body, wrong.status)
