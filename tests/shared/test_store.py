"""One conformance suite, two stores: a folder, and a real S3 server."""

from __future__ import annotations

import hashlib
import io
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.errors import Refused, Unavailable
from shared.store import FolderStore, S3Store, Store, store_from


@pytest.fixture(scope="session")
def s3_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A bucket on `rclone serve s3`."""
    program = shutil.which("rclone", path=str(Path(__import__("sys").executable).parent))
    assert program, "rclone comes with the dev extra"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path_factory.mktemp("s3")
    server = subprocess.Popen(
        [program, "serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", "key,secret", str(folder)],
        stderr=subprocess.DEVNULL,
    )
    _wait_for(port)
    yield f"s3+http://key:secret@127.0.0.1:{port}/dossier"
    server.terminate()
    server.wait()


def _wait_for(port: int) -> None:
    give_up_at = time.monotonic() + 20
    while time.monotonic() < give_up_at:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on {port}")


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.system)])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return FolderStore(tmp_path / "store")
    return store_from(request.getfixturevalue("s3_url"))


def test_what_was_put_comes_back(any_store: Store) -> None:
    kept = any_store.put("ws_a", "originals", b"letter")
    assert any_store.get(kept.key) == b"letter"
    assert kept.sha256 == hashlib.sha256(b"letter").hexdigest()
    assert kept.size_bytes == 6
    assert kept.key == f"ws_a/originals/{kept.sha256[:2]}/{kept.sha256}"


def test_a_stream_is_kept_whole(any_store: Store) -> None:
    content = bytes(range(256)) * 50_000
    kept = any_store.put("ws_a", "originals", io.BytesIO(content))
    assert any_store.get(kept.key) == content


def test_the_same_content_twice_is_one_object(any_store: Store) -> None:
    assert any_store.put("ws_twice", "pages", b"same") == any_store.put("ws_twice", "pages", b"same")
    assert len(list(any_store.keys("ws_twice/"))) == 1


def test_workspaces_do_not_share_objects(any_store: Store) -> None:
    one, other = any_store.put("ws_one", "pages", b"x"), any_store.put("ws_two", "pages", b"x")
    any_store.delete(one.key)
    assert not any_store.exists(one.key)
    assert any_store.get(other.key) == b"x"


def test_empty_content_is_content(any_store: Store) -> None:
    assert any_store.get(any_store.put("ws_a", "originals", b"").key) == b""


def test_an_unknown_key_is_a_key_error(any_store: Store) -> None:
    with pytest.raises(KeyError):
        any_store.get(f"ws_a/originals/00/{'0' * 64}")


def test_deleting_what_is_not_there_is_no_error(any_store: Store) -> None:
    any_store.put("ws_a", "pages", b"so that the bucket exists")
    any_store.delete(f"ws_a/originals/00/{'0' * 64}")


def test_keys_lists_what_begins_with_the_prefix(any_store: Store) -> None:
    kept = {any_store.put("ws_list", "pages", bytes([number])).key for number in range(5)}
    any_store.put("ws_list", "readings", b"other kind")
    assert set(any_store.keys("ws_list/pages/")) == kept


@pytest.mark.parametrize("key", ["../etc/passwd", "ws_a/pages/00/short", "ws_a/../ws_b/00/" + "0" * 64, ""])
def test_a_key_that_is_no_key_never_reaches_the_disk(any_store: Store, key: str) -> None:
    with pytest.raises(ValueError, match="not a store key"):
        any_store.exists(key)


def test_changed_bytes_are_noticed_on_read(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    kept = store.put("ws_a", "originals", b"right")
    (tmp_path / kept.key).write_bytes(b"wrong")
    with pytest.raises(Unavailable, match="other bytes"):
        store.get(kept.key)


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file where the folder should be")
    with pytest.raises(Unavailable, match="could not write"):
        FolderStore(tmp_path / "store").put("ws_a", "originals", b"x")


def test_nothing_is_left_behind_by_a_put_that_fails(tmp_path: Path) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(5, "the disk of the sender broke")

    store = FolderStore(tmp_path)
    with pytest.raises(Unavailable):
        store.put("ws_a", "originals", Broken())
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_store_that_is_down_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="cannot be reached"):
        S3Store("127.0.0.1:9", "key", "secret", "bucket", secure=False).put("ws_a", "originals", b"x")


def test_an_unknown_kind_of_store_is_refused() -> None:
    with pytest.raises(Refused, match="ftp"):
        store_from("ftp://somewhere/else")
