"""The scripts that an operator runs against an installation: the first key, and the check behind `helm test`."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import uvicorn

from services import rooms
from shared import access, http

ROOT = Path(__file__).parent.parent.parent
SMOKE = ROOT / "helm" / "dossier" / "files" / "smoke.py"

pytestmark = pytest.mark.system


@pytest.fixture
def first_key(engine):
    """Runs deploy/first-key.py against the test database; what it prints."""
    environment = {**os.environ, "DOSSIER_DATABASE_URL": engine.url.render_as_string(hide_password=False)}

    def run() -> str:
        command = [sys.executable, ROOT / "deploy" / "first-key.py"]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()

    return run


@pytest.fixture
def origin(desk):
    """The address of the whole application, served on a real socket."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    app = http.application(desk, [rooms.router(service) for service in rooms.SERVICES])
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


def test_the_first_key_is_an_admins_in_a_new_workspace(engine, first_key):
    key = first_key()
    with engine.connect() as connection:
        caller = access.caller_of(connection, key)
        assert [workspace.name for workspace in access.workspaces(connection)] == ["default"]
    assert caller is not None
    assert caller.may("admin")


def test_another_first_key_opens_the_same_workspace(engine, first_key):
    keys = [first_key(), first_key()]
    with engine.connect() as connection:
        assert len({access.caller_of(connection, key).workspace for key in keys}) == 1
    assert len(set(keys)) == 2


def test_the_check_uploads_waits_and_deletes(engine, origin, first_key, drain, tmp_path):
    (tmp_path / "key").write_text(first_key() + "\n")
    check = subprocess.Popen(
        [sys.executable, SMOKE, origin, "--key-file", tmp_path / "key", "--timeout-s", "60"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while check.poll() is None:
        drain()
        time.sleep(0.05)
    said, trouble = check.communicate()
    assert check.returncode == 0, trouble
    assert "succeeded" in said
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM ledger.documents").scalar() == 0


def test_the_check_says_when_no_worker_takes_the_document(origin, first_key, tmp_path):
    (tmp_path / "key").write_text(first_key())
    done = subprocess.run(
        [sys.executable, SMOKE, origin, "--key-file", tmp_path / "key", "--timeout-s", "1"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "are the workers running?" in done.stderr


def test_the_check_says_when_the_key_is_wrong(origin, tmp_path):
    (tmp_path / "key").write_text("dk_wrong_key")
    done = subprocess.run(
        [sys.executable, SMOKE, origin, "--key-file", tmp_path / "key"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "401" in done.stderr


def test_without_a_key_the_check_asks_for_the_sign_in_page(origin):
    done = subprocess.run([sys.executable, SMOKE, origin], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "/login answered 200" in done.stdout
