"""Access to every route there is: a new route without a check fails here."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from services import rooms
from shared import access, http
from shared.access import Role
from shared.desk import Desk

#: What anybody may ask for: health, the sign-in page, and the static parts of the pages (no content in them).
OPEN = {"/healthz", "/readyz", "/login", "/v1/openapi.json"}
STATIC = ("/static", "/web", "/assets")


@pytest.fixture
def routes(client: TestClient) -> list[tuple[str, str]]:
    """(method, path) of every route of the API."""
    paths = client.get("/v1/openapi.json").json()["paths"]
    found = [(method.upper(), path) for path, methods in paths.items() for method in methods]
    assert len(found) > 30
    return found


@pytest.fixture
def anonymous(desk: Desk) -> Iterator[TestClient]:
    app = http.application(desk, [rooms.router(service) for service in rooms.SERVICES])
    with TestClient(app, follow_redirects=False) as client:
        yield client


def filled(path: str) -> str:
    """The path with plausible values for its parameters."""
    for name in ("document_id", "document", "batch_id", "batch", "answer_id", "answer", "run_id", "run", "key_id"):
        path = path.replace("{" + name + "}", f"{name[:3]}_00000000000000000000000000000000")
    return path.replace("{number}", "1").replace("{n}", "1").replace("{role}", "classifier").replace("{name}", "x")


def test_every_route_of_the_api_needs_a_key(routes: list[tuple[str, str]], anonymous: TestClient) -> None:
    open_ = [
        f"{method} {path} -> {answer.status_code}"
        for method, path in routes
        if path.startswith("/v1/") and path not in OPEN
        if (answer := anonymous.request(method, filled(path))).status_code != 401
    ]
    assert not open_, open_


def test_a_wrong_key_is_a_problem_document_that_says_what_to_do(anonymous: TestClient) -> None:
    answer = anonymous.get("/v1/batches", headers={"Authorization": "Bearer dk_wrong_key"})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["code"] == "unauthenticated"
    assert "Authorization: Bearer" in answer.json()["action"]


@pytest.mark.parametrize("role", ["reader", "reviewer"])
def test_what_changes_things_needs_more_than_a_reader(
    role: Role, anonymous: TestClient, key_for: Callable[[Role], str]
) -> None:
    headers = {"Authorization": f"Bearer {key_for(role)}"}
    assert anonymous.get("/v1/batches", headers=headers).status_code == 200
    refused = anonymous.post("/v1/keys", headers=headers, json={"name": "x", "role": "admin"})
    assert refused.status_code == 403
    assert role in refused.json()["detail"]


def test_a_foreign_documents_id_looks_like_a_missing_one(
    routes: list[tuple[str, str]], client: TestClient, engine: Engine, document: str, anonymous: TestClient
) -> None:
    with engine.begin() as connection:
        other = access.add_workspace(connection, "other")
        key = access.issue(connection, other, "intruder", "admin")[1]
    headers = {"Authorization": f"Bearer {key}"}
    leaks = [
        f"{method} {path} -> {answer.status_code}"
        for method, path in routes
        if "{document" in path
        if (
            answer := anonymous.request(
                method,
                path.replace("{document_id}", document).replace("{document}", document).replace("{number}", "1"),
                headers=headers,
                json={} if method in ("POST", "PUT", "PATCH") else None,
            )
        ).status_code
        not in (404, 422)
    ]
    assert not leaks, leaks


def test_a_cookie_from_another_sites_page_changes_nothing(
    anonymous: TestClient, key_for: Callable[[Role], str], engine: Engine
) -> None:
    with engine.begin() as connection:
        session = access.sign_in(connection, key_for("admin"))
    anonymous.cookies.set(http.COOKIE, session)
    assert anonymous.get("/v1/batches").status_code == 200
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = anonymous.post("/v1/keys", headers=headers, json={"name": "x", "role": "reader"})
        assert answer.status_code == 403


def test_every_answer_carries_the_security_headers(anonymous: TestClient) -> None:
    for path in ("/healthz", "/v1/batches", "/nothing/here"):
        answer = anonymous.get(path)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["x-request-id"]


def test_an_unknown_page_is_a_problem_document(client: TestClient) -> None:
    answer = client.get("/v1/nothing")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_request_that_does_not_fit_says_which_part(client: TestClient) -> None:
    answer = client.get("/v1/documents", params={"limit": "many"})
    assert answer.status_code == 422
    assert "limit" in answer.json()["detail"]


def test_liveness_depends_on_nothing_and_readiness_on_the_database(anonymous: TestClient) -> None:
    assert anonymous.get("/healthz").json() == {"status": "ok"}
    assert anonymous.get("/readyz").json() == {"status": "ready"}
