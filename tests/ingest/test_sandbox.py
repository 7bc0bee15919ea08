"""What a file can do to its reader, and what the reader can do to us: nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from services.ingest import sandbox as walls
from services.ingest.sandbox import Bounds, Sandbox
from shared.documents import decode
from shared.errors import NotFound, Refused, Unavailable


@pytest.fixture
def narrow():
    """A sandbox with bounds of its own, closed at the end."""
    made: list[Sandbox] = []

    def make(**bounds: object) -> Sandbox:
        made.append(Sandbox(Bounds(**bounds)))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.close()


def readers() -> list[psutil.Process]:
    """Everything that runs below this process on behalf of a sandbox."""
    return [one for one in psutil.Process().children(recursive=True) if one.status() != psutil.STATUS_ZOMBIE]


def test_a_reading_comes_back_as_the_store_keeps_it(sandbox):
    report = sandbox.read("Déclaration de sinistre du 3 mars, contrat numéro douze".encode(), "a.txt")
    reading = decode(report.reading)
    reading.check()
    assert (reading.language, report.language, report.source, report.page_count) == ("fr", "fr", "text", 1)


def test_refusals_keep_their_words_on_the_way_out(sandbox):
    with pytest.raises(Refused) as refused:
        sandbox.read(b"no pdf", "a.pdf")
    assert refused.value.code == "corrupt"
    assert refused.value.action


def test_progress_is_told_page_by_page(sandbox, printed):
    told: list[tuple[int, int]] = []
    sandbox.read(printed(*([(60, 60, "page")] for _ in range(5))), "a.pdf", progress=lambda *at: told.append(at))
    assert told[-1] == (5, 5)


def test_pages_are_drawn_at_the_width_asked_for(sandbox, printed):
    png = sandbox.draw(printed([(60, 60, "page")]), "a.pdf", 1, 321)
    assert int.from_bytes(png[16:20]) == 321
    with pytest.raises(NotFound):
        sandbox.draw(printed([(60, 60, "page")]), "a.pdf", 2, 321)


def test_a_file_that_needs_too_much_memory_is_refused_and_the_next_one_is_read(narrow):
    box = narrow(memory_bytes=600 << 20)
    with pytest.raises(Refused) as refused:
        box.read(b"word " * 12_000_000, "a.txt")
    assert refused.value.code in ("too_large", "reader_crashed")
    assert box.read(b"small", "a.txt").characters == 5


def test_a_file_without_an_end_in_sight_is_stopped_and_the_next_one_is_read(narrow):
    box = narrow(patience_s=0.05, patience_s_per_mb=0.0)
    others = len(readers())
    with pytest.raises(Refused) as refused:
        box.read(b"word " * 3_000_000, "a.txt")
    assert refused.value.code == "too_slow"
    assert len(readers()) == others
    box.bounds = Bounds()
    assert box.read(b"small", "a.txt").characters == 5


def test_a_caller_that_gives_up_stops_the_reader(sandbox, printed):
    class Canceled(Exception):
        pass

    def cancel(done: int, of: int) -> None:
        raise Canceled

    with pytest.raises(Canceled):
        sandbox.read(printed(*([(60, 60, "page")] for _ in range(50))), "a.pdf", progress=cancel)
    assert sandbox.read(b"small", "a.txt").characters == 5


def test_a_reader_that_is_killed_is_our_trouble_and_another_one_starts(narrow):
    box = narrow()
    box.read(b"warm", "a.txt")

    def kill() -> None:
        time.sleep(0.3)
        for one in readers():
            one.send_signal(signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises((Unavailable, Refused)):
        box.read(b"word " * 4_000_000, "a.txt")
    killer.join()
    assert box.read(b"small", "a.txt").characters == 5


def test_no_reader_outlives_whoever_started_it():
    code = (
        "from services.ingest.sandbox import Sandbox\nbox = Sandbox()\nbox.read(b'x', 'a.txt')\n"
        "print(box._process.pid, flush=True)\nimport time; time.sleep(60)"
    )
    started = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=walls.ROOT)
    reader = psutil.Process(int(started.stdout.readline()))
    started.kill()
    started.wait()
    started.stdout.close()
    gone, alive = psutil.wait_procs([reader], timeout=20)
    assert gone or all(one.status() == psutil.STATUS_ZOMBIE for one in alive)


def test_inside_the_walls_there_is_no_network_and_nothing_of_the_disk(tmp_path: Path):
    command = walls._walls()
    if not command:
        pytest.skip("bubblewrap does not work here")
    secret = tmp_path / "secret"
    secret.write_text("credentials")
    code = (
        "import socket, pathlib, os\n"
        f"assert not pathlib.Path({str(secret)!r}).exists()\n"
        "assert [name for _, name in socket.if_nameindex()] == ['lo']\n"
        "assert 'DOSSIER_DATABASE_URL' not in os.environ\n"
        "try:\n    open('/usr/x', 'w')\nexcept OSError: pass\nelse: raise SystemExit('writable')\n"
    )
    environment = {**os.environ, "DOSSIER_DATABASE_URL": "postgresql://secret"}
    tried = subprocess.run([*command, sys.executable, "-c", code], env=environment, capture_output=True, check=False)
    assert tried.returncode == 0, tried.stderr.decode()
