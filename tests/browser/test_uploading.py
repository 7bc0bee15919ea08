"""Uploads over a connection that breaks, and over a page that was closed."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pikepdf
import pytest
from playwright.sync_api import Page, Request, Route, expect

from services.ingest.api.writing import PIECE_BYTES

#: What the page sends in one request; services/review/web/resumable.js.
STEP_BYTES = 2 * PIECE_BYTES
UPLOAD = re.compile(r"/v1/uploads/upl_\w+$")


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A file of two steps and a bit, of no known format: it is quick to refuse once it is here."""
    path = tmp_path / "scan.bin"
    path.write_bytes(b"\x00\x01\x02\x03dossier" * (5 * PIECE_BYTES // 11))
    return path


@pytest.fixture
def complaints(open_as) -> list[str]:
    """What the page's console says; a lost connection is said there by the browser itself."""
    return open_as.complaints


def expect_waiting(page: Page) -> None:
    line = page.get_by_role("region", name="Upload").get_by_role("status")
    expect(line).to_contain_text("The connection was lost", timeout=15_000)


def offsets(requests: list[Request]) -> list[int]:
    return [int(request.headers["upload-offset"]) for request in requests]


def check_arrived(page: Page, path: Path) -> None:
    page.wait_for_url("**/batches/bat_*")
    page.get_by_role("heading", name="Finished").wait_for(timeout=60_000)
    batch = page.url.rsplit("/", 1)[1]
    (document,) = page.request.get(f"/v1/documents?batch={batch}").json()["items"]
    arrived = page.request.get(f"/v1/documents/{document['id']}/original").body()
    assert hashlib.sha256(arrived).digest() == hashlib.sha256(path.read_bytes()).digest()


def test_a_large_file_goes_on_where_it_was_when_the_connection_is_back(open_as, large, complaints):
    page = open_as("reviewer")
    sent: list[Request] = []

    def lose_the_second(route: Route) -> None:
        if route.request.method == "PATCH":
            sent.append(route.request)
            if len(sent) in (2, 3):
                route.abort("connectionreset")
                return
        route.continue_()

    page.route(UPLOAD, lose_the_second)
    page.set_input_files("input[type=file]", large)
    expect_waiting(page)
    check_arrived(page, large)
    assert offsets(sent) == [0, STEP_BYTES, STEP_BYTES, STEP_BYTES, 2 * STEP_BYTES]
    assert all("ERR_CONNECTION_RESET" in said for said in complaints)
    complaints.clear()


def test_a_large_file_goes_on_in_a_page_that_was_opened_again(open_as, large, complaints):
    page = open_as("reviewer")
    lost: list[Request] = []

    def lose_all_but_the_first(route: Route) -> None:
        lost.append(route.request)
        if len(lost) == 1:
            route.continue_()
        else:
            route.abort("connectionreset")

    page.route(UPLOAD, lose_all_but_the_first)
    page.set_input_files("input[type=file]", large)
    expect_waiting(page)
    context = page.context
    page.close()

    page = context.new_page()
    sent: list[Request] = []
    page.on("request", lambda request: request.method == "PATCH" and sent.append(request))
    page.goto("/")
    page.set_input_files("input[type=file]", large)
    check_arrived(page, large)
    assert offsets(sent) == [STEP_BYTES, 2 * STEP_BYTES]
    (batch,) = page.request.get("/v1/batches").json()["items"]
    assert batch["total"] == 1
    complaints.clear()


def test_small_files_are_sent_again_when_the_connection_is_back(open_as, claim, complaints):
    page = open_as("reviewer")
    lost: list[Request] = []

    def lose_the_first_two(route: Route) -> None:
        lost.append(route.request)
        if len(lost) <= 2:
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route(re.compile(r"/v1/batches$"), lose_the_first_two)
    page.set_input_files("input[type=file]", claim)
    expect_waiting(page)
    check_arrived(page, claim)
    keys = {request.headers["idempotency-key"] for request in lost if request.method == "POST"}
    assert len(keys) == 1, "so that what had arrived would not count twice"
    complaints.clear()


def test_an_encrypted_file_is_opened_with_its_password(open_as, claim, tmp_path):
    locked = tmp_path / "locked.pdf"
    with pikepdf.open(claim) as document:
        document.save(locked, encryption=pikepdf.Encryption(user="Kanarienvogel", owner="other", R=6))
    page = open_as("reviewer")
    page.set_input_files("input[type=file]", locked)
    page.wait_for_url("**/batches/bat_*")
    page.get_by_label("Password of the file").fill("Kanarienvogel")
    page.get_by_role("button", name="Open", exact=True).click()
    expect(page.get_by_role("region", name="Progress")).to_contain_text("1 done", timeout=60_000)
