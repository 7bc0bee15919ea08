"""ODT, ODS and ODP: paragraphs, tables, sheets and slides from `content.xml`. Macros are never looked at."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from services.ingest.containers import attribute, local, opened, xml_part
from services.ingest.drafting import Draft
from services.ingest.limits import Limits, corrupt, needs_password
from shared.documents import Reading

_LABEL = "OpenDocument file"
#: What the page does not show: tracked changes, comments' authors and dates, form controls' machinery.
_SKIPPED = frozenset(
    ["tracked-changes", "annotation", "forms", "event-listeners", "desc", "title", "notes-configuration"]
)
#: A cell or row may say "repeat me a million times": sheets are padded that way. Content is repeated this often.
_MOST_REPEATS = 100


def read_opendocument(content: bytes, media_type: str, limits: Limits) -> Reading:
    """The reading; a sheet or a slide is a page."""
    with opened(content, _LABEL, limits) as archive:
        manifest = archive.read("META-INF/manifest.xml") if "META-INF/manifest.xml" in archive.NameToInfo else b""
        if b"encryption-data" in manifest:
            raise needs_password(_LABEL)
        root = xml_part(archive, "content.xml", _LABEL)
        if root is None:
            raise corrupt(_LABEL, "its content part is missing")
        draft = Draft(limits)
        # A sheet's running lines are placeholders nobody wrote ("???").
        styles = None if media_type.endswith("spreadsheet") else xml_part(archive, "styles.xml", _LABEL)
        _running(styles, "header", draft)
        for body in (element for element in root if local(element) == "body"):
            for document in body:
                _blocks(document, draft, local(document))
        _running(styles, "footer", draft)
        return draft.reading(media_type)


def _blocks(parent: etree._Element, draft: Draft, kind: str) -> None:
    for child in parent:
        name = local(child)
        if name in _SKIPPED or not name:
            continue
        if name == "table":
            if kind == "spreadsheet":
                draft.page()
                draft.line(attribute(child, "name") or "", "heading")
            _table(child, draft)
        elif name in ("p", "h"):
            _paragraph(child, draft, "heading" if name == "h" else None)
        else:
            if name == "page":
                draft.page()
            _blocks(child, draft, kind)


def _paragraph(paragraph: etree._Element, draft: Draft, mark: str | None) -> None:
    asides: list[etree._Element] = []
    draft.line("".join(_pieces(paragraph, asides)), "heading" if mark else None)
    for aside in asides:
        _blocks(aside, draft, "text")


def _pieces(parent: etree._Element, asides: list[etree._Element]) -> Iterator[str]:
    yield parent.text or ""
    for child in parent:
        name = local(child)
        if name == "s":
            yield " "
        elif name in ("tab", "line-break"):
            yield "\n" if name == "line-break" else "\t"
        elif name in ("text-box", "note-body"):
            asides.append(child)
        elif name and name not in _SKIPPED and name != "note-citation":
            yield from _pieces(child, asides)
        yield child.tail or ""


def _table(table: etree._Element, draft: Draft) -> None:
    draft.open_table()
    for row in table.iter():
        if local(row) != "table-row":
            continue
        cells: list[str] = []
        for cell in row:
            if local(cell) in ("table-cell", "covered-table-cell"):
                cells += [_cell(cell)] * _repeats(cell, "number-columns-repeated")
        for _ in range(_repeats(row, "number-rows-repeated") if any(cells) else 1):
            draft.row(cells)
    draft.close_table()


def _cell(cell: etree._Element) -> str:
    paragraphs = (part for part in cell.iter() if local(part) in ("p", "h"))
    return " ".join("".join(_pieces(paragraph, [])) for paragraph in paragraphs)


def _repeats(element: etree._Element, name: str) -> int:
    stated = attribute(element, name) or "1"
    return min(int(stated), _MOST_REPEATS) if stated.isdigit() else 1


def _running(styles: etree._Element | None, kind: str, draft: Draft) -> None:
    """Header or footer lines of the page styles, each once."""
    seen = set()
    for element in styles.iter() if styles is not None else ():
        if local(element) in (kind, f"{kind}-left", f"{kind}-first"):
            for paragraph in element.iter():
                if local(paragraph) in ("p", "h"):
                    text = "".join(_pieces(paragraph, []))
                    if text not in seen:
                        seen.add(text)
                        draft.line(text, "header" if kind == "header" else "footer")
