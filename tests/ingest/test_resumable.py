"""Resumable uploads, tried by the protocol's own client and by hand, on a real server."""

from __future__ import annotations

import base64
import hashlib
import io
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import uvicorn
from sqlalchemy import text
from tusclient.client import TusClient

from services import rooms
from services.ingest.api import writing
from services.ingest.settings import settings
from services.ingest.tables import garbage
from services.ingest.tus import CONTENT_TYPE
from shared import access, http
from shared.desk import Desk

LETTER = b"".join(b"Sinistre %d, le contrat est joint.\n" % number for number in range(20_000))


@pytest.fixture
def url(desk: Desk) -> Iterator[str]:
    """The address of the whole application, served by uvicorn."""
    app = http.application(desk, [rooms.router(service) for service in rooms.SERVICES])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", ws="none", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def headers(key_for: Callable[[str], str]) -> dict[str, str]:
    return {"Authorization": f"Bearer {key_for('reviewer')}", "Tus-Resumable": "1.0.0"}


@pytest.fixture
def api(url: str, headers: dict[str, str]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=30) as client:
        yield client


@pytest.fixture
def tus(url: str, headers: dict[str, str]) -> TusClient:
    """The reference client for Python."""
    return TusClient(f"{url}/v1/uploads", headers={"Authorization": headers["Authorization"]})


@pytest.fixture
def begin(api: httpx.Client) -> Callable[..., str]:
    """Begins an upload; its path."""

    def send(size_bytes: int = len(LETTER), *, name: str = "letter.txt", **more: str) -> str:
        pairs = {"filename": name} | more
        named = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in pairs.items())
        answer = api.post("/v1/uploads", headers={"Upload-Length": str(size_bytes), "Upload-Metadata": named})
        assert answer.status_code == 201, answer.text
        return answer.headers["location"]

    return send


@pytest.fixture
def patch(api: httpx.Client) -> Callable[..., httpx.Response]:
    """Sends bytes to an upload."""

    def send(path: str, content: bytes, offset: int, **more: str) -> httpx.Response:
        said = {"Content-Type": CONTENT_TYPE, "Upload-Offset": str(offset)}
        return api.patch(path, content=content, headers=said | {k.replace("_", "-"): v for k, v in more.items()})

    return send


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of 64 KiB, so that a small file has many."""
    from services.ingest.api import resumable

    monkeypatch.setattr(resumable, "PIECE_BYTES", 64 << 10)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("checksum", [False, True])
def test_the_reference_client_uploads_in_chunks_and_the_whole_arrives(
    tus: TusClient, api: httpx.Client, desk: Desk, checksum: bool
) -> None:
    uploader = tus.uploader(
        file_stream=io.BytesIO(LETTER),
        chunk_size=200_000,
        metadata={"filename": "Schäden.txt"},
        upload_checksum=checksum,
    )
    uploader.upload()
    shown = api.get(uploader.url).json()
    assert (shown["name"], shown["received_bytes"], shown["file"]["outcome"]) == ("Schäden.txt", len(LETTER), "created")
    assert api.get(f"/v1/documents/{shown['file']['document']}/original").content == LETTER
    batch = api.get(f"/v1/batches/{shown['batch']}").json()
    assert (batch["finalized"], batch["total"]) == (True, 1)
    kinds = {key.split("/")[1] for key in desk.store.keys()}  # noqa: SIM118  # a store is no dict
    assert kinds == {"originals"}, "the pieces are gone"


def test_an_upload_that_stopped_goes_on_where_it_was(tus: TusClient, api: httpx.Client) -> None:
    first = tus.uploader(file_stream=io.BytesIO(LETTER), chunk_size=100_000, metadata={"filename": "a.txt"})
    first.upload(stop_at=300_000)
    again = tus.uploader(file_stream=io.BytesIO(LETTER), url=first.url, chunk_size=100_000)
    assert again.offset == 300_000
    again.upload()
    assert api.get(first.url).json()["file"]["outcome"] == "created"


@pytest.mark.usefixtures("small_pieces")
def test_a_connection_that_breaks_in_the_middle_keeps_what_has_come(
    api: httpx.Client, begin: Callable[..., str]
) -> None:
    path = begin()

    def breaks() -> Iterator[bytes]:
        yield LETTER[:200_000]
        raise ConnectionAbortedError

    said = {"Content-Type": CONTENT_TYPE, "Upload-Offset": "0", "Content-Length": str(len(LETTER))}
    with pytest.raises(ConnectionAbortedError):
        api.patch(path, content=breaks(), headers=said)
    give_up_at = time.monotonic() + 10
    while (kept := int(api.head(path).headers["upload-offset"])) != 200_000:
        assert time.monotonic() < give_up_at, kept
        time.sleep(0.02)


def test_files_join_the_open_batch_that_they_name(api: httpx.Client, begin: Callable[..., str], patch) -> None:
    batch = api.post("/v1/batches", data={"name": "post", "finalize": "false"}).json()["batch"]["id"]
    for number in range(2):
        content = b"Sehr geehrte Damen und Herren, Brief %d" % number
        path = begin(len(content), name=f"{number}.txt", batch=batch)
        assert patch(path, content, 0).status_code == 204
    late = begin(10, batch=batch)
    shown = api.post(f"/v1/batches/{batch}/finalize").json()
    assert (shown["total"], shown["state"]) == (2, "pending")
    refused = patch(late, b"x" * 10, 0)
    assert (refused.status_code, refused.json()["code"]) == (422, "batch_finalized")
    closed = api.post("/v1/uploads", headers={"Upload-Length": "3", "Upload-Metadata": _named(batch=batch)})
    assert closed.status_code == 409


def _named(**pairs: str) -> str:
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in pairs.items())


def test_the_same_bytes_by_another_way_are_a_duplicate(api: httpx.Client, begin: Callable[..., str], patch) -> None:
    first = api.post("/v1/batches", files=[("files", ("a.txt", LETTER))]).json()["files"][0]
    path = begin()
    patch(path, LETTER, 0)
    answer = api.get(path).json()["file"]
    assert (answer["outcome"], answer["duplicate_of"]) == ("duplicate_of", first["document"])


def test_of_two_writers_at_one_offset_one_is_told_to_look_again(
    api: httpx.Client, begin: Callable[..., str], patch
) -> None:
    path = begin(size_bytes=1_000_000)
    with ThreadPoolExecutor(2) as both:
        answers = list(both.map(lambda byte: patch(path, byte * 500_000, 0), (b"a", b"b")))
    assert sorted(answer.status_code for answer in answers) == [204, 409]
    assert next(answer for answer in answers if answer.status_code == 409).json()["code"] == "offset_conflict"
    assert api.head(path).headers["upload-offset"] == "500000"


def test_bytes_with_another_checksum_are_refused_and_not_kept(
    api: httpx.Client, begin: Callable[..., str], patch, desk: Desk
) -> None:
    path = begin()
    wrong = "sha1 " + base64.b64encode(hashlib.sha1(b"something else").digest()).decode()
    assert patch(path, LETTER[:1000], 0, Upload_Checksum=wrong).status_code == 460
    assert not list(desk.store.keys())
    assert api.head(path).headers["upload-offset"] == "0"
    assert patch(path, LETTER[:1000], 0, Upload_Checksum="md5 AAAA").status_code == 400
    right = "sha256 " + base64.b64encode(hashlib.sha256(LETTER).digest()).decode()
    assert patch(path, LETTER, 0, Upload_Checksum=right).status_code == 204
    assert api.get(path).json()["file"]["outcome"] == "created"


def test_an_upload_that_is_given_up_leaves_nothing(
    api: httpx.Client, begin: Callable[..., str], patch, desk: Desk
) -> None:
    path = begin()
    patch(path, LETTER[:1000], 0)
    assert list(desk.store.keys())
    assert api.delete(path).status_code == 204
    assert not list(desk.store.keys())
    assert api.head(path).status_code == 404
    assert patch(path, LETTER[1000:], 1000).status_code == 404


def test_an_upload_that_was_left_alone_expires_and_is_collected(
    api: httpx.Client, begin: Callable[..., str], patch, desk: Desk, workspace: str
) -> None:
    path = begin()
    patch(path, LETTER[:1000], 0)
    assert "GMT" in api.head(path).headers["upload-expires"]
    with desk.engine.begin() as connection:
        connection.execute(text("UPDATE ingest.uploads SET expires_at = now() - interval '1 s'"))
    assert patch(path, LETTER[1000:], 1000).status_code == 410
    garbage.collect(desk.engine, desk.store, workspace, older_s=0)
    assert not list(desk.store.keys())
    assert api.head(path).status_code == 404


def test_what_the_protocol_asks_of_a_server(api: httpx.Client, begin: Callable[..., str], patch) -> None:
    said = api.options("/v1/uploads")
    assert said.status_code == 204
    assert said.headers["tus-version"] == "1.0.0"
    assert set(said.headers["tus-extension"].split(",")) == {"creation", "checksum", "expiration", "termination"}
    assert said.headers["tus-max-size"] == str(settings().file_bytes)
    path = begin()
    head = api.head(path)
    assert (head.headers["upload-offset"], head.headers["upload-length"]) == ("0", str(len(LETTER)))
    assert head.headers["cache-control"] == "no-store"
    assert head.headers["upload-metadata"].startswith("filename ")
    assert patch(path, b"x", 5).status_code == 409
    assert patch(path, b"x", 0, Content_Type="text/plain").status_code == 415
    assert patch(path, b"x", 0, Upload_Offset="-1").status_code == 400
    old = patch(path, b"x", 0, Tus_Resumable="0.2.2")
    assert (old.status_code, old.headers["tus-version"], old.headers["tus-resumable"]) == (412, "1.0.0", "1.0.0")
    assert patch(begin(3), b"four", 0).status_code == 413
    for length, status in (("", 400), ("many", 400), ("0", 422), (str(settings().file_bytes + 1), 413)):
        assert api.post("/v1/uploads", headers={"Upload-Length": length}).status_code == status, length
    odd = api.post("/v1/uploads", headers={"Upload-Length": "1", "Upload-Metadata": "filename ???"})
    assert odd.status_code == 400
    moved = api.post(
        path,
        content=LETTER[:10],
        headers={
            "X-HTTP-Method-Override": "PATCH",
            "Content-Type": CONTENT_TYPE,
            "Upload-Offset": "0",
        },
    )
    assert (moved.status_code, moved.headers["upload-offset"]) == (204, "10")


def test_a_repeated_creation_gives_the_same_upload_and_another_one_is_refused(api: httpx.Client) -> None:
    said = {"Upload-Length": "10", "Idempotency-Key": "once"}
    first, again = (api.post("/v1/uploads", headers=said) for _ in range(2))
    assert first.headers["location"] == again.headers["location"]
    other = api.post("/v1/uploads", headers=said | {"Upload-Length": "11"})
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")


def test_a_foreign_upload_looks_like_a_missing_one(
    api: httpx.Client, begin: Callable[..., str], url: str, engine
) -> None:

    path = begin()
    with engine.begin() as connection:
        key = access.issue(connection, access.add_workspace(connection, "other"), "intruder", "admin")[1]
    headers = {"Authorization": f"Bearer {key}", "Tus-Resumable": "1.0.0"}
    with httpx.Client(base_url=url, headers=headers, trust_env=False) as intruder:
        assert {intruder.request(method, path).status_code for method in ("HEAD", "GET", "DELETE")} == {404}


def test_pieces_are_small_enough_to_hold_in_memory() -> None:
    assert writing.PIECE_BYTES <= 16 << 20
