"""Snapshots: the labels a run learns from, frozen as JSON Lines, the same labels always the same bytes.

One line is one label:

    {"author": "anna", "document": "doc_…", "evidence": null, "held_out": false, "label": "lab_…", "name": null,
     "path": ["claims", "motor", "glass"], "task": "class", "value": null}

Documents with blind audit labels are held out: whoever fits a model learns from the lines with `held_out` false and
measures on the others. Where a workspace has no audit labels yet, a fifth of its documents is held out in their
place, chosen by a hash of the document's id alone: what one version was measured on, another never learned from.

This module neither reads the labels from the database nor keeps the bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from shared.errors import Refused
from shared.facts import Label

#: One document in this many is held out, until there are audit labels.
HELD_OUT_ONE_IN = 5

#: Which labels each role learns from.
TASKS: dict[str, tuple[str, ...]] = {
    "classifier": ("class",),
    "extractor": ("field",),
    "generator": ("class", "field"),
}


@dataclass(frozen=True)
class Snapshot:
    """`content` is UTF-8 JSONL, `digest` its SHA-256 in hex; `lineage` pairs each label id with its document.

    `counts`: labels, documents, held_out (documents), and by_class (labels by "a / b / c" or by field name).
    """

    content: bytes
    digest: str
    counts: dict[str, Any]
    lineage: list[tuple[str, str]]


def held_out_among(labels: Sequence[Label]) -> set[str]:
    """The documents that nothing may learn from: the audited ones, or one in HELD_OUT_ONE_IN where none was audited."""
    audited = {label.document for label in labels if label.audit}
    return audited or {label.document for label in labels if _drawn(label.document)}


def snapshot_from(labels: Sequence[Label], role: str) -> Snapshot:
    """Freeze those of `labels` that `role` learns from, in an order of their own.

    Of a held-out document with audit labels only these are kept. Raises Refused where nothing is left to learn from
    once the held-out documents are set aside.
    """
    held_out = held_out_among(labels)
    audited = any(label.audit for label in labels)
    chosen = sorted(
        (
            label
            for label in labels
            if label.task in TASKS[role] and (label.audit or not audited or label.document not in held_out)
        ),
        key=lambda label: (label.document, label.id),
    )
    documents = {label.document for label in chosen}
    held_out &= documents
    if not documents - held_out:
        raise Refused(
            f"There is nothing to learn from: {len(chosen)} labels for the {role}, on {len(documents)} documents"
            f" of which {len(held_out)} are kept for measuring.",
            action="Correct documents in the review queue, or import labels with `dossier label import`.",
            code="no_labels",
        )
    content = b"".join(_line(label, label.document in held_out) for label in chosen)
    counts = {
        "labels": len(chosen),
        "documents": len(documents),
        "held_out": len(held_out),
        "by_class": dict(sorted(Counter(_class_of(label) for label in chosen).items())),
    }
    lineage = [(label.id, label.document) for label in chosen]
    return Snapshot(content, hashlib.sha256(content).hexdigest(), counts, lineage)


def lines_of(content: bytes) -> Iterator[dict[str, Any]]:
    """The labels of a snapshot, one dict per line, as written by `snapshot_from`."""
    for line in content.splitlines():
        yield json.loads(line)


def _drawn(document: str) -> bool:
    return int.from_bytes(hashlib.sha256(document.encode()).digest()[:8]) % HELD_OUT_ONE_IN == 0


def _class_of(label: Label) -> str:
    return " / ".join(label.path or ("out of scope",)) if label.task == "class" else str(label.name)


def _line(label: Label, held_out: bool) -> bytes:
    record = {
        "author": label.author,
        "document": label.document,
        "evidence": label.evidence,
        "held_out": held_out,
        "label": label.id,
        "name": label.name,
        "path": None if label.path is None else list(label.path),
        "task": label.task,
        "value": label.value,
    }
    return json.dumps(record, ensure_ascii=False, sort_keys=True).encode() + b"\n"
