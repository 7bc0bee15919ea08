"""XLSX, XLS and CSV: one page per sheet, cells as people see them (dates as dates, not as serial numbers)."""

from __future__ import annotations

import csv
import datetime
import io
import warnings
import zipfile
from typing import Any

from services.ingest.containers import opened
from services.ingest.drafting import Draft
from services.ingest.encodings import decode
from services.ingest.limits import Limits, corrupt, too_large
from services.ingest.word import embedded_files
from shared.documents import Reading
from shared.errors import Refused

_LABEL, _OLD_LABEL = "Excel workbook", "Excel 97-2003 (.xls)"
_STRICT, _TRANSITIONAL = b"http://purl.oclc.org/ooxml/", b"http://schemas.openxmlformats.org/"
_MOST_CELLS = 2_000_000


def read_workbook(content: bytes, media_type: str, limits: Limits) -> tuple[Reading, list[tuple[str, bytes]]]:
    """The reading, and name and bytes of each embedded file. Formulas show their last stored value."""
    import openpyxl

    draft = Draft(limits)
    notes: list[str] = []
    with opened(content, _LABEL, limits) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            book = openpyxl.load_workbook(
                _transitional(archive, content), read_only=True, data_only=True, keep_links=False
            )
            for sheet in book.worksheets:
                _sheet(sheet, draft)
            book.close()
        except (
            KeyError,
            ValueError,
            TypeError,
            IndexError,
            AttributeError,
            OSError,
            zipfile.BadZipFile,
            SyntaxError,
        ) as wrong:
            raise corrupt(_LABEL, "its sheets are damaged", private=repr(wrong)) from wrong
        return draft.reading(media_type, notes=notes), list(embedded_files(archive, _LABEL))


def read_old_workbook(content: bytes, media_type: str, limits: Limits) -> Reading:
    """The reading of a workbook from before 2007 (BIFF), formats of numbers and dates included."""
    import xlrd  # type: ignore[import-untyped]

    draft = Draft(limits)
    try:
        book = xlrd.open_workbook(file_contents=content, formatting_info=True, on_demand=True, logfile=io.StringIO())
        for name in book.sheet_names():
            sheet = book.sheet_by_name(name)
            if sheet.nrows * sheet.ncols > _MOST_CELLS:
                raise too_large("cells in one sheet", sheet.nrows * sheet.ncols, _MOST_CELLS)
            draft.page()
            draft.line(name, "heading")
            draft.open_table()
            for row in range(sheet.nrows):
                draft.row([_old_cell(book, cell) for cell in sheet.row(row)])
            draft.close_table()
            book.unload_sheet(name)
    except Refused:
        raise
    except Exception as wrong:  # the library asserts and indexes its way through damaged files
        raise corrupt(_OLD_LABEL, "its sheets are damaged", private=repr(wrong)) from wrong
    return draft.reading(media_type)


def _old_cell(book: Any, cell: Any) -> str:
    import xlrd

    if cell.ctype in (xlrd.XL_CELL_EMPTY, xlrd.XL_CELL_BLANK):
        return ""
    if cell.ctype == xlrd.XL_CELL_BOOLEAN:
        return _shown(bool(cell.value), "")
    if cell.ctype == xlrd.XL_CELL_ERROR:
        return str(xlrd.error_text_from_code.get(cell.value, ""))
    if cell.ctype == xlrd.XL_CELL_DATE:
        try:
            return _shown(xlrd.xldate_as_datetime(cell.value, book.datemode), "")
        except (ValueError, OverflowError):
            return _shown(cell.value, "")
    known = book.format_map.get(book.xf_list[cell.xf_index].format_key) if cell.xf_index is not None else None
    return _shown(cell.value, known.format_str if known is not None else "")


def _transitional(archive: zipfile.ZipFile, content: bytes) -> io.BytesIO:
    """A workbook in the strict dialect of Office Open XML with the namespaces openpyxl knows; others as they are."""
    if _STRICT not in archive.read("xl/workbook.xml"):
        return io.BytesIO(content)
    rewritten = io.BytesIO()
    with zipfile.ZipFile(rewritten, "w") as target:
        for entry in archive.infolist():
            part = archive.read(entry)
            if entry.filename.endswith((".xml", ".rels")):
                part = part.replace(_STRICT + b"spreadsheetml/main", _TRANSITIONAL + b"spreadsheetml/2006/main")
                part = part.replace(
                    _STRICT + b"officeDocument/relationships", _TRANSITIONAL + b"officeDocument/2006/relationships"
                )
                part = part.replace(_STRICT + b"drawingml/main", _TRANSITIONAL + b"drawingml/2006/main")
            target.writestr(entry, part)
    rewritten.seek(0)
    return rewritten


def _sheet(sheet: Any, draft: Draft) -> None:
    draft.page()
    draft.line(sheet.title, "heading")
    draft.open_table()
    seen = 0
    for row in sheet.iter_rows():
        seen += len(row)
        if seen > _MOST_CELLS:
            raise too_large("cells in one sheet", seen, _MOST_CELLS)
        draft.row([_shown(cell.value, cell.number_format if cell.value is not None else "") for cell in row])
    draft.close_table()


def _shown(value: object, number_format: str) -> str:
    """A cell's value as text: ISO dates, numbers with the decimals their format asks for."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(" ", "seconds")
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, int | float):
        return _number(float(value), number_format or "")
    return str(value)


def _number(value: float, number_format: str) -> str:
    positive = number_format.split(";")[0].split("_")[0]
    percent = "%" in positive
    if percent:
        value *= 100
    _, point, decimals = positive.partition(".")
    places = len(decimals) - len(decimals.lstrip("0"))
    if point and places:
        shown = f"{value:.{places}f}"
    elif "0" in positive and "E" not in positive.upper():
        shown = f"{value:.0f}" if "#" in positive or percent or positive == "0" else f"{value:.15g}"
    else:
        shown = f"{value:.15g}"
    return shown + ("%" if percent else "")


def read_csv(content: bytes, media_type: str, limits: Limits) -> Reading:
    """One page, one table; the delimiter is found by trying."""
    text, _ = decode(content)
    draft = Draft(limits)
    sample = text[:20_000]
    try:
        dialect: Any = csv.Sniffer().sniff(sample, delimiters=",;\t|")
    except csv.Error:
        dialect = csv.excel
    csv.field_size_limit(1_000_000)
    draft.open_table()
    try:
        for row in csv.reader(io.StringIO(text), dialect):
            draft.row(row)
    except csv.Error as wrong:
        raise corrupt("CSV table", "a cell has more than a million characters or a row is broken") from wrong
    draft.close_table()
    return draft.reading(media_type)
