"""The API is killed for real between bytes and commit, at every step there is; the client tries again."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine, text
from starlette.testclient import TestClient
from tusclient.client import TusClient
from tusclient.exceptions import TusCommunicationError

from services.embedded import free_port
from services.ingest.api.failpoints import STEPS
from services.ingest.api.writing import PIECE_BYTES
from services.ingest.tables import garbage
from services.ingest.tus import CONTENT_TYPE
from shared.desk import Desk
from shared.errors import Unavailable
from shared.store import FolderStore

#: Two pieces and a bit, so that every step of a resumable upload is passed.
CONTENT = b"Sinistre, le contrat est joint.\n" * (PIECE_BYTES // 20)
FILES = [("files", (f"{number}.txt", b"Brief %d an die Versicherung" % number)) for number in range(3)]


@pytest.fixture
def dying(
    engine: Engine, store: FolderStore, tmp_path: Path, key_for: Callable[[str], str]
) -> Iterator[Callable[[str], tuple[httpx.Client, subprocess.Popen[bytes]]]]:
    """Starts an API process that kills itself at a step; a client of it, and the process."""
    started: list[tuple[httpx.Client, subprocess.Popen[bytes]]] = []

    def start(step: str) -> tuple[httpx.Client, subprocess.Popen[bytes]]:
        port = free_port()
        environment = os.environ | {
            "DOSSIER_HOME": str(tmp_path / "home"),
            "DOSSIER_DATABASE_URL": engine.url.render_as_string(hide_password=False),
            "DOSSIER_STORE_URL": store.folder.as_uri(),
            "DOSSIER_BROKER_URL": "redis://127.0.0.1:9/0",
            "DOSSIER_INGEST_FAILPOINT": step,
        }
        command = [sys.executable, "-m", "services.cli.main", "api", "ingest", "--port", str(port)]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        headers = {"Authorization": f"Bearer {key_for('reviewer')}"}
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, trust_env=False, timeout=30)
        started.append((client, process))
        give_up_at = time.monotonic() + 60
        while not _answers(client):
            assert process.poll() is None
            assert time.monotonic() < give_up_at
            time.sleep(0.05)
        return client, process

    yield start
    for client, process in started:
        client.close()
        process.kill()
        process.wait()


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/healthz").is_success
    except httpx.TransportError:
        return False


@pytest.fixture
def nothing_is_left_over(desk: Desk, engine: Engine, workspace: str) -> Callable[[], None]:
    """Collects, and proves that the store holds what rows point at and nothing else."""

    def check() -> None:
        garbage.collect(desk.engine, desk.store, workspace, older_s=0)
        with engine.connect() as connection:
            wanted = set(connection.execute(text("SELECT original_key FROM ingest.files")).scalars())
            assert connection.execute(text("SELECT count(*) FROM ingest.pieces")).scalar_one() == 0
        assert set(desk.store.keys()) == wanted
        assert isinstance(desk.store, FolderStore)
        files = [path for path in desk.store.folder.rglob("*") if path.is_file()]
        assert {path.relative_to(desk.store.folder).as_posix() for path in files} == wanted, (
            "nothing lies beside the objects either"
        )

    return check


def died(process: subprocess.Popen[bytes]) -> bool:
    return process.wait(timeout=30) == -signal.SIGKILL


@pytest.mark.parametrize("step", [step for step in STEPS if step.startswith("multipart.")])
def test_a_request_with_files_that_died_is_repeated_and_counts_once(
    dying, client: TestClient, engine: Engine, nothing_is_left_over: Callable[[], None], step: str
) -> None:
    once = {"Idempotency-Key": "monday"}
    doomed, process = dying(step)
    with pytest.raises(httpx.TransportError):
        doomed.post("/v1/batches", files=FILES, headers=once)
    assert died(process)
    answer = client.post("/v1/batches", files=FILES, headers=once)
    assert [file["outcome"] for file in answer.json()["files"]] == ["created"] * 3
    assert client.get("/v1/batches").json()["items"] == [answer.json()["batch"]]
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM ledger.jobs WHERE name = 'ingest.read'")).scalar() == 3
    nothing_is_left_over()


@pytest.mark.parametrize("step", [step for step in STEPS if step.startswith("tus.")])
def test_a_resumable_upload_that_died_goes_on_and_counts_once(
    dying, client: TestClient, engine: Engine, nothing_is_left_over: Callable[[], None], step: str
) -> None:
    protocol = {"Tus-Resumable": "1.0.0"}
    creation = protocol | {"Upload-Length": str(len(CONTENT)), "Idempotency-Key": "once"}
    doomed, process = dying(step)
    said = protocol | {"Content-Type": CONTENT_TYPE, "Upload-Offset": "0"}

    def upload() -> None:
        path = doomed.post("/v1/uploads", headers=creation).headers["location"]
        doomed.patch(path, content=CONTENT, headers=said)

    with pytest.raises(httpx.TransportError):
        upload()
    assert died(process)
    path = client.post("/v1/uploads", headers=creation).headers["location"]
    offset = int(client.head(path, headers=protocol).headers["upload-offset"])
    if step in ("tus.whole_stored", "tus.written"):
        assert offset == len(CONTENT) // PIECE_BYTES * PIECE_BYTES, "what was committed before is kept"
    if offset < len(CONTENT):
        said["Upload-Offset"] = str(offset)
        assert client.patch(path, content=CONTENT[offset:], headers=said).status_code == 204
    document = client.get(path).json()["file"]["document"]
    assert client.get(f"/v1/documents/{document}/original").content == CONTENT
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM ledger.documents")).scalar_one() == 1
        assert connection.execute(text("SELECT count(*) FROM ingest.batches")).scalar_one() == 1
    nothing_is_left_over()


def test_the_reference_client_goes_on_after_the_api_was_killed(dying, client: TestClient) -> None:
    doomed, process = dying("tus.piece_committed")
    authorization = {"Authorization": doomed.headers["authorization"]}
    first = TusClient(f"{doomed.base_url}/v1/uploads", headers=authorization).uploader(
        file_stream=io.BytesIO(CONTENT), chunk_size=PIECE_BYTES, metadata={"filename": "scan.txt"}
    )
    with pytest.raises(TusCommunicationError):
        first.upload()
    assert died(process)
    alive, _ = dying("none")
    moved = str(alive.base_url.join(httpx.URL(first.url).path))
    again = TusClient(moved, headers=authorization).uploader(
        file_stream=io.BytesIO(CONTENT), url=moved, chunk_size=PIECE_BYTES
    )
    assert again.offset == PIECE_BYTES
    again.upload()
    document = client.get(httpx.URL(moved).path).json()["file"]["document"]
    assert client.get(f"/v1/documents/{document}/original").content == CONTENT


def test_a_put_that_died_in_the_middle_leaves_a_file_that_is_cleared(store: FolderStore) -> None:
    halfway = store.folder / "incoming" / "0123456789abcdef"
    halfway.parent.mkdir(parents=True)
    halfway.write_bytes(b"half")
    assert store.clear_unfinished(older_s=60) == 0
    os.utime(halfway, (time.time() - 61,) * 2)
    assert store.clear_unfinished(older_s=60) == 1
    assert not halfway.exists()


def test_bytes_that_were_swept_after_they_were_put_are_asked_for_again(desk: Desk, workspace: str) -> None:
    stored = desk.store.put(workspace, "originals", b"about to be pointed at")
    garbage.mark(desk.engine, desk.store, workspace)
    assert garbage.sweep(desk.engine, desk.store, workspace) == 1
    with desk.engine.begin() as connection, pytest.raises(Unavailable, match="cleaned"):
        garbage.hold(connection, desk.store, workspace, [stored.key])
    desk.store.put(workspace, "originals", b"about to be pointed at")
    with desk.engine.begin() as connection:
        garbage.hold(connection, desk.store, workspace, [stored.key])
    assert garbage.sweep(desk.engine, desk.store, workspace) == 0


def test_a_sweep_waits_for_whoever_is_about_to_commit(desk: Desk, workspace: str) -> None:
    stored = desk.store.put(workspace, "originals", b"in the middle of an admission")
    garbage.mark(desk.engine, desk.store, workspace)
    with desk.engine.begin() as admission:
        garbage.hold(admission, desk.store, workspace, [stored.key])
        sweeper = threading.Thread(target=garbage.sweep, args=(desk.engine, desk.store, workspace))
        sweeper.start()
        sweeper.join(timeout=0.3)
        assert sweeper.is_alive()
        assert desk.store.exists(stored.key)
    sweeper.join(timeout=10)
    assert desk.store.exists(stored.key), "it is no garbage any more"
