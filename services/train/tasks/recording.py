"""The instruction records of a run, from what was frozen: its labels with the documents' texts, and data sets beside.

A data set is JSONL that somebody brought (`formats.py`); it is learned from and never measured on.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from services.train.records import records_from
from services.train.snapshots import lines_of
from shared import facts
from shared.errors import NotFound, Refused
from shared.store import Store

KIND = "datasets"


def records_of(connection: Connection, store: Store, snapshot_key: str, *, held_out: bool) -> list[dict[str, Any]]:
    """The records of the documents that are learned from, or of those held out; deleted ones teach nothing."""
    lines = list(lines_of(store.get(snapshot_key)))
    texts = {}
    for document in {line["document"] for line in lines}:
        try:
            texts[document] = facts.reading(connection, store, document).text
        except NotFound:
            continue
    return records_from(lines, texts, held_out=held_out)


def brought(store: Store, workspace: str, digests: Sequence[str]) -> list[dict[str, Any]]:
    """The records of the data sets with these SHA-256s. Raises Refused where this workspace has none such."""
    found: list[dict[str, Any]] = []
    for digest in digests:
        try:
            content = store.get(f"{workspace}/{KIND}/{digest[:2]}/{digest}")
        except KeyError:
            raise Refused(f"There is no data set {digest[:12]}….", action="POST it to /v1/datasets first.") from None
        found += [json.loads(line) for line in content.decode().split("\n") if line]
    return found
