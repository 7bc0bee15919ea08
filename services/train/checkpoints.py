"""Checkpoints that are whole or not there: written aside, flushed, sealed with hashes, then renamed.

A folder `step-000040` holds tensors (`*.safetensors`), `state.json`, and `COMPLETE`, which is written last and lists
the SHA-256 of the others. A folder without it, or with other bytes than it lists, is passed over. No pickle.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from services.train.failpoints import reached

SEAL = "COMPLETE"
#: Older ones are deleted: the newest, and one to fall back on.
KEPT = 2


@dataclass(frozen=True)
class Checkpoint:
    """The state after `step` optimizer steps: named groups of tensors, and plain JSON."""

    step: int
    tensors: dict[str, dict[str, Tensor]]
    state: dict[str, Any]


def save(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint into `folder`; its place. A crash at any moment leaves the older ones usable."""
    place = folder / f"step-{checkpoint.step:06d}"
    aside = folder / f".{place.name}.{os.getpid()}"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    for name, group in checkpoint.tensors.items():
        save_file(
            {key: tensor.detach().cpu().contiguous() for key, tensor in group.items()}, aside / f"{name}.safetensors"
        )
    (aside / "state.json").write_text(json.dumps(checkpoint.state))
    reached("checkpointing")
    hashes = {path.name: _flushed_hash(path) for path in sorted(aside.iterdir())}
    (aside / SEAL).write_text(json.dumps({"step": checkpoint.step, "sha256": hashes}))
    _flushed_hash(aside / SEAL)
    shutil.rmtree(place, ignore_errors=True)
    aside.rename(place)
    _flush(folder)
    for old in complete(folder)[:-KEPT]:
        shutil.rmtree(old)
    return place


def newest(folder: Path) -> Checkpoint | None:
    """The newest whole checkpoint in `folder`, None where there is none."""
    for place in reversed(complete(folder)):
        seal = json.loads((place / SEAL).read_text())
        if all((place / name).is_file() and _hash(place / name) == digest for name, digest in seal["sha256"].items()):
            tensors = {path.stem: load_file(path) for path in place.glob("*.safetensors")}
            return Checkpoint(seal["step"], tensors, json.loads((place / "state.json").read_text()))
    return None


def complete(folder: Path) -> list[Path]:
    """The sealed checkpoints, oldest first; their hashes are not checked here."""
    return sorted(path for path in folder.glob("step-*") if (path / SEAL).is_file())


def _hash(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _flushed_hash(path: Path) -> str:
    _flush(path)
    return _hash(path)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
