"""Uploads through the API become readings, children, duplicates and refusals, on a real database and store."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
from sqlalchemy import text

from services.ingest import tasks
from services.ingest.settings import settings
from shared import facts


@pytest.fixture(autouse=True, scope="module")
def _reader_ends():
    yield
    tasks.sandbox().close()


@pytest.fixture
def upload(client):
    """Uploads `(name, content)` pairs as one batch; the answer."""

    def send(*files: tuple[str, bytes], batch: str | None = None, **fields: str) -> dict:
        parts = [("files", file) for file in files]
        key = fields.pop("key", None)
        headers = {"Idempotency-Key": key} if key else {}
        path = f"/v1/batches/{batch}/files" if batch else "/v1/batches"
        answer = client.post(path, files=parts or None, data=fields, headers=headers)
        assert answer.status_code == 202, answer.text
        return answer.json()

    return send


def texts(count: int) -> list[tuple[str, bytes]]:
    return [(f"{number}.txt", f"Sinistre numéro {number}, le contrat est joint".encode()) for number in range(count)]


def test_a_file_becomes_a_reading_with_its_page_and_picture(client, upload, printed, desk, engine, drain):
    answer = upload(("Prüfung é.pdf", printed([(90, 100, "Betrag: 123,45 EUR für die Versicherung des Autos")])))
    document = answer["files"][0]["document"]
    assert answer["files"][0]["outcome"] == "created"
    assert drain()[:1] == ["ingest.read"]
    shown = client.get(f"/v1/documents/{document}").json()
    assert (shown["state"], shown["page_count"], shown["language"]) == ("succeeded", 1, "de")
    page = client.get(f"/v1/documents/{document}/pages/1").json()
    word = next(word for word in page["words"] if word[0] == "123,45")
    assert page["text"][word[2] : word[3]] == "123,45"
    assert client.get(f"/v1/documents/{document}/text").text == page["text"]
    for _ in range(2):
        picture = client.get(f"/v1/documents/{document}/pages/1.png?width=300")
        assert int.from_bytes(picture.content[16:20]) == 300
    assert client.get(f"/v1/documents/{document}/pages/2").status_code == 404
    assert client.get(f"/v1/documents/{document}/original").content.startswith(b"%PDF")
    with engine.connect() as connection:
        facts.reading(connection, desk.store, document).check()


def test_the_same_bytes_are_worked_on_once(upload, client, drain):
    first = upload(("a.txt", b"the same claim twice"))["files"][0]
    again = upload(("b.txt", b"the same claim twice"), ("c.txt", b"another claim, only once"))["files"]
    assert [file["outcome"] for file in again] == ["duplicate_of", "created"]
    assert again[0]["duplicate_of"] == first["document"]
    assert drain().count("ingest.read") == 2
    skipped = client.get(f"/v1/documents/{again[0]['document']}").json()
    assert (skipped["state"], skipped["duplicate_of"]) == ("skipped", first["document"])
    assert skipped["reason"]["code"] == "duplicate"


def test_a_new_copy_takes_the_place_of_one_that_failed(upload, drain):
    first = upload(("a.pdf", b"not a pdf"))["files"][0]
    drain()
    assert upload(("a.txt", b"not a pdf"))["files"][0]["outcome"] == "created"
    assert first["outcome"] == "created"


def test_a_repeated_request_changes_nothing_and_gets_the_same_answer(upload, client):
    once, twice = (upload(*texts(3), key="k1", name="monday") for _ in range(2))
    assert once == twice
    assert client.get("/v1/batches").json()["items"][0]["total"] == 3
    assert client.post("/v1/batches/x/files", headers={"Idempotency-Key": "k1"}).status_code == 409


def test_what_is_inside_becomes_documents_of_their_own(upload, client, drain):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("letter.txt", "Bonjour, voici la facture du garage")
        archive.writestr("inner.eml", "From: a@b.c\nTo: d@e.f\nSubject: s\n\nhello from the mail")
        archive.writestr("copy.txt", "Bonjour, voici la facture du garage")
    answer = upload(("all.zip", packed.getvalue()))
    drain()
    parent = client.get(f"/v1/documents/{answer['files'][0]['document']}").json()
    assert [(child["name"], child["state"]) for child in parent["children"]] == [
        ("letter.txt", "succeeded"),
        ("inner.eml", "succeeded"),
        ("copy.txt", "skipped"),
    ]
    batch = client.get(f"/v1/batches/{answer['batch']['id']}").json()
    assert (batch["state"], batch["total"], batch["percent_completed"]) == ("succeeded", 4, 100)


def test_a_file_that_cannot_be_read_fails_with_its_reason_and_can_be_retried(upload, client, drain):
    answer = upload(("bad.pdf", b"not a pdf"), *texts(1), ("empty.txt", b""))
    assert [file["outcome"] for file in answer["files"]] == ["created", "created", "refused"]
    assert answer["files"][2]["reason"]["code"] == "empty"
    drain()
    batch = client.get(f"/v1/batches/{answer['batch']['id']}").json()
    assert (batch["state"], batch["counts"]) == ("partially_succeeded", {"failed": 1, "succeeded": 1})
    (failed,) = client.get("/v1/documents?state=failed").json()["items"]
    assert failed["reason"]["code"] == "corrupt"
    assert client.post(f"/v1/documents/{answer['files'][1]['document']}/retry").status_code == 409
    again = client.post(f"/v1/batches/{batch['id']}/retry").json()
    assert again["counts"] == {"pending": 1, "succeeded": 1}
    assert drain() == ["ingest.read"]


def test_a_batch_is_filled_piece_by_piece_and_closed(upload, client, drain):
    batch = upload(name="post", finalize="false")["batch"]
    assert (batch["state"], batch["finalized"]) == ("pending", False)
    upload(*texts(2), batch=batch["id"])
    drain()
    assert client.get(f"/v1/batches/{batch['id']}").json()["state"] == "running"
    assert client.post(f"/v1/batches/{batch['id']}/finalize").json()["state"] == "succeeded"
    late = client.post(f"/v1/batches/{batch['id']}/files", files=[("files", texts(1)[0])])
    assert (late.status_code, late.json()["code"]) == (409, "conflict")
    with client.stream("GET", f"/v1/batches/{batch['id']}/events") as stream:
        lines = [line for line in stream.iter_lines() if line]
    assert [line for line in lines if line.startswith("event")] == ["event: batch", "event: end"]
    assert json.loads(lines[2].removeprefix("data: "))["id"] == batch["id"]


def test_a_canceled_batch_stops_and_can_be_started_again(upload, client, drain):
    batch = upload(*texts(3))["batch"]["id"]
    canceled = client.post(f"/v1/batches/{batch}/cancel").json()
    assert (canceled["state"], canceled["counts"]) == ("canceled", {"canceled": 3})
    assert drain() == []
    assert client.post(f"/v1/batches/{batch}/retry").json()["state"] == "pending"
    drain()
    assert client.get(f"/v1/batches/{batch}").json()["state"] == "succeeded"
    assert client.post(f"/v1/batches/{batch}/cancel").json()["state"] == "succeeded", "there was nothing to stop"


def test_documents_are_listed_by_page_and_by_condition(upload, client, drain):
    batch = upload(*texts(5), ("Bericht_100%.txt", b"Der Bericht ist da, und die Versicherung zahlt"))["batch"]["id"]
    drain()
    seen: list[str] = []
    cursor = None
    while True:
        path = f"/v1/documents?batch={batch}&limit=2" + (f"&cursor={cursor}" if cursor else "")
        page = client.get(path).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 6
    assert seen == sorted(seen, reverse=True)
    for condition in ("q=bericht_100%25", "language=de", "q=BERICHT&state=succeeded"):
        (found,) = client.get(f"/v1/documents?{condition}").json()["items"]
        assert found["name"] == "Bericht_100%.txt"
    assert client.get("/v1/documents?q=b%25t").json()["items"] == []


def test_a_deleted_document_leaves_nothing_behind(upload, client, desk, engine, printed, drain):
    document = upload(("a.pdf", printed([(90, 100, "to be forgotten")])))["files"][0]["document"]
    drain()
    client.get(f"/v1/documents/{document}/pages/1.png")
    assert client.delete(f"/v1/documents/{document}").status_code == 204
    assert client.get(f"/v1/documents/{document}").status_code == 404
    left = {key.split("/")[1] for key in desk.store.keys()}  # noqa: SIM118  # a store is no dict
    assert not left & {"originals", "readings", "pictures"}
    with engine.connect() as connection:
        for table in ("files", "readings", "contents", "pictures"):
            assert connection.execute(text(f"SELECT count(*) FROM ingest.{table}")).scalar() == 0


@pytest.fixture
def tight(monkeypatch):
    """Limits of three files of 100 bytes."""
    monkeypatch.setenv("DOSSIER_INGEST_REQUEST_FILES", "3")
    monkeypatch.setenv("DOSSIER_INGEST_FILE_BYTES", "100")
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.mark.usefixtures("tight")
def test_more_files_than_one_request_may_carry_are_refused(client):
    answer = client.post("/v1/batches", files=[("files", file) for file in texts(4)])
    assert (answer.status_code, answer.json()["code"]) == (422, "too_many_files")
    assert client.get("/v1/batches").json()["items"] == []


@pytest.mark.usefixtures("tight")
def test_a_file_that_is_too_large_is_refused_and_the_others_are_kept(upload):
    files = upload(("large.txt", b"x" * 101), ("fits.txt", b"x" * 100))["files"]
    assert [file["outcome"] for file in files] == ["refused", "created"]
    assert files[0]["reason"]["code"] == "too_large"
