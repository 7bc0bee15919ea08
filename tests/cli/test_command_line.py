"""The command line as its user meets it: real processes, no fakes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from services.cli.uploading import REQUEST_FILES, _groups, files_in
from services.embedded import Place, fit, free_port, running
from shared.errors import Refused


def dossier(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "services.cli.main", *arguments],
        capture_output=True, text=True, timeout=120, check=False,
        env={"DOSSIER_HOME": str(home), "PATH": "/usr/bin:/bin", "COLUMNS": "200"},
    )  # fmt: skip


def test_every_command_has_help(tmp_path: Path) -> None:
    listed = dossier("--help", home=tmp_path)
    assert listed.returncode == 0
    for command in (
        "up", "down", "doctor", "upload", "status", "retry", "export", "ask", "label", "webhook", "measure", "bench",
        "train",
    ):  # fmt: skip
        assert f" {command} " in listed.stdout


def test_a_command_without_a_running_dossier_says_how_to_start_one(tmp_path: Path) -> None:
    answer = dossier("status", home=tmp_path)
    assert answer.returncode == 1
    assert "make up" in answer.stderr


def test_the_doctor_finds_that_nothing_runs_and_says_so_in_json_too(tmp_path: Path) -> None:
    answer = dossier("doctor", "--json", home=tmp_path)
    assert answer.returncode == 1
    found = {check["part"]: check for check in json.loads(answer.stdout)}
    assert found["dossier"]["status"] == "trouble"
    assert found["tesseract"]["status"] == "ok"
    assert "make up" in found["dossier"]["action"]


def test_stopping_what_does_not_run_is_no_error(tmp_path: Path) -> None:
    answer = dossier("down", "--json", home=tmp_path)
    assert json.loads(answer.stdout) == {"stopped": False}


def test_a_taken_port_is_named_with_a_way_out(tmp_path: Path) -> None:
    import socket

    port = free_port()
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        with pytest.raises(Refused, match=f"Port {port} is taken") as refused:
            fit(Place(tmp_path / "home"), port)
    assert "PORT=" in refused.value.action


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(Refused, match="cannot be written"):
        fit(Place(tmp_path / "file" / "home"), free_port())


def test_a_full_disk_is_named_with_the_space_that_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(100, 100, 5_000_000))
    with pytest.raises(Refused, match=r"Only 0\.0 GB are free"):
        fit(Place(tmp_path), free_port())


def test_a_state_file_of_a_dead_supervisor_means_that_nothing_runs(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.state.parent.mkdir(parents=True)
    place.state.write_text(json.dumps({"pid": 2**22 - 1, "url": "http://127.0.0.1:1", "environment": {}}))
    assert running(place) is None


def test_folders_are_uploaded_with_all_that_is_in_them_but_hidden_files(tmp_path: Path) -> None:
    for name in ("a.txt", "sub/b.txt", ".hidden", "sub/.git/c.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    assert [path.name for path in files_in([tmp_path])] == ["a.txt", "b.txt"]


def test_a_path_that_is_not_there_is_named() -> None:
    with pytest.raises(Refused, match="nowhere/at/all"):
        files_in([Path("nowhere/at/all")])


def test_requests_are_bounded_in_files(tmp_path: Path) -> None:
    paths = []
    for number in range(REQUEST_FILES * 2 + 1):
        path = tmp_path / f"{number}.txt"
        path.write_text("x")
        paths.append(path)
    assert [len(group) for group in _groups(paths)] == [REQUEST_FILES, REQUEST_FILES, 1]
