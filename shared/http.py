"""One HTTP application: who is calling, problem documents (RFC 9457), health, security headers, request ids.

Routes live in `services/*/api.py`; each takes `desk: Desk = Depends(desk)` and one of `reader`, `reviewer`,
`admin`. A route without one of them fails a test.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import redis
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy import text
from sqlalchemy.exc import InterfaceError, OperationalError
from starlette.exceptions import HTTPException

from shared import access, logs
from shared.access import Caller, Role
from shared.desk import Desk
from shared.errors import DossierError, Forbidden, TooMany, Unauthenticated, Unavailable

log = logging.getLogger(__name__)

COOKIE = "dossier_session"

#: Text only, no foreign origin, no inline script: document content must never run.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' blob: data:; style-src 'self'; script-src 'self'; object-src 'none';"
        " base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def desk(request: Request) -> Desk:
    """The desk of this application."""
    found: Desk = request.app.state.desk
    return found


def _caller(request: Request, role: Role) -> Caller:
    header = request.headers.get("authorization", "")
    scheme, _, key = header.partition(" ")
    if header and scheme.lower() != "bearer":
        raise Unauthenticated(f"Authorization begins with {scheme!r}.", action="Send 'Authorization: Bearer KEY'.")
    if not key:
        key = request.cookies.get(COOKIE, "")
        _same_origin(request)
    with desk(request).engine.connect() as connection:
        caller = access.caller_of(connection, key) if key else None
    if caller is None:
        raise Unauthenticated(
            "This request carries no valid API key.", action="Send 'Authorization: Bearer KEY', or sign in."
        )
    if not caller.may(role):
        raise Forbidden(f"This needs the role {role}; the key {caller.name!r} has {caller.role}.")
    return caller


def _same_origin(request: Request) -> None:
    """A cookie travels with foreign pages too: refuse what changes things unless our own page sent it."""
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return
    origin = request.headers.get("origin")
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none") or (
        origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    ):
        raise Forbidden("This request came from another site's page.", action="Use the pages of this Dossier.")


def reader(request: Request) -> Caller:
    """The caller, with any role."""
    return _caller(request, "reader")


def reviewer(request: Request) -> Caller:
    """The caller, who must be a reviewer or an admin."""
    return _caller(request, "reviewer")


def admin(request: Request) -> Caller:
    """The caller, who must be an admin."""
    return _caller(request, "admin")


def problem(
    status: int,
    title: str,
    detail: str,
    *,
    code: str,
    action: str = "",
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    """An RFC 9457 problem document, with `code` for programs and `action` for people."""
    body = {
        "type": f"urn:dossier:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "action": action,
    }
    return JSONResponse(body, status, headers=headers, media_type="application/problem+json")


def application(desk: Desk, routers: Sequence[APIRouter], title: str = "Dossier") -> FastAPI:
    """The application that serves `routers` at one origin."""
    app = FastAPI(title=title, docs_url=None, redoc_url=None, openapi_url="/v1/openapi.json")
    app.state.desk = desk
    app.middleware("http")(_around)
    app.add_exception_handler(DossierError, _our_error)
    app.add_exception_handler(RequestValidationError, _unfitting)
    app.add_exception_handler(HTTPException, _plain_error)
    app.add_exception_handler(OperationalError, _database_down)
    app.add_exception_handler(InterfaceError, _database_down)
    app.include_router(_health)
    for router in routers:
        app.include_router(router)
    return app


async def _around(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
    identity = request.headers.get("x-request-id", "")[:64] or secrets.token_hex(8)
    began = time.perf_counter()
    with logs.about(request=identity):
        try:
            response = await call(request)
        except Exception:
            log.exception("%s %s crashed", request.method, request.url.path)
            response = problem(
                500,
                "Internal error",
                "Dossier failed over this request.",
                code="internal",
                action=f"This is a defect of ours; the log has it under request {identity}.",
            )
        taken_ms = (time.perf_counter() - began) * 1000
        log.debug("%s %s %d %.0f ms", request.method, request.url.path, response.status_code, taken_ms)
    response.headers["X-Request-Id"] = identity
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


async def _our_error(request: Request, wrong: Exception) -> Response:
    if not isinstance(wrong, DossierError):
        raise wrong
    return problem_of(wrong)


def problem_of(wrong: DossierError) -> Response:
    """The problem document that says this error in words; its private part goes to the log."""
    if wrong.private:
        log.info("%s: %s", wrong.code, wrong.private)
    headers = {"Retry-After": "5"} if isinstance(wrong, Unavailable) else None
    if isinstance(wrong, TooMany):
        headers = {"Retry-After": str(wrong.retry_after_s)}
    if isinstance(wrong, Unauthenticated):
        headers = {"WWW-Authenticate": "Bearer"}
    title = wrong.code.replace("_", " ").capitalize()
    return problem(wrong.status, title, wrong.public, code=wrong.code, action=wrong.action, headers=headers)


async def _unfitting(request: Request, wrong: Exception) -> Response:
    errors: Sequence[Any] = wrong.errors() if isinstance(wrong, RequestValidationError) else []
    places = [f"{'.'.join(str(part) for part in error['loc'])}: {error['msg']}" for error in errors]
    return problem(
        422, "Request does not fit", "; ".join(places) or str(wrong), code="invalid_request",
        action="Correct the request; /v1/openapi.json describes every field.",
    )  # fmt: skip


async def _plain_error(request: Request, wrong: Exception) -> Response:
    if not isinstance(wrong, HTTPException):
        raise wrong
    code = {404: "not_found", 405: "method_not_allowed"}.get(wrong.status_code, "http_error")
    return problem(
        wrong.status_code, str(wrong.detail), f"{request.method} {request.url.path}: {wrong.detail}.", code=code,
        headers=dict(wrong.headers or {}),
    )  # fmt: skip


async def _database_down(request: Request, wrong: Exception) -> Response:
    log.warning("the database cannot be reached: %s", type(wrong).__name__)
    return problem(
        503, "Unavailable", "The database cannot be reached.", code="unavailable",
        action="Nothing was lost: repeat the request in a moment. Operators: dossier doctor.",
        headers={"Retry-After": "5"},
    )  # fmt: skip


_health = APIRouter(tags=["health"])


@_health.get("/healthz")
def healthz() -> dict[str, str]:
    """Liveness: this process answers. Depends on nothing else."""
    return {"status": "ok"}


@_health.get("/readyz")
def readyz(desk: Desk = Depends(desk)) -> dict[str, str]:
    """Readiness: the database answers; raises Unavailable otherwise. The queue and the store may be down."""
    with desk.engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    return {"status": "ready"}


def broker_answers(url: str) -> bool:
    """Whether the broker at `url` answers within three seconds."""
    try:
        return bool(redis.Redis.from_url(url, socket_timeout=3, socket_connect_timeout=3).ping())
    except redis.RedisError:
        return False
