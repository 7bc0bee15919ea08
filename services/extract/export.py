"""Facts as files for other programs: CSV, JSON Lines, Excel.

One row or line per document. Cells that a spreadsheet would run as a formula are made text. Nothing is computed or
rounded; amounts stay decimals, dates stay ISO 8601 (in Excel both are typed cells).
"""

from __future__ import annotations

import csv
import datetime
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from openpyxl import Workbook

_HEAD = ("document", "name", "path", "decision")
#: What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection).
_FORMULA = re.compile(r"^[\s]*[=+\-@\t\r]")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
#: Excel keeps 15 digits of a number: what is longer would be changed.
_EXCEL_DIGITS = 15
_NOT_IN_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_MOST_CHARACTERS = 32_767


@dataclass(frozen=True)
class ExportedValue:
    """One value; `engine` is "human" where a person said it, and then `model` is that person."""

    name: str
    position: int
    value: str
    text: str | None
    confidence: float | None
    evidence: dict[str, Any] | None
    engine: str
    model: str


@dataclass(frozen=True)
class ExportedDocument:
    """One document. `schema` is None where no schema stands on its path, `decision` where nobody decided yet."""

    document: str
    name: str
    schema: str | None
    path: tuple[str, ...]
    decision: str | None
    values: Sequence[ExportedValue]


def as_csv(documents: Iterable[ExportedDocument], columns: Sequence[str]) -> Iterator[str]:
    """CSV with a head line and one line per document; several values of one field are joined by "; ".

    Begins with a byte order mark, by which Excel knows UTF-8.
    """
    yield "\ufeff" + _csv_line([*_HEAD, *columns])
    for document in documents:
        by_name = _by_name(document)
        cells = ["; ".join(value.value for value in by_name.get(column, ())) for column in columns]
        yield _csv_line([inert(cell) for cell in (*_head(document), *cells)])


def as_jsonl(documents: Iterable[ExportedDocument]) -> Iterator[str]:
    """One JSON object per line, with evidence, confidence and engine of every value."""
    for document in documents:
        values = [asdict(value) for value in document.values]
        line = {
            "document": document.document,
            "name": document.name,
            "schema": document.schema,
            "path": list(document.path),
            "decision": document.decision,
            "values": values,
        }
        yield json.dumps(line, ensure_ascii=False) + "\n"


def as_xlsx(documents: Iterable[ExportedDocument], types: Mapping[str, Mapping[str, str]]) -> bytes:
    """An Excel workbook with one sheet per schema; `types` gives field name to type by schema name.

    Documents without a schema are on a sheet of their own. Numbers and dates are typed cells, except where Excel
    would change them.
    """
    book = Workbook(write_only=True)
    sheets: dict[str, Any] = {}
    for document in documents:
        schema = document.schema or "without schema"
        columns = types.get(schema, {})
        if schema not in sheets:
            sheets[schema] = book.create_sheet(_sheet_name(schema, len(sheets)))
            sheets[schema].append([*_HEAD, *columns])
        by_name = _by_name(document)
        cells = [_cell([value.value for value in by_name.get(name, ())], type_) for name, type_ in columns.items()]
        sheets[schema].append([*(_text_cell(cell) for cell in _head(document)), *cells])
    if not sheets:
        book.create_sheet("empty").append(list(_HEAD))
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def inert(cell: str) -> str:
    """The cell as text that no spreadsheet runs: a leading apostrophe before =, +, - or @; numbers stay."""
    return "'" + cell if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell) else cell


def _head(document: ExportedDocument) -> tuple[str, str, str, str]:
    return document.document, document.name, " / ".join(document.path), document.decision or ""


def _by_name(document: ExportedDocument) -> dict[str, list[ExportedValue]]:
    by_name: dict[str, list[ExportedValue]] = {}
    for value in document.values:
        by_name.setdefault(value.name, []).append(value)
    return by_name


def _csv_line(cells: Sequence[str]) -> str:
    target = io.StringIO()
    csv.writer(target).writerow(cells)
    return target.getvalue()


def _cell(values: Sequence[str], type_: str) -> str | float | datetime.date | None:
    if not values:
        return None
    if len(values) == 1 and type_ in ("amount", "number") and _NUMBER.fullmatch(values[0]):
        digits = sum(map(str.isdigit, values[0]))
        return float(values[0]) if digits <= _EXCEL_DIGITS else _text_cell(values[0])
    if len(values) == 1 and type_ == "date":
        try:
            return datetime.date.fromisoformat(values[0])
        except ValueError:
            return _text_cell(values[0])
    return _text_cell("; ".join(values))


def _text_cell(cell: str) -> str:
    return _NOT_IN_XML.sub("", inert(cell))[:_MOST_CHARACTERS]


def _sheet_name(schema: str, number: int) -> str:
    """Excel takes 31 characters and few marks; a number in front keeps the sheets apart."""
    plain = re.sub(r"[^\w .-]", " ", schema)
    return f"{number + 1} {plain}"[:31]
