"""From a snapshot of labels to instruction records: one for the class and one for the fields of each document.

The wording of the instruction is part of what is learned: whoever asks the tuned model says it the same way.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

#: How much of a document is shown, in characters, from its beginning.
SHOWN = 2000
CLASSIFY = "Say what this document is. Answer with its path, levels separated by ' / '."
EXTRACT = "Extract these fields as JSON, null where the document does not have one: "


def records_from(
    lines: Iterable[dict[str, Any]], texts: Mapping[str, str], *, held_out: bool, shown: int = SHOWN
) -> list[dict[str, Any]]:
    """The records of the held-out documents, or of the others, in the order of the documents.

    `lines` are a snapshot's; `texts` has the text of each document by its id: a document without one (deleted
    meanwhile) makes no record.
    """
    by_document: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        if line["held_out"] == held_out and line["document"] in texts:
            by_document[line["document"]].append(line)
    records = []
    for document in sorted(by_document):
        text = texts[document][:shown]
        fields = {line["name"]: line["value"] for line in by_document[document] if line["task"] == "field"}
        for line in by_document[document]:
            if line["task"] == "class":
                path = " / ".join(line["path"] or ["out of scope"])
                records.append(_record(document, CLASSIFY, text, path))
        if fields:
            names = ", ".join(sorted(fields))
            written = json.dumps(fields, ensure_ascii=False, sort_keys=True)
            records.append(_record(document, EXTRACT + names, text, written))
    return records


def _record(document: str, instruction: str, text: str, answer: str) -> dict[str, Any]:
    return {
        "document": document,
        "messages": [
            {"role": "user", "content": f"{instruction}\n\n{text}"},
            {"role": "assistant", "content": answer},
        ],
    }
