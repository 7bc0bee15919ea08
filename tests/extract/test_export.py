"""Export: what spreadsheets would run is made text, and typed cells are typed."""

from __future__ import annotations

import csv
import datetime
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook
from pyarrow import parquet

from services.extract.export import (
    Columns,
    ExportedDocument,
    ExportedValue,
    as_csv,
    as_jsonl,
    as_parquet,
    as_xlsx,
    inert,
)


def value(name, text, position=0):
    evidence = {"page": 3, "start": 5, "end": 9, "boxes": [[1.0, 2.0, 3.0, 4.0]]}
    return ExportedValue(name, position, text, text, 0.9, evidence, "candidates", "mv_1")


def document(*values, schema="Claims", name="a.pdf"):
    return ExportedDocument("doc_1", name, schema, ("Claims", "Motor"), "accepted", values)


@pytest.mark.parametrize("cell", ["=1+1", "+1+1", "-cmd", "@SUM(A1)", "\t=1", " =1", "\r=1"])
def test_what_a_spreadsheet_would_run_is_made_text(cell):
    assert inert(cell) == "'" + cell


@pytest.mark.parametrize("cell", ["-12.50", "12", "a=1", "", "Müller"])
def test_numbers_and_words_stay(cell):
    assert inert(cell) == cell


@given(st.text(max_size=30))
def test_no_cell_begins_a_formula(cell):
    shown = inert(cell)
    assert not shown.lstrip().startswith(("=", "+", "@"))
    assert not shown.startswith("-") or float(shown) < 0


def test_csv_has_a_line_per_document_and_a_column_per_field():
    lines = "".join(as_csv([document(value("a", "=x"), value("b", "1"), value("b", "2", 1))], ["a", "b", "c"]))
    rows = list(csv.reader(io.StringIO(lines.removeprefix("\ufeff"))))
    assert rows == [
        ["document", "name", "path", "decision", "a", "b", "c"],
        ["doc_1", "a.pdf", "Claims / Motor", "accepted", "'=x", "1; 2", ""],
    ]


def test_json_lines_tell_everything_of_a_value():
    (line,) = as_jsonl([document(value("a", "é"))])
    read = json.loads(line)
    assert read["path"] == ["Claims", "Motor"]
    assert read["values"][0]["value"] == "é"
    assert read["values"][0]["confidence"] == 0.9


def _sheets(content):
    return {sheet.title: list(sheet.values) for sheet in load_workbook(io.BytesIO(content)).worksheets}


def test_excel_has_a_sheet_per_category_typed_cells_and_links_to_the_evidence():
    types = {"Claims": Columns({"total": "amount", "day": "date", "note": "text", "ref": "number"}, {})}
    values = [value("total", "12.50"), value("day", "2024-03-05"), value("note", "=x"), value("ref", "1" * 20)]
    sheets = _sheets(as_xlsx([document(*values), document(schema=None, name="=cmd.pdf")], types, "http://desk"))
    assert list(sheets) == ["1 Claims", "2 evidence", "3 without schema"]
    assert sheets["1 Claims"][1][:8] == (
        *("doc_1", "a.pdf", "Claims / Motor", "accepted"),
        *(12.5, datetime.datetime(2024, 3, 5), "'=x", "1" * 20),
    )
    assert sheets["2 evidence"][1][-1] == '=HYPERLINK("http://desk/documents/doc_1?page=3&start=5&end=9","open")'
    assert sheets["2 evidence"][3][4] == "'=x"
    assert sheets["3 without schema"][1][1] == "'=cmd.pdf"


def test_line_items_have_a_sheet_of_their_own():
    rows = [{"page": 2, "cells": {"what": {"value": "+Door"}, "price": {"value": "12.50"}}}, {"page": 3, "cells": {}}]
    one = ExportedDocument("doc_1", "a.pdf", "Claims", ("Claims",), None, [], rows, [{"message": "Row 3 is missing."}])
    columns = {"Claims": Columns({}, {"what": "text", "price": "amount"})}
    sheets = _sheets(as_xlsx([one], columns, "http://desk"))
    assert sheets["2 Claims rows"][1:] == [
        ("doc_1", "a.pdf", 1, 2, "'+Door", 12.5),
        ("doc_1", "a.pdf", 2, 3, None, None),
    ]
    assert sheets["1 Claims"][1][-1] == "Row 3 is missing."


def test_parquet_has_a_typed_row_per_value():
    table = parquet.read_table(io.BytesIO(as_parquet([document(value("total", "=12"), value("a", "x"))])))
    assert table.num_rows == 2
    first = table.to_pylist()[0]
    assert (first["value"], first["page"], first["confidence"]) == ("=12", 3, 0.9)
    assert first["boxes"] == [[1.0, 2.0, 3.0, 4.0]]
    assert parquet.read_table(io.BytesIO(as_parquet([]))).num_rows == 0


def test_an_empty_export_is_a_workbook():
    assert list(_sheets(as_xlsx([], {}, "http://desk"))) == ["empty"]


@settings(deadline=None, max_examples=30)
@given(st.text(max_size=40), st.text(min_size=1, max_size=40))
def test_no_text_breaks_the_workbook(cell, schema):
    content = as_xlsx([document(value("a", cell), schema=schema)], {schema: Columns({"a": "text"}, {})}, "http://desk")
    assert len(_sheets(content)) == 2
