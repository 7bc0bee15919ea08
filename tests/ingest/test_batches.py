"""Batches as clients use them: repeated requests, following, quotas, passwords, lists that grow under the reader."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable
from typing import Any

import pikepdf
import pytest
from sqlalchemy import Engine, text
from starlette.testclient import TestClient

from services.ingest import tasks
from services.ingest.settings import settings
from shared.desk import Desk

PASSWORD = "Kanarienvogel-7731"


@pytest.fixture(autouse=True, scope="module")
def _reader_ends():
    yield
    tasks.sandbox().close()


@pytest.fixture
def locked(printed: Callable[..., bytes]) -> bytes:
    """A PDF that opens with PASSWORD alone."""
    plain = printed([(90, 100, "Police 4711, Versicherung des Hauses"), (90, 130, "Betrag: 250,00 EUR")])
    with pikepdf.open(io.BytesIO(plain)) as document:
        written = io.BytesIO()
        document.save(written, encryption=pikepdf.Encryption(user=PASSWORD, owner="somebody else's", R=6))
    return written.getvalue()


@pytest.fixture
def quota(monkeypatch: pytest.MonkeyPatch):
    """Sets the quota of every workspace, for this test."""

    def limit(**limits: int) -> None:
        for name, value in limits.items():
            monkeypatch.setenv(f"DOSSIER_INGEST_QUOTA_{name.upper()}", str(value))
        settings.cache_clear()

    yield limit
    monkeypatch.undo()
    settings.cache_clear()


def files(*contents: bytes) -> list[tuple[str, tuple[str, bytes]]]:
    return [("files", (f"{number}.txt", content)) for number, content in enumerate(contents)]


def test_a_key_stands_for_one_content_whatever_the_form_looks_like(client: TestClient) -> None:
    once = {"Idempotency-Key": "tuesday"}
    first = client.post("/v1/batches", files=files(b"one", b"two"), data={"name": "post"}, headers=once)
    again = client.post("/v1/batches", files=files(b"one", b"two"), data={"name": "post"}, headers=once)
    assert first.json() == again.json()
    for other in (
        client.post("/v1/batches", files=files(b"one", b"TWO"), data={"name": "post"}, headers=once),
        client.post("/v1/batches", files=files(b"one", b"two"), data={"name": "other"}, headers=once),
        client.post("/v1/batches", files=files(b"one"), data={"name": "post"}, headers=once),
    ):
        assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
        assert "other content" in other.json()["detail"]
    assert len(client.get("/v1/batches").json()["items"]) == 1


def followed(client: TestClient, batch: str, **headers: str) -> list[tuple[str, str, Any]]:
    with client.stream("GET", f"/v1/batches/{batch}/events", headers=headers) as stream:
        lines = [line.partition(": ")[2] for line in stream.iter_lines() if line and not line.startswith(":")]
    return [(lines[at + 1], lines[at], json.loads(lines[at + 2])) for at in range(0, len(lines), 3)]


def test_a_follower_that_comes_back_is_told_what_ended_meanwhile(client: TestClient, drain) -> None:
    sent = client.post(
        "/v1/batches", files=files(b"", *(b"Brief %d an die Bank" % n for n in range(3)), b"Brief 0 an die Bank")
    )
    batch = sent.json()["batch"]["id"]
    documents = [file["document"] for file in sent.json()["files"] if file["document"]]
    drain()
    everything = followed(client, batch, **{"Last-Event-ID": "0"})
    assert [kind for kind, _, _ in everything] == ["batch", *["document"] * 4, "end"]
    told = {facts["document"]: facts["state"] for kind, _, facts in everything if kind == "document"}
    assert told == dict(zip(documents, ["succeeded", "succeeded", "succeeded", "skipped"], strict=True))
    second = everything[2][1]
    assert followed(client, batch, **{"Last-Event-ID": second})[1:] == everything[3:]
    assert [kind for kind, _, _ in followed(client, batch)] == ["batch", "end"], "a new follower has all in the batch"
    assert client.get(f"/v1/batches/{batch}/events", headers={"Last-Event-ID": "x"}).status_code == 422


def test_an_encrypted_file_asks_for_its_password_and_is_read_with_it(
    client: TestClient, locked: bytes, drain, engine: Engine, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    document = client.post("/v1/batches", files=[("files", ("locked.pdf", locked))]).json()["files"][0]["document"]
    drain()
    assert client.get(f"/v1/documents/{document}").json()["reason"]["code"] == "needs_password"
    wrong = client.post(f"/v1/documents/{document}/retry", json={"password": "guess"})
    assert wrong.status_code == 202
    drain()
    assert client.get(f"/v1/documents/{document}").json()["reason"]["code"] == "needs_password"
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM ingest.passwords")).scalar_one() == 0
    client.post(f"/v1/documents/{document}/retry", json={"password": PASSWORD})
    drain()
    shown = client.get(f"/v1/documents/{document}").json()
    assert (shown["state"], shown["page_count"]) == ("succeeded", 1)
    assert "4711" in client.get(f"/v1/documents/{document}/text").text
    assert client.get(f"/v1/documents/{document}/pages/1.png?width=200").content.startswith(b"\x89PNG")
    assert PASSWORD not in caplog.text
    with engine.connect() as connection:
        tables = connection.execute(
            text("SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname IN ('ledger', 'ingest')")
        ).scalars()
        for table in tables.all():
            rows = connection.execute(text(f"SELECT * FROM {table}")).all()
            assert PASSWORD not in str(rows), table
            assert PASSWORD.encode() not in b"".join(bytes(v) for row in rows for v in row if isinstance(v, bytes))
    assert client.delete(f"/v1/documents/{document}").status_code == 204
    left = [key for key in desk.store.keys() if "/keys/" in key]  # noqa: SIM118  # a store is no dict
    assert not left, "with the document its password is gone for good"


def test_a_workspace_that_is_full_says_so_and_takes_nothing(client: TestClient, quota, drain) -> None:
    quota(bytes=100, documents=4)
    assert client.post("/v1/batches", files=files(b"x" * 60)).status_code == 202
    full = client.post("/v1/batches", files=files(b"y" * 60))
    assert (full.status_code, full.json()["code"]) == (413, "quota_exceeded")
    assert "40" in full.json()["detail"]
    assert client.get("/v1/usage").json()["bytes"] == {"used": 60, "limit": 100}
    many = client.post("/v1/batches", files=files(b"a", b"b", b"c", b"d"))
    assert (many.status_code, many.json()["code"]) == (413, "quota_exceeded")
    assert len(client.get("/v1/documents").json()["items"]) == 1
    upload = client.post("/v1/uploads", headers={"Tus-Resumable": "1.0.0", "Upload-Length": "41"})
    assert (upload.status_code, upload.json()["code"]) == (413, "quota_exceeded")


def test_too_many_open_documents_are_a_matter_of_time(client: TestClient, quota, drain) -> None:
    quota(open_documents=2)
    once = {"Idempotency-Key": "later"}
    assert client.post("/v1/batches", files=files(b"Brief an die Bank", b"Brief an den Makler")).status_code == 202
    busy = client.post("/v1/batches", files=files(b"Brief an den Garten"), headers=once)
    assert (busy.status_code, busy.json()["code"]) == (429, "too_many_open_documents")
    assert int(busy.headers["retry-after"]) > 0
    drain()
    assert client.post("/v1/batches", files=files(b"Brief an den Garten"), headers=once).status_code == 202


@pytest.mark.parametrize("listing", ["batches", "documents"])
def test_a_list_is_read_to_its_end_without_gaps_while_it_grows(client: TestClient, listing: str) -> None:
    for number in range(5):
        client.post("/v1/batches", files=files(b"Brief %d" % number))
    there = [item["id"] for item in client.get(f"/v1/{listing}?limit=200").json()["items"]]
    seen: list[str] = []
    cursor = None
    while True:
        page = client.get(f"/v1/{listing}", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        seen += [item["id"] for item in page["items"]]
        client.post("/v1/batches", files=files(b"Brief dazwischen %d" % len(seen)))
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == there


def test_up_to_a_thousand_files_travel_in_one_request(client: TestClient) -> None:
    answer = client.post("/v1/batches", files=files(*(b"Brief %d" % number for number in range(1_000))))
    assert answer.status_code == 202
    assert answer.json()["batch"]["total"] == 1_000
    assert {file["outcome"] for file in answer.json()["files"]} == {"created"}
