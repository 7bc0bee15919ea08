"""The pages: one HTML shell, plain ES modules and one style sheet, and the sign-in that sets the session cookie.

Everything a page shows comes from the HTTP API with that cookie; nothing here renders content.
"""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import FileResponse, RedirectResponse
from pydantic import BaseModel, ConfigDict

from shared import access
from shared.access import Caller
from shared.desk import Desk
from shared.errors import NotFound, Refused
from shared.http import COOKIE, desk, reader

router = APIRouter(include_in_schema=False)

WEB = Path(__file__).parent.parent / "web"
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
#: The browser asks again each time and mostly hears 304: an upgraded page never runs on old modules.
FRESH = {"Cache-Control": "no-cache"}


class SignIn(BaseModel):
    """The key that somebody pasted."""

    model_config = ConfigDict(extra="forbid")

    key: str


@router.get("/")
@router.get("/batches")
@router.get("/batches/{_}")
@router.get("/documents")
@router.get("/documents/{_}")
@router.get("/review")
@router.get("/ask")
@router.get("/taxonomy")
@router.get("/schemas")
@router.get("/quality")
@router.get("/models")
@router.get("/keys")
def shell() -> Response:
    """The one HTML page; its modules read the address."""
    return FileResponse(WEB / "index.html", media_type="text/html; charset=utf-8", headers=FRESH)


@router.get("/web/{path:path}")
def file(path: str) -> Response:
    """A module, the style sheet, the font; raises NotFound for anything that is not one of ours."""
    found = (WEB / path).resolve()
    if not found.is_relative_to(WEB) or found.suffix not in MEDIA_TYPES or not found.is_file():
        raise NotFound(f"There is no page file {path}.")
    return FileResponse(found, media_type=MEDIA_TYPES[found.suffix], headers=FRESH)


@router.get("/login")
def login_page(request: Request, key: str | None = None, desk: Desk = Depends(desk)) -> Response:
    """The sign-in page; with `key` (the one-time link that `make up` prints) it signs in and goes on to the desk."""
    if key is None:
        return shell()
    try:
        with desk.transaction() as transaction:
            session = access.sign_in(transaction, key)
    except Refused:
        return RedirectResponse("/login?refused=1", status_code=303)
    return _with_session(RedirectResponse("/", status_code=303), request, session)


@router.post("/login", status_code=204)
def sign_in(given: SignIn, request: Request, desk: Desk = Depends(desk)) -> Response:
    """Exchange a pasted key for a session cookie; raises Refused where the key is not valid."""
    with desk.transaction() as transaction:
        session = access.sign_in(transaction, given.key)
    return _with_session(Response(status_code=204), request, session)


@router.post("/logout", status_code=204)
def sign_out(request: Request, caller: Caller = Depends(reader), desk: Desk = Depends(desk)) -> Response:
    """End the session; a key that came in the Authorization header stays valid."""
    if "authorization" not in request.headers:
        with desk.transaction() as transaction:
            access.revoke(transaction, caller.workspace, caller.key)
    response = Response(status_code=204)
    response.delete_cookie(COOKIE)
    return response


def _with_session(response: Response, request: Request, session: str) -> Response:
    response.set_cookie(
        COOKIE,
        session,
        max_age=access.SESSION_HOURS * 3600,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return response
