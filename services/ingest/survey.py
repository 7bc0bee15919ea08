"""What becomes of every file of a folder, one by one, in the sandbox: read or refused, why, how long, how much memory.

    python -m services.ingest.survey FOLDER [FOLDER ...]

For folders of hostile or rare files: the table says of each what a user would be told, the last line (JSON) whether
anything was left behind. Files inside files are read as well, as deep as the service does.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil

from services.ingest.sandbox import Sandbox
from services.ingest.sandboxed import Report
from shared.errors import Refused, Unavailable

#: Files that describe a folder and are not documents.
_NOT_DOCUMENTS = ("README.md", "manifest.jsonl")
#: How deep files inside files are followed here; the service refuses deeper ones by itself.
_DEEPEST = 12
#: And how many of them in all, of one file.
_MOST_INNER = 200


class Outcome(msgspec.Struct, frozen=True):
    """What became of one file.

    Attributes:
        outcome: "read", "container" (only its inner files count), or the code of the refusal.
        said: the refusal in words; for a file that was read, its notes.
        pages, characters: of the reading, 0 where there is none.
        inner: outcomes of the files inside, by number.
        seconds: wall clock, inner files included.
        peak_bytes: the most memory of any process that worked on it.
    """

    name: str
    outcome: str
    said: str
    pages: int
    characters: int
    inner: dict[str, int]
    seconds: float
    peak_bytes: int


def surveyed(folder: Path) -> Iterator[Outcome]:
    """The outcome of each file below `folder`, in order of name."""
    sandbox = Sandbox()
    try:
        for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in _NOT_DOCUMENTS):
            yield outcome_of(sandbox, str(path.relative_to(folder)), path.read_bytes())
    finally:
        sandbox.close()


def outcome_of(sandbox: Sandbox, name: str, content: bytes) -> Outcome:
    """Read one file and what is inside it. Raises what is no answer to a user: nothing should."""
    began, sandbox.peak_bytes = time.monotonic(), 0
    inner: Counter[str] = Counter()
    report, outcome, said = _read(sandbox, name, content, 0)
    waiting = [(child.name, child.content, 1) for child in report.children] if report else []
    while waiting and inner.total() < _MOST_INNER:
        child, body, depth = waiting.pop()
        found, ended, _ = _read(sandbox, child, body, depth)
        inner[ended] += 1
        if found is not None and depth < _DEEPEST:
            waiting += [(one.name, one.content, depth + 1) for one in found.children]
    pages, characters = (report.page_count, report.characters) if report else (0, 0)
    seconds = round(time.monotonic() - began, 2)
    return Outcome(name, outcome, said, pages, characters, dict(inner), seconds, sandbox.peak_bytes)


def _read(sandbox: Sandbox, name: str, content: bytes, depth: int) -> tuple[Report | None, str, str]:
    try:
        report = sandbox.read(content, name, depth=depth)
    except (Refused, Unavailable) as refused:
        return None, refused.code, refused.public
    return report, "container" if report.container else "read", " ".join(report.notes)


class Left(msgspec.Struct, frozen=True):
    """What a survey left behind on the machine: it should be nothing."""

    processes: int
    files: list[str]


class Watch:
    """Remembers which processes and temporary files there were, and finds those that came and stayed."""

    def __init__(self) -> None:
        self._files, self._processes = _temporary(), _children()

    def left(self) -> Left:
        """Child processes of this one that still run, and new names in the folder for temporary files."""
        return Left(len(_children() - self._processes), sorted(_temporary() - self._files))


def _children() -> set[int]:
    return {process.pid for process in psutil.Process().children(recursive=True)}


def _temporary() -> set[str]:
    return {path.name for path in Path(tempfile.gettempdir()).iterdir()}


def main(folders: list[Path]) -> None:
    """Print the table of each folder and what was left behind."""
    for folder in folders:
        watch, found = Watch(), []
        sys.stdout.write(f"\n| {folder.name}: file | outcome | pages | characters | inside | s | MB | said |\n")
        sys.stdout.write("|---|---|---:|---:|---|---:|---:|---|\n")
        for one in surveyed(folder):
            found.append(one)
            sys.stdout.write(_row(one))
            sys.stdout.flush()
        sys.stdout.write(json.dumps(_summary(found, watch.left())) + "\n")


def _row(one: Outcome) -> str:
    inside = ", ".join(f"{count} {name}" for name, count in sorted(one.inner.items()))
    said = one.said.replace("|", "/").replace("\n", " ")[:160]
    cells = [one.name, one.outcome, one.pages, one.characters, inside, one.seconds, one.peak_bytes // 1_000_000, said]
    return f"| {' | '.join(map(str, cells))} |\n"


def _summary(found: list[Outcome], left: Left) -> dict[str, object]:
    return {
        "files": len(found),
        "outcomes": Counter(one.outcome for one in found),
        "with_text": sum(one.characters > 0 for one in found),
        "slowest_s": max((one.seconds for one in found), default=0),
        "peak_mb": max((one.peak_bytes for one in found), default=0) // 1_000_000,
        "processes_left": left.processes,
        "files_left": left.files,
    }


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
