"""How good the classifier is on labelled data: learn from a training file, answer a test file, write predictions.

The same code as the service. Of a test record only `id`, `text` and `file` are looked at.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from services.classify.learning import Example, learn
from services.classify.model import Prediction
from services.classify.seeing import Embedder
from services.classify.taxonomy import Taxonomy, from_paths
from shared.documents import Reading
from shared.errors import Refused

ReadFile = Callable[[Path], Reading]


def measure(train: Path | None, test: Path, out: Path, encoder: Embedder, read_file: ReadFile) -> None:
    """Write a prediction to `out` for each record of `test`, having learned from `train`.

    Records are JSON lines with `text`, or `file` relative to their own file; training records may name their source
    in `group`. `taxonomy.json` beside the training
    file, or else beside the test file, names classes that have no label; without a training file it is all there is
    to go by. Raises Refused where neither names a class, or a record has no text.
    """
    records = list(_records(train)) if train is not None else []
    examples = [
        Example(_text(record, train, read_file), accepted_of(record), record.get("group"))
        for record in records
        if train is not None
    ]
    learned = learn(_taxonomy(train, test, examples), examples, encoder)
    asked = list(_records(test))
    answers = learned.model.predict([_text(record, test, read_file) for record in asked], encoder)
    with out.open("w", encoding="utf-8") as file:
        for record, answer in zip(asked, answers, strict=True):
            file.write(json.dumps({"id": record["id"], **as_record(answer)}, ensure_ascii=False) + "\n")


def accepted_of(record: dict[str, Any]) -> tuple[tuple[str, ...], ...]:
    """The right paths of a labelled record."""
    return tuple(tuple(path) for path in record.get("accepted", [record["path"]]))


def as_record(answer: Prediction) -> dict[str, Any]:
    """A prediction in the public record format; an answer out of scope keeps the nearest path, marked abstained."""
    return {"path": list(answer.path), "confidence": list(answer.confidence), "abstained": not answer.in_scope}


def _records(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.strip():
                yield json.loads(line)


def _text(record: dict[str, Any], beside: Path, read_file: ReadFile) -> str:
    if "text" in record:
        return str(record["text"])
    if "file" in record:
        return read_file(beside.parent / record["file"]).text
    raise Refused(f"Record {record.get('id')} of {beside} has neither `text` nor `file`.")


def _taxonomy(train: Path | None, test: Path, examples: Sequence[Example]) -> Taxonomy:
    paths: dict[tuple[str, ...], None] = {}
    for beside in (train, test):
        listed = beside.parent / "taxonomy.json" if beside is not None else None
        if listed is not None and listed.is_file():
            paths.update(dict.fromkeys(tuple(path) for path in json.loads(listed.read_text("utf-8"))["paths"]))
            break
    paths.update(dict.fromkeys(path for example in examples for path in example.accepted if path))
    return from_paths(paths)
