"""`dossier upload`: files and folders into one batch, in requests of bounded size, with progress."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.cli import output
from services.cli.client import Client
from shared.errors import Refused

#: A request stays well below what proxies cut off, and below the API's limit of 1,000 files.
REQUEST_FILES = 100
REQUEST_BYTES = 64 << 20
FINAL = ("succeeded", "partially_succeeded", "failed", "canceled")


@dataclass
class Upload:
    """What became of an upload: the batch, and the answer for each file."""

    batch: dict[str, Any]
    files: list[dict[str, Any]] = field(default_factory=list)


def files_in(paths: Sequence[Path]) -> list[Path]:
    """Every file named or below a named folder, hidden ones left out; raises Refused where a path does not exist."""
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise Refused(f"There is no file or folder {path}.", action="Check the path.")
        if path.is_dir():
            inside = sorted(one for one in path.rglob("*") if one.is_file())
            found += [one for one in inside if not any(part.startswith(".") for part in one.relative_to(path).parts)]
        else:
            found.append(path)
    if not found:
        raise Refused(f"No files in {', '.join(str(path) for path in paths)}.", action="Name files to upload.")
    return found


def upload_paths(client: Client, paths: Sequence[Path], name: str | None = None) -> Upload:
    """Upload all files as one batch; every request can be repeated safely by its Idempotency-Key."""
    files = files_in(paths)
    label = name or (paths[0].name if len(paths) == 1 else f"{len(files)} files")
    opened = client.post("/v1/batches", data={"name": label, "finalize": "false"}, headers=_once())
    upload = Upload(opened["batch"])
    with output.progress() as progress:
        task = progress.add_task("uploading", total=len(files))
        for group in _groups(files):
            with ExitStack() as stack:
                parts = [("files", (path.name, stack.enter_context(path.open("rb")))) for path in group]
                answer = client.post(f"/v1/batches/{upload.batch['id']}/files", files=parts, headers=_once())
            upload.files += answer["files"]
            progress.advance(task, len(group))
    upload.batch = client.post(f"/v1/batches/{upload.batch['id']}/finalize", headers=_once())
    upload.batch = upload.batch.get("batch", upload.batch)
    return upload


def wait_for(client: Client, batch: str) -> dict[str, Any]:
    """Show progress until every document of the batch is in a final state; the batch as it then is."""
    with output.progress() as progress:
        task = progress.add_task("reading, classifying, extracting", total=None)
        while True:
            state: dict[str, Any] = client.get(f"/v1/batches/{batch}")
            open_ = sum(state["counts"].get(name, 0) for name in ("pending", "running"))
            progress.update(task, total=state["total"], completed=state["total"] - open_)
            if state["state"] in FINAL and not open_:
                return state
            time.sleep(0.5)


def _groups(files: Sequence[Path]) -> Iterator[list[Path]]:
    group: list[Path] = []
    size_bytes = 0
    for path in files:
        bytes_ = path.stat().st_size
        if group and (len(group) >= REQUEST_FILES or size_bytes + bytes_ > REQUEST_BYTES):
            yield group
            group, size_bytes = [], 0
        group.append(path)
        size_bytes += bytes_
    if group:
        yield group


def _once() -> dict[str, str]:
    return {"Idempotency-Key": secrets.token_hex(16)}
