from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from services.train.supervising import Follower, supervise


@pytest.fixture
def script(tmp_path):
    """A command that runs these lines of Python, with the metrics file in `metrics`."""

    def make(lines: str) -> list[str]:
        written = tmp_path / "script.py"
        written.write_text(f"import os, signal, sys, time\nmetrics = {str(tmp_path / 'metrics.jsonl')!r}\n{lines}")
        return [sys.executable, str(written)]

    return make


def test_what_a_process_measures_is_passed_on_once_and_its_status_returned(script, tmp_path):
    command = script(
        "with open(metrics, 'a') as out:\n"
        "    for step in range(5):\n"
        "        out.write('{\"step\": %d}\\n' % step); out.flush(); time.sleep(0.05)\n"
        "sys.exit(3)"
    )
    seen: list[dict] = []
    status = supervise(command, tmp_path / "metrics.jsonl", lambda lines: seen.extend(lines) or True, every_s=0.03)
    assert status == 3
    assert seen == [{"step": step} for step in range(5)]


def test_a_process_that_nobody_wants_any_more_is_ended_even_if_it_will_not_hear(script, tmp_path):
    mark = tmp_path / "pid"
    command = script(
        f"signal.signal(signal.SIGTERM, signal.SIG_IGN)\nopen({str(mark)!r}, 'w').write(str(os.getpid()))\n"
        "time.sleep(60)"
    )
    began = time.monotonic()
    status = supervise(command, tmp_path / "metrics.jsonl", lambda _: not mark.exists(), every_s=0.05, grace_s=0.3)
    assert status is None
    assert time.monotonic() - began < 30
    assert subprocess.run(["kill", "-0", mark.read_text()], check=False, capture_output=True).returncode != 0


def test_a_process_never_outlives_a_supervisor_that_fails(script, tmp_path):
    mark = tmp_path / "pid"
    command = script(f"open({str(mark)!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)")

    def beat(_: list[dict]) -> bool:
        if mark.exists() and mark.read_text():
            raise ConnectionError("the database is gone")
        return True

    with pytest.raises(ConnectionError):
        supervise(command, tmp_path / "metrics.jsonl", beat, every_s=0.05)
    assert subprocess.run(["kill", "-0", mark.read_text()], check=False, capture_output=True).returncode != 0


def test_a_line_that_is_being_written_waits_until_it_is_whole(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 0}\n')
    follower = Follower(path)
    with path.open("a") as out:
        out.write('{"step": 1}\n{"st')
        out.flush()
        assert follower.new() == [{"step": 1}]
        out.write('ep": 2}\n')
    assert follower.new() == [json.loads('{"step": 2}')]
    assert follower.new() == []
