"""Two classifiers on the same held-out documents: what the gate decides by, and a version's figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.classify.model import Prediction
from services.classify.tree import Path


def compared(
    documents: Sequence[str],
    truths: Sequence[Path],
    candidate: Sequence[Prediction],
    promoted: Sequence[Prediction] | None,
) -> list[dict[str, str]]:
    """One pair for each held-out document, in a form in which equal means right.

    A truth above the leaves is held against as many levels of the answers as it has. `promoted` None stands for a
    version that cannot be asked: its answers are empty.
    """
    others = [None] * len(documents) if promoted is None else promoted
    return [
        {
            "document": document,
            "about": named(truth),
            "truth": named(truth),
            "candidate": named(_answer(ours, truth)),
            "promoted": "" if theirs is None else named(_answer(theirs, truth)),
        }
        for document, truth, ours, theirs in zip(documents, truths, candidate, others, strict=True)
    ]


def scored(pairs: Sequence[dict[str, str]]) -> dict[str, Any]:
    """The figures of a version on held-out documents; the share is None where nothing was held out.

    `confusion` counts (truth, answer) where they differ.
    """
    right = sum(pair["candidate"] == pair["truth"] for pair in pairs)
    confusion: dict[str, dict[str, int]] = {}
    for pair in pairs:
        if pair["candidate"] != pair["truth"]:
            row = confusion.setdefault(pair["truth"], {})
            row[pair["candidate"]] = row.get(pair["candidate"], 0) + 1
    return {
        "held_out": len(pairs),
        "held_out_accuracy": round(right / len(pairs), 4) if pairs else None,
        "confusion": confusion,
    }


def named(path: Path) -> str:
    """A path in words, for people and for comparing."""
    return " / ".join(path) or "out of scope"


def _answer(prediction: Prediction, truth: Path) -> Path:
    if not prediction.in_scope:
        return ()
    return prediction.path[: len(truth)] if truth else prediction.path
