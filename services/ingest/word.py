"""DOCX and its kin: paragraphs, tables, content controls, headers, footnotes, embedded files.

Reads the parts' XML itself, by local names: text boxes, tracked insertions and controls are in it, deletions and
fallback copies are not. Macros are never looked at. No geometry: pages exist only once Word has laid them out.
"""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator

from lxml import etree

from services.ingest.containers import attribute, local, member, opened, parsed, xml_part
from services.ingest.drafting import Draft
from services.ingest.limits import Limits, corrupt
from shared.documents import Embedded, MarkKind, Reading

_LABEL = "Word document"
#: Elements whose text is not on the page: deletions, field codes, the copy of a drawing for old programs.
_SKIPPED = frozenset(["del", "delText", "instrText", "Fallback", "rPr", "pPr", "sectPr", "moveFrom"])
_BLOCKS = frozenset(["p", "tbl"])
_EMBEDDED_FOLDERS = ("embeddings/", "media/embedded/")


def read_word(content: bytes, media_type: str, limits: Limits) -> tuple[Reading, list[tuple[str, bytes]]]:
    """The reading, and name and bytes of each file embedded in the document."""
    with opened(content, _LABEL, limits) as archive:
        main = _main_part(archive)
        root = xml_part(archive, main, _LABEL)
        if root is None:
            raise corrupt(_LABEL, "its main part is missing")
        draft = Draft(limits)
        folder = posixpath.dirname(main)
        parts = sorted(name for name in archive.namelist() if posixpath.dirname(name) == folder)
        for name in parts:
            if posixpath.basename(name).startswith("header"):
                _edge(draft, archive, name, "header")
        body = next((child for child in root if local(child) == "body"), root)
        _blocks(body, draft)
        for name in parts:
            if posixpath.basename(name).startswith(("footnotes", "endnotes")):
                _notes(draft, archive, name)
        for name in parts:
            if posixpath.basename(name).startswith("footer"):
                _edge(draft, archive, name, "footer")
        controls = dict(_controls(root))
        embedded = [Embedded("docx_controls", values=controls)] if controls else []
        return draft.reading(media_type, embedded), list(embedded_files(archive, _LABEL))


def embedded_files(archive: zipfile.ZipFile, label: str) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each file embedded in an Office document; OLE wrappers are opened where they can be."""
    from services.ingest.packages import unwrapped

    for name in archive.namelist():
        if any(folder in name for folder in _EMBEDDED_FOLDERS) and not name.endswith("/"):
            yield from unwrapped(posixpath.basename(name), member(archive, name, label))


def _main_part(archive: zipfile.ZipFile) -> str:
    """The part that the package's relationships call the document; "word/document.xml" nearly always."""
    if "_rels/.rels" in archive.NameToInfo:
        for relation in parsed(member(archive, "_rels/.rels", _LABEL), _LABEL):
            if (attribute(relation, "Type") or "").endswith("/officeDocument"):
                return (attribute(relation, "Target") or "").lstrip("/")
    return "word/document.xml"


def _blocks(parent: etree._Element, draft: Draft) -> None:
    """Paragraphs and tables in document order, through controls and other wrappers."""
    for child in parent:
        name = local(child)
        if name == "p":
            _paragraph(child, draft)
        elif name == "tbl":
            _table(child, draft)
        elif name not in _SKIPPED:
            _blocks(child, draft)


def _paragraph(paragraph: etree._Element, draft: Draft) -> None:
    boxes: list[etree._Element] = []
    text = "".join(_pieces(paragraph, boxes))
    draft.line(text, _role(paragraph))
    for box in boxes:
        _blocks(box, draft)


def _pieces(parent: etree._Element, boxes: list[etree._Element]) -> Iterator[str]:
    """The text of a paragraph; text boxes and tables anchored in it are put aside in `boxes`."""
    for child in parent:
        name = local(child)
        if name == "t":
            yield child.text or ""
        elif name in ("tab", "ptab"):
            yield "\t"
        elif name in ("br", "cr"):
            yield "\n"
        elif name == "noBreakHyphen":
            yield "-"
        elif name == "sym":
            yield " "
        elif name == "txbxContent":
            boxes.append(child)
        elif name == "tbl":
            wrapper = etree.Element("wrapper")
            wrapper.append(child)
            boxes.append(wrapper)
        elif name not in _SKIPPED:
            yield from _pieces(child, boxes)


def _role(paragraph: etree._Element) -> MarkKind | None:
    for properties in paragraph:
        if local(properties) == "pPr":
            for entry in properties:
                if local(entry) == "pStyle":
                    style = (attribute(entry, "val") or "").casefold()
                    if style.startswith(("heading", "title", "berschrift", "überschrift", "titre")):
                        return "heading"
                if local(entry) == "numPr":
                    return "list"
    return None


def _table(table: etree._Element, draft: Draft) -> None:
    draft.open_table()
    for row in _children(table, "tr"):
        draft.row([_cell_text(cell) for cell in _children(row, "tc")])
    draft.close_table()


def _children(parent: etree._Element, wanted: str) -> Iterator[etree._Element]:
    """Rows of a table or cells of a row, through content controls and custom XML around them."""
    for child in parent:
        name = local(child)
        if name == wanted:
            yield child
        elif name in ("sdt", "sdtContent", "customXml", "ins"):
            yield from _children(child, wanted)


def _cell_text(cell: etree._Element) -> str:
    pieces: list[str] = []
    for paragraph in cell.iter():
        if local(paragraph) == "p":
            pieces.append("".join(_pieces(paragraph, [])))
    return " ".join(piece for piece in pieces if piece.strip())


def _edge(draft: Draft, archive: zipfile.ZipFile, name: str, kind: MarkKind) -> None:
    root = xml_part(archive, name, _LABEL)
    if root is None:
        return
    for paragraph in root.iter():
        if local(paragraph) == "p":
            draft.line("".join(_pieces(paragraph, [])), kind)


def _notes(draft: Draft, archive: zipfile.ZipFile, name: str) -> None:
    root = xml_part(archive, name, _LABEL)
    for note in root if root is not None else ():
        if attribute(note, "type") is None:  # separators carry a type, real notes do not
            draft.line(" ".join(_cell_text(note).split()), "footnote")


def _controls(root: etree._Element) -> Iterator[tuple[str, str]]:
    """Alias or tag of each filled content control, with its text."""
    for control in root.iter():
        if local(control) != "sdt":
            continue
        name, text, placeholder = "", "", False
        for part in control:
            if local(part) == "sdtPr":
                for entry in part:
                    if local(entry) in ("alias", "tag") and not name:
                        name = attribute(entry, "val") or ""
                    placeholder |= local(entry) == "showingPlcHdr"
            elif local(part) == "sdtContent":
                text = " ".join("".join(_pieces(part, [])).split())
        if name and text and not placeholder:
            yield name, text
