"""Facts as files for other programs: CSV, JSON Lines, Excel, Parquet.

One row or line per document (in Parquet per value). Cells that a spreadsheet would run as a formula are made text.
Nothing is computed or rounded; amounts stay decimals, dates stay ISO 8601 (in Excel both are typed cells).
"""

from __future__ import annotations

import csv
import datetime
import io
import json
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any
from urllib.parse import quote

import pyarrow
from openpyxl import Workbook
from pyarrow import parquet

_HEAD = ("document", "name", "path", "decision")
#: What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection).
_FORMULA = re.compile(r"^[\s]*[=+\-@\t\r]")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
#: Excel keeps 15 digits of a number: what is longer would be changed.
_EXCEL_DIGITS = 15
_EVIDENCE_HEAD = (
    *("document", "name", "field", "position", "value", "printed", "page", "confidence", "engine", "model", "link"),
)
_PARQUET = pyarrow.schema(
    [
        ("document", pyarrow.string()),
        ("name", pyarrow.string()),
        ("category", pyarrow.list_(pyarrow.string())),
        ("decision", pyarrow.string()),
        ("field", pyarrow.string()),
        ("position", pyarrow.int32()),
        ("value", pyarrow.string()),
        ("printed", pyarrow.string()),
        ("confidence", pyarrow.float64()),
        ("engine", pyarrow.string()),
        ("model", pyarrow.string()),
        ("page", pyarrow.int32()),
        ("start", pyarrow.int64()),
        ("end", pyarrow.int64()),
        ("boxes", pyarrow.list_(pyarrow.list_(pyarrow.float64()))),
    ]
)
_ROWS_AT_ONCE = 10_000
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
    """One document. `schema` is None where no schema stands on its path, `decision` where nobody decided yet.

    `rows` are its line items, as `{"page": n, "cells": {column: {"value": …}}}`; `flags` the rules it breaks.
    """

    document: str
    name: str
    schema: str | None
    path: tuple[str, ...]
    decision: str | None
    values: Sequence[ExportedValue]
    rows: Sequence[Mapping[str, Any]] = ()
    flags: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Columns:
    """What a schema's documents have: field name to type, and line item column to type."""

    fields: Mapping[str, str]
    line_items: Mapping[str, str]


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
            "line_items": list(document.rows),
            "flags": list(document.flags),
        }
        yield json.dumps(line, ensure_ascii=False) + "\n"


def as_xlsx(documents: Iterable[ExportedDocument], columns: Mapping[str, Columns], desk_url: str) -> bytes:
    """An Excel workbook: a sheet per category, one for the line items of each, and one with the evidence.

    `columns` is by schema name, which is the category. Documents without a schema are on a sheet of their own.
    Numbers and dates are typed cells, except where Excel would change them. Each evidence row links to its document
    at `desk_url`, the desk's address without a slash at the end.
    """
    book = _Book(Workbook(write_only=True))
    for document in documents:
        schema = document.schema or "without schema"
        wanted = columns.get(schema, Columns({}, {}))
        by_name = _by_name(document)
        head = [_text_cell(cell) for cell in _head(document)]
        cells = [_cell([value.value for value in by_name.get(name, ())], kind) for name, kind in wanted.fields.items()]
        flagged = _text_cell(" ".join(str(flag["message"]) for flag in document.flags))
        book.sheet(schema, [*_HEAD, *wanted.fields, "flags"]).append([*head, *cells, flagged])
        for number, row in enumerate(document.rows, 1):
            sheet = book.sheet(f"{schema} rows", ["document", "name", "row", "page", *wanted.line_items])
            sheet.append([*head[:2], number, row["page"], *_row_cells(row, wanted.line_items)])
        for value in document.values:
            book.sheet("evidence", _EVIDENCE_HEAD).append(_evidence_cells(document, value, desk_url))
    return book.saved()


def as_parquet(documents: Iterable[ExportedDocument]) -> bytes:
    """A Parquet file with a row per value, in the order of documents; written in groups, never all in memory."""
    rows = (_parquet_row(document, value) for document in documents for value in document.values)
    with tempfile.TemporaryFile() as target:
        with parquet.ParquetWriter(target, _PARQUET, compression="zstd") as writer:
            while group := list(islice(rows, _ROWS_AT_ONCE)):
                writer.write_table(pyarrow.Table.from_pylist(group, schema=_PARQUET))
        target.seek(0)
        return target.read()


def inert(cell: str) -> str:
    """The cell as text that no spreadsheet runs: a leading apostrophe before =, +, - or @; numbers stay."""
    return "'" + cell if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell) else cell


class _Book:
    """A workbook whose sheets are made when first written to."""

    def __init__(self, book: Workbook) -> None:
        self._book = book
        self._sheets: dict[str, Any] = {}

    def sheet(self, title: str, head: Sequence[str]) -> Any:
        """The sheet of this title, with its head line."""
        if title not in self._sheets:
            self._sheets[title] = self._book.create_sheet(_sheet_name(title, len(self._sheets)))
            self._sheets[title].append([_text_cell(cell) for cell in head])
        return self._sheets[title]

    def saved(self) -> bytes:
        """The bytes of the file; Excel opens no workbook without a sheet."""
        if not self._sheets:
            self._book.create_sheet("empty").append(list(_HEAD))
        target = io.BytesIO()
        self._book.save(target)
        return target.getvalue()


def _row_cells(row: Mapping[str, Any], types: Mapping[str, str]) -> list[Any]:
    return [_cell([row["cells"][name]["value"]] if name in row["cells"] else [], kind) for name, kind in types.items()]


def _evidence_cells(document: ExportedDocument, value: ExportedValue, desk_url: str) -> list[Any]:
    texts = [_text_cell(text or "") for text in (document.document, document.name, value.name)]
    shown = [_text_cell(value.value), _text_cell(value.text or "")]
    evidence = value.evidence or {}
    place = "&".join(f"{name}={int(evidence[name])}" for name in ("page", "start", "end") if name in evidence)
    # The only formula of the workbook: the address is ours, and ids have no quotation marks.
    link = f'=HYPERLINK("{desk_url}/documents/{quote(document.document)}?{place}","open")'
    return [
        *texts,
        value.position,
        *shown,
        evidence.get("page"),
        value.confidence,
        value.engine,
        _text_cell(value.model),
        link,
    ]


def _parquet_row(document: ExportedDocument, value: ExportedValue) -> dict[str, Any]:
    evidence = value.evidence or {}
    return {
        "document": document.document,
        "name": document.name,
        "category": list(document.path),
        "decision": document.decision,
        "field": value.name,
        "position": value.position,
        "value": value.value,
        "printed": value.text,
        "confidence": value.confidence,
        "engine": value.engine,
        "model": value.model,
        **{name: evidence.get(name) for name in ("page", "start", "end", "boxes")},
    }


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
