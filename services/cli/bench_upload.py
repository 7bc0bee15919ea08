"""`dossier bench upload`: thousands of small files through the API while the workers run, against the bare disk.

A whole Dossier is started in a folder of its own, as `make up` does. One client sends everything as one batch; a
second one plays the person who sends a single letter now and then and waits for its facts. The client's journal is
compared with the ledger in the end. The reference writes the same files to the same disk, each one synced: what a
program without a ledger would pay.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from services.cli import output
from services.cli.client import Client
from services.embedded import free_port

FILES = 10_000
#: As `dossier upload` groups them.
REQUEST_FILES = 100
#: Between two letters of the person who waits.
LETTER_EVERY_S = 5.0
#: A letter is not waited for any longer, and counts with this.
LONGEST_LETTER_S = 60.0
#: How long to go on after the last file was accepted; what is still open then is counted, not waited for.
PATIENCE_S = 120.0


def bench(files: int = FILES, patience_s: float = PATIENCE_S) -> dict[str, Any]:
    """Accepted files per second, p95 of the 202, what was lost, and an interactive letter's seconds to its facts."""
    with tempfile.TemporaryDirectory(prefix="dossier-bench-") as folder:
        bare = _bare_disk(Path(folder))
        with _dossier(Path(folder) / "home") as (url, key), closing(Client(url, key)) as client:
            person = _Person(url, key)
            cold_s = person.send_one()
            person.start()
            journal, answers_s, taken_s = _send(client, files)
            ended_s = _wait(client, journal[0], patience_s)
            during = person.stop()
            lost, open_ = _compare(client, *journal)
    accepted = files / taken_s
    figures = {
        "files": files,
        "accepted_files_per_s": round(accepted, 1),
        "bare_files_per_s": round(bare, 1),
        "ratio": round(accepted / bare, 3),
        "p50_of_202_s": round(median(answers_s), 3),
        "p95_of_202_s": round(quantiles(answers_s, n=20)[-1], 3),
        "files_per_request": REQUEST_FILES,
        "lost": lost,
        "still_open": open_,
        "followed_s": round(taken_s + ended_s, 1),
        "letter_cold_s": round(cold_s, 2),
        "letters": len(during),
        "letter_p50_s": round(median(during), 2),
        "letter_longest_s": round(max(during), 2),
    }
    output.table("upload", ["", ""], [(name.replace("_", " "), value) for name, value in figures.items()])
    return figures


def _content(number: int) -> bytes:
    return f"Sehr geehrte Damen und Herren, zum Schaden {number} senden wir die Rechnung der Werkstatt.\n".encode() * 8


def _bare_disk(folder: Path, files: int = 500) -> float:
    """Files per second, written and synced one after the other."""
    place = folder / "bare"
    place.mkdir()
    began = time.perf_counter()
    for number in range(files):
        with (place / str(number)).open("wb") as file:
            file.write(_content(number))
            file.flush()
            os.fsync(file.fileno())
    return files / (time.perf_counter() - began)


@contextmanager
def _dossier(home: Path) -> Iterator[tuple[str, str]]:
    """A running Dossier without samples; its address and an admin key."""
    environment = os.environ | {"DOSSIER_HOME": str(home), "DOSSIER_PORT": str(free_port())}
    command = [sys.executable, "-m", "services.cli.main"]
    subprocess.run([*command, "up", "--no-samples", "--json"], env=environment, check=True, stdout=subprocess.DEVNULL)
    try:
        known = json.loads((home / "client.json").read_text())
        yield known["url"], known["key"]
    finally:
        subprocess.run([*command, "down"], env=environment, check=True, stdout=subprocess.DEVNULL)


def _send(client: Client, files: int) -> tuple[tuple[str, dict[str, str]], list[float], float]:
    """The batch with name -> document of every file that was accepted, seconds per answer, seconds in all."""
    batch = str(client.post("/v1/batches", data={"name": "bench", "finalize": "false"})["batch"]["id"])
    documents: dict[str, str] = {}
    answers_s: list[float] = []
    began = time.perf_counter()
    for start in range(0, files, REQUEST_FILES):
        numbers = range(start, min(start + REQUEST_FILES, files))
        parts = [("files", (f"{number}.txt", _content(number))) for number in numbers]
        sent_at = time.perf_counter()
        once = {"Idempotency-Key": f"bench-{start}"}
        answer = client.post(f"/v1/batches/{batch}/files", files=parts, headers=once)
        answers_s.append(time.perf_counter() - sent_at)
        documents |= {file["name"]: file["document"] for file in answer["files"] if file["outcome"] == "created"}
    taken_s = time.perf_counter() - began
    client.post(f"/v1/batches/{batch}/finalize")
    return (batch, documents), answers_s, taken_s


def _wait(client: Client, batch: str, patience_s: float) -> float:
    """Seconds until the batch has ended, at most `patience_s`."""
    began = time.perf_counter()
    while time.perf_counter() - began < patience_s:
        if client.get(f"/v1/batches/{batch}")["percent_completed"] == 100:
            break
        time.sleep(1)
    return time.perf_counter() - began


def _compare(client: Client, batch: str, documents: dict[str, str]) -> tuple[int, int]:
    """How many accepted files the ledger does not have as promised or has failed, and how many are still open."""
    there = {found["name"]: found for found in client.pages("/v1/documents", batch=batch)}
    kept = {name for name, found in there.items() if documents.get(name) == found["id"]}
    failed = {name for name, found in there.items() if found["state"] in ("failed", "canceled", "skipped")}
    open_ = sum(found["state"] in ("pending", "running") for found in there.values())
    return len(documents) - len(kept - failed), open_


class _Person(threading.Thread):
    """Sends one letter every few seconds and waits for its facts."""

    def __init__(self, url: str, key: str) -> None:
        super().__init__(name="person")
        self._client = Client(url, key)
        self._done = threading.Event()
        self._sent = 0
        self._seconds: list[float] = []

    def run(self) -> None:
        """Go on until `stop`."""
        while True:
            self._seconds.append(self.send_one())
            if self._done.wait(LETTER_EVERY_S):
                return

    def send_one(self) -> float:
        """Seconds from sending a letter to its facts; the first one after a start also loads the models."""
        self._sent += 1
        letter = f"Letter {self._sent}: the policy HR-{self._sent:04} shall be renewed on 31 December.".encode()
        sent_at = time.perf_counter()
        answer = self._client.post("/v1/batches", files=[("files", (f"letter-{self._sent}.txt", letter))])
        document = answer["files"][0]["document"]
        while self._open(document) and time.perf_counter() - sent_at < LONGEST_LETTER_S:
            time.sleep(0.05)
        return time.perf_counter() - sent_at

    def _open(self, document: str) -> bool:
        return self._client.get(f"/v1/documents/{document}")["state"] in ("pending", "running")

    def stop(self) -> list[float]:
        """Seconds from sending a letter to its facts, one for each letter."""
        self._done.set()
        self.join()
        self._client.close()
        return self._seconds
