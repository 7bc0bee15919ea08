"""The same sheets as office files: DOCX, XLSX, HTML and plain text, with the same bytes on every run."""

from __future__ import annotations

import html
import io
import re
import zipfile
from datetime import datetime

import docx
import openpyxl
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.shared import Pt
from openpyxl.styles import Alignment, Font

from samples.printing import Language
from samples.sheet import Block, Bullets, Checks, Heading, Pairs, Paragraph, Sheet, Signature, Table

WRITTEN = datetime(2025, 1, 2, 9, 0, 0)


def text(sheet: Sheet) -> str:
    """As plain text, the way somebody types it."""
    lines: list[str] = []
    if sheet.look != "mail":
        lines += [sheet.sender.name, *sheet.sender.lines, "", *sheet.recipient, "", sheet.place_date]
        lines += [f"{label}: {value}" for label, value in sheet.references] + ["", sheet.title, ""]
    for block in sheet.blocks:
        lines += [*_plain(block), ""]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def _plain(block: Block) -> list[str]:
    if isinstance(block, Heading):
        return [block.text, "-" * len(block.text)]
    if isinstance(block, Paragraph):
        return [block.text]
    if isinstance(block, Bullets):
        return [f"- {item}" for item in block.items]
    if isinstance(block, Pairs):
        return [f"{label}: {value}" for label, value in block.rows]
    if isinstance(block, Table):
        rows = [" | ".join(row) for row in (block.header, *block.rows)]
        return [*rows, *(f"{label}: {value}" for label, value in block.totals)]
    if isinstance(block, Checks):
        return [f"{block.question} " + " ".join(f"[{'x' if on else ' '}] {name}" for name, on in block.options)]
    if isinstance(block, Signature):
        return [line for line in (block.above, "", block.name, block.role) if line or line == ""]
    return []


def web_page(sheet: Sheet, language: Language) -> bytes:
    """As the HTML a mail program or a portal saves."""
    parts = [f"<p><strong>{html.escape(sheet.sender.name)}</strong><br>{_lines(sheet.sender.lines)}</p>"]
    if sheet.recipient:
        parts.append(f"<p>{_lines(sheet.recipient)}</p>")
    if sheet.place_date:
        parts.append(f'<p class="date">{html.escape(sheet.place_date)}</p>')
    if sheet.references:
        parts.append(_html_pairs(sheet.references))
    parts.append(f"<h1>{html.escape(sheet.title)}</h1>")
    parts += [_html(block) for block in sheet.blocks]
    parts += [f"<footer><small>{html.escape(line)}</small></footer>" for line in sheet.footer]
    style = "body{font:15px/1.5 Georgia,serif;max-width:44em;margin:3em auto}td,th{padding:.2em .8em;text-align:left}"
    head = f'<meta charset="utf-8"><title>{html.escape(sheet.title)}</title><style>{style}</style>'
    body = "\n".join(parts)
    return f'<!doctype html>\n<html lang="{language}"><head>{head}</head>\n<body>\n{body}\n</body></html>\n'.encode()


def _lines(lines: tuple[str, ...]) -> str:
    return "<br>".join(html.escape(line) for line in lines)


def _html_pairs(rows: tuple[tuple[str, str], ...]) -> str:
    cells = "".join(f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>" for name, value in rows)
    return f"<table>{cells}</table>"


def _html(block: Block) -> str:
    if isinstance(block, Heading):
        return f"<h2>{html.escape(block.text)}</h2>"
    if isinstance(block, Pairs):
        return _html_pairs(block.rows)
    if isinstance(block, Table):
        head = "".join(f"<th>{html.escape(name)}</th>" for name in block.header)
        rows = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in block.rows
        )
        return f"<table><tr>{head}</tr>{rows}</table>{_html_pairs(block.totals)}"
    return "<p>" + _lines(tuple("\n".join(_plain(block)).split("\n"))) + "</p>"


def word(sheet: Sheet) -> bytes:
    """As a Word document."""
    document = docx.Document()
    style = document.styles["Normal"]
    style.font.name, style.font.size = "Calibri", Pt(11)
    document.core_properties.author = sheet.sender.name
    document.core_properties.title = sheet.title
    document.core_properties.created = document.core_properties.modified = WRITTEN
    document.add_paragraph("\n".join((sheet.sender.name, *sheet.sender.lines)))
    if sheet.recipient:
        document.add_paragraph("\n".join(sheet.recipient)).paragraph_format.left_indent = Pt(230)
    if sheet.place_date:
        document.add_paragraph(sheet.place_date).alignment = WD_ALIGN_PARAGRAPH.RIGHT
    for label, value in sheet.references:
        document.add_paragraph(f"{label}: {value}")
    document.add_paragraph().add_run(sheet.title).bold = True
    for block in sheet.blocks:
        _word_block(document, block)
    if sheet.footer:
        document.sections[0].footer.paragraphs[0].text = sheet.footer[0]
    buffer = io.BytesIO()
    document.save(buffer)
    return repacked(buffer.getvalue())


def _word_block(document: docx.document.Document, block: Block) -> None:
    if isinstance(block, Heading):
        document.add_heading(block.text, level=2)
    elif isinstance(block, Pairs):
        _word_table(document, block.rows)
    elif isinstance(block, Table):
        _word_table(document, (block.header, *block.rows))
        for label, value in block.totals:
            document.add_paragraph(f"{label}: {value}").alignment = WD_ALIGN_PARAGRAPH.RIGHT
    else:
        for line in _plain(block):
            document.add_paragraph(line)


def _word_table(document: docx.document.Document, rows: tuple[tuple[str, ...], ...]) -> None:
    table = document.add_table(rows=0, cols=len(rows[0]))
    table.style = "Table Grid"
    for row in rows:
        for cell, value in zip(table.add_row().cells, row, strict=True):
            cell.text = value
    document.add_paragraph()


def workbook(sheet: Sheet) -> bytes:
    """As a spreadsheet: letterhead and references on top, tables as cells."""
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    page = book.create_sheet(sheet.title[:28].replace("/", "-").replace(":", ""))
    rows: list[tuple[str, ...]] = [(sheet.sender.name,), *((line,) for line in sheet.sender.lines), ()]
    rows += [*((line,) for line in sheet.recipient), (), (sheet.title,), *sheet.references, ()]
    for block in sheet.blocks:
        if isinstance(block, Table):
            rows += [block.header, *block.rows]
            rows += [("",) * (len(block.header) - 2) + total for total in block.totals]
        elif isinstance(block, Pairs):
            rows += list(block.rows)
        else:
            rows += [(line,) for line in _plain(block)]
        rows.append(())
    for row in rows:
        page.append(list(row))
    for cell in page["A"]:
        cell.alignment = Alignment(wrap_text=True, vertical="top")
    page.column_dimensions["A"].width = 58
    page["A1"].font = Font(bold=True, size=14)
    book.properties.creator = sheet.sender.name
    buffer = io.BytesIO()
    book.save(buffer)
    return repacked(buffer.getvalue())


def repacked(package: bytes) -> bytes:
    """The zip with all its times set to one moment: libraries write the clock into it."""
    stamp = WRITTEN.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(package)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for name in sorted(old.namelist(), key=lambda name: (name != "[Content_Types].xml", name)):
            content = old.read(name)
            if name == "docProps/core.xml":
                content = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", stamp, content)
            entry = zipfile.ZipInfo(name, date_time=(2025, 1, 2, 9, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(entry, content)
    return buffer.getvalue()
