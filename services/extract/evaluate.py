"""How good extraction is: learn from labelled records, answer others, for somebody else to score.

Runs the very code that the service runs. The gold of the test records is not looked at: what is reported beside the
predictions (candidate recall, F1) is out-of-fold on the training records.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from services.extract.extraction import Value, values_in
from services.extract.fitting import Labelled, fit
from services.extract.ranker import Ranker
from services.extract.schema import FieldSpec, parse_schema
from services.extract.searched import Searched
from shared.documents import Page, Reading, Word
from shared.errors import Refused

ReadFile = Callable[[Path], Reading]
_Result = TypeVar("_Result")


def measure(
    schema_json: Path,
    train_jsonl: Path | None,
    test_jsonl: Path,
    out_jsonl: Path,
    read_file: ReadFile,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> dict[str, Any]:
    """Learn from `train_jsonl` (None: anchors alone), answer `test_jsonl`, write `out_jsonl`; the figures.

    A record has `pages` (words or lines with boxes) or a `file` relative to its JSONL, which `read_file` reads. A
    record that cannot be read is answered with nothing and says why in `error`. `progress(done, of)` counts records.
    Raises Refused on a schema or a JSONL that does not fit.
    """
    schema = parse_schema(json.loads(schema_json.read_text(encoding="utf-8")))
    train = list(_records(train_jsonl)) if train_jsonl is not None else []
    test = list(_records(test_jsonl))
    seconds: Counter[str] = Counter()
    labelled, predictions, failed = [], [], 0
    for done, record in enumerate(train, 1):
        reading = _timed(seconds, "read_s", _reading_of, record, (train_jsonl or test_jsonl).parent, read_file)
        if isinstance(reading, Reading):
            labelled.append(Labelled(Searched.of(reading), typed_values(record.get("fields") or {})))
        progress(done, len(train) + len(test))
    ranker = _timed(seconds, "fit_s", fit, schema.fields, labelled) if labelled else None
    del labelled
    for done, record in enumerate(test, len(train) + 1):
        reading = _timed(seconds, "read_s", _reading_of, record, test_jsonl.parent, read_file)
        line: dict[str, Any] = {"id": record.get("id"), "fields": {field.name: None for field in schema.fields}}
        if isinstance(reading, Reading):
            values = _timed(seconds, "extract_s", values_in, reading, str(record.get("id")), schema.fields, ranker)
            line["fields"] = {field.name: _predicted(field, values) for field in schema.fields}
        else:
            failed += 1
            line["error"] = reading
        predictions.append(json.dumps(line, ensure_ascii=False))
        progress(done, len(train) + len(test))
    out_jsonl.write_text("".join(line + "\n" for line in predictions), encoding="utf-8")
    return {
        "records": len(test),
        "unreadable": failed,
        "trained_on": len(train),
        **{name: round(spent, 2) for name, spent in seconds.items()},
        "documents_per_s": round((len(test) - failed) / max(1e-9, seconds["extract_s"]), 2),
        "fields": _reported(ranker),
    }


def typed_values(fields: dict[str, Any]) -> dict[str, list[str]]:
    """The gold of a record as lists: [] for null, blank values left out."""
    lists = {name: given if isinstance(given, list) else [given] for name, given in fields.items()}
    return {
        name: [str(value) for value in given if value is not None and str(value).strip()]
        for name, given in lists.items()
    }


def reading_from_pages(pages: Sequence[dict[str, Any]]) -> Reading:
    """A reading of words given with boxes, in their order.

    An entry may be a whole line: it is cut at its blanks, each word with its share of the width. Entries on one
    height go on one line of text.
    """
    text: list[str] = []
    built: list[Page] = []
    length = 0
    for number, page in enumerate(pages, 1):
        start, words = length, []
        last: tuple[float, ...] | None = None
        for word, box, opens in _words_of(page["words"]):
            if last is not None:
                text.append(" " if not opens or _same_line(last, box) else "\n")
                length += 1
            words.append(Word(word, box, length, length + len(word)))
            text.append(word)
            length += len(word)
            last = box
        built.append(Page(number, float(page["width"]), float(page["height"]), start, length, words))
        text.append("\n")
        length += 1
    return Reading("".join(text), built, "application/x-words")


def _words_of(entries: Sequence[Sequence[Any]]) -> Iterator[tuple[str, tuple[float, float, float, float], bool]]:
    """Each word with its box, and whether it opens an entry."""
    for printed, x0, y0, x1, y1 in entries:
        width = (x1 - x0) / max(1, len(printed))
        for place, found in enumerate(re.finditer(r"\S+", str(printed))):
            box = (x0 + found.start() * width, float(y0), x0 + found.end() * width, float(y1))
            yield found.group(), box, place == 0


def _same_line(last: tuple[float, ...], box: tuple[float, ...]) -> bool:
    overlap = min(last[3], box[3]) - max(last[1], box[1])
    return overlap > 0.5 * min(last[3] - last[1], box[3] - box[1]) and box[0] >= last[0]


def _records(jsonl: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(jsonl.read_text(encoding="utf-8").splitlines(), 1):
        if line.strip():
            try:
                yield json.loads(line)
            except ValueError as wrong:
                raise Refused(f"{jsonl.name}, line {number} is not JSON: {wrong}.") from wrong


def _reading_of(record: dict[str, Any], folder: Path, read_file: ReadFile) -> Reading | str:
    """The record's reading, or the sentence that says why there is none."""
    if "pages" in record:
        return reading_from_pages(record["pages"])
    if "file" not in record:
        return "The record has neither pages nor a file."
    try:
        return read_file(folder / record["file"])
    except Refused as refused:
        return refused.public


def _timed(seconds: Counter[str], name: str, work: Callable[..., _Result], *given: Any) -> _Result:
    began = time.perf_counter()
    result = work(*given)
    seconds[name] += time.perf_counter() - began  # type: ignore[assignment]  # a Counter adds floats as well
    return result


def _predicted(field: FieldSpec, values: Sequence[Value]) -> Any:
    mine = [
        {
            "value": value.value,
            "confidence": value.confidence,
            "page": value.evidence.page if value.evidence else None,
            "boxes": value.evidence.boxes if value.evidence else [],
            "text": value.text,
        }
        for value in values
        if value.name == field.name
    ]
    if field.takes_many:
        return mine or None
    return mine[0] if mine else None


def _reported(ranker: Ranker | None) -> dict[str, dict[str, Any]]:
    models = ranker.models.values() if ranker is not None else ()
    return {
        model.field.name: {
            "documents": model.measured.documents,
            "candidate_recall": round(model.measured.ceiling, 4),
            "f1_out_of_fold": round(model.measured.f1, 4),
        }
        for model in models
    }
