"""Every hostile and every rare file ends as a reading or a reason, soon, in bounds, and leaves nothing behind."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from services.ingest.survey import Outcome, Watch, surveyed

#: Anything else (a crash, a reader that went away, a deadline) is our failure, whatever the file is.
ANSWERS = {"read", "container", "corrupt", "needs_password", "too_large", "unsupported", "too_deep"}
LONGEST_S = 30
MOST_BYTES = 600_000_000
#: Marked as encrypted, but opens: only its attachment is.
OPEN_ALL_THE_SAME = {"auth-event-ef-open.pdf"}


@pytest.mark.parametrize("folder", ["hostile", "format-zoo"])
def test_every_file_gets_a_right_answer_within_its_bounds(public_data: Path, folder: str) -> None:
    watch = Watch()
    files = public_data / folder
    found = {one.name: one for one in surveyed(files)}
    manifest = [json.loads(line) for line in (files / "manifest.jsonl").read_text("utf-8").splitlines()]
    assert len(found) == len(manifest)
    assert {one.name: one.outcome for one in found.values() if one.outcome not in ANSWERS} == {}
    assert {name for one in found.values() for name in one.inner} <= ANSWERS
    assert {one.name: one.seconds for one in found.values() if one.seconds > LONGEST_S} == {}
    assert max(one.peak_bytes for one in found.values()) < MOST_BYTES
    assert all(one.said for one in found.values() if one.outcome not in ("read", "container"))
    for record in manifest:
        _check(found[record["file"]], set(record.get("categories", [])))
    assert watch.left().processes == 0


def _check(one: Outcome, categories: set[str]) -> None:
    if "password" in categories and one.name not in OPEN_ALL_THE_SAME:
        assert one.outcome == "needs_password", one
    if "zip-bomb-or-quine" in categories:
        assert one.outcome in ("unsupported", "too_large", "too_deep", "corrupt", "container"), one
    if "macro" in categories:
        assert one.outcome in ("read", "unsupported"), one
    if "no-pages" in categories:
        assert one.characters < 1_000, one


def test_a_process_that_stays_is_seen() -> None:
    watch = Watch()
    with subprocess.Popen(["sleep", "60"]) as stayed:
        assert watch.left().processes == 1
        stayed.kill()
