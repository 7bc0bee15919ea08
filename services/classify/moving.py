"""Classes that were renamed: what a path of then is called today.

A label keeps the words that a person chose, and a model those that it learned; both are read through the moves made
since. This module knows neither labels nor models.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from services.classify.tree import Path


@dataclass(frozen=True)
class Move:
    """From taxonomy `version` on, the class at `source` and all below it are at `target`.

    `id` sorts by time, as the ids of labels do.
    """

    id: str
    version: int
    source: Path
    target: Path


def moved(path: Path, moves: Iterable[Move]) -> Path:
    """Where `path` is after `moves`, the oldest first."""
    for move in moves:
        if move.source and path[: len(move.source)] == move.source:
            path = (*move.target, *path[len(move.source) :])
    return path


def since(label: str, moves: Iterable[Move]) -> list[Move]:
    """The moves made after the label with that id was; all of them where the id is empty."""
    said = label.partition("_")[2]
    return [move for move in moves if move.id.partition("_")[2] > said]
