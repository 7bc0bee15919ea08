"""The pages, their files, and the session cookie."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from services.review.api import router
from services.review.api.pages import WEB
from shared import access, http
from shared.desk import Desk


@pytest.fixture
def visitor(desk: Desk) -> TestClient:
    """A browser without any key."""
    return TestClient(http.application(desk, [router]), follow_redirects=False)


def test_the_one_time_link_signs_in_once(visitor: TestClient, desk: Desk, workspace: str):
    with desk.transaction() as transaction:
        link = access.issue(transaction, workspace, "admin", "admin", kind="login")[1]
    first = visitor.get("/login", params={"key": link})
    assert (first.status_code, first.headers["location"]) == (303, "/")
    assert visitor.get("/v1/me").json()["name"] == "admin"
    visitor.cookies.clear()
    again = visitor.get("/login", params={"key": link})
    assert again.headers["location"] == "/login?refused=1"
    assert visitor.get("/v1/me").status_code == 401


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(visitor: TestClient, key_for):
    response = visitor.post("/login", json={"key": key_for("reviewer")})
    cookie = response.headers["set-cookie"].lower()
    assert response.status_code == 204
    assert "httponly" in cookie
    assert "samesite=lax" in cookie


def test_a_wrong_key_says_what_to_do(visitor: TestClient):
    response = visitor.post("/login", json={"key": "dk_00_wrong"})
    assert response.status_code == 422
    assert response.json()["action"]


def test_signing_out_ends_the_session(visitor: TestClient, key_for: Callable[[access.Role], str]):
    visitor.post("/login", json={"key": key_for("reader")})
    session = dict(visitor.cookies)
    assert visitor.post("/logout").status_code == 204
    visitor.cookies.update(session)
    assert visitor.get("/v1/me").status_code == 401


def test_a_foreign_page_cannot_use_the_cookie_to_change_anything(visitor: TestClient, key_for):
    visitor.post("/login", json={"key": key_for("admin")})
    body = {"name": "intruder", "role": "admin"}
    assert visitor.post("/v1/keys", json=body, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert visitor.post("/v1/keys", json=body, headers={"Origin": "https://evil.example"}).status_code == 403
    assert visitor.post("/v1/keys", json=body).status_code == 201


def test_a_key_is_shown_once_and_can_be_revoked(client: TestClient, visitor: TestClient):
    made = client.post("/v1/keys", json={"name": "Claims intake", "role": "reviewer"}).json()
    listed = client.get("/v1/keys").json()["items"]
    assert made["id"] in [key["id"] for key in listed]
    assert made["key"] not in str(listed)
    header = {"Authorization": f"Bearer {made['key']}"}
    assert visitor.get("/v1/me", headers=header).json()["role"] == "reviewer"
    assert client.delete(f"/v1/keys/{made['id']}").status_code == 204
    assert visitor.get("/v1/me", headers=header).status_code == 401


@pytest.mark.parametrize("path", ["/", "/batches/bat_1", "/documents/doc_1", "/review", "/ask", "/login", "/keys"])
def test_every_page_is_the_one_shell_under_a_strict_policy(visitor: TestClient, path: str):
    response = visitor.get(path)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    policy = response.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"


def test_every_file_the_pages_name_is_served_with_its_type(visitor: TestClient):
    sources = [*WEB.rglob("*.js"), WEB / "index.html", WEB / "dossier.css"]
    named = {name for source in sources for name in re.findall(r"[\"'(](/web/[\w/.-]+)[\"')]", source.read_text())}
    named |= {f"/web/pages/{page}.js" for page in re.findall(r"\$/, \"(\w+)\"", (WEB / "main.js").read_text())}
    assert len(named) > 25
    for name in named:
        response = visitor.get(name)
        assert response.status_code == 200, name
        assert response.headers["content-type"].split("/")[0] in ("text", "image", "font")


@pytest.mark.parametrize("path", ["../api/pages.py", "..%2fapi%2fpages.py", "fonts/LICENSE", "", "missing.js"])
def test_nothing_else_is_served(visitor: TestClient, path: str):
    assert visitor.get(f"/web/{path}").status_code == 404


def test_no_module_writes_markup_or_loads_from_elsewhere():
    for source in WEB.rglob("*.js"):
        words = source.read_text()
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", words), (
            source
        )
        assert not re.search(r"https?://(?!www\.w3\.org/)", words), source
