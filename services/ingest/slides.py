"""PPTX: one page per slide, its tables as tables, speaker notes after the slide they belong to."""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator

from lxml import etree

from services.ingest.containers import attribute, local, opened, xml_part
from services.ingest.drafting import Draft
from services.ingest.limits import Limits, corrupt
from services.ingest.word import embedded_files
from shared.documents import Reading

_LABEL = "PowerPoint presentation"


def read_slides(content: bytes, media_type: str, limits: Limits) -> tuple[Reading, list[tuple[str, bytes]]]:
    """The reading, and name and bytes of each embedded file."""
    with opened(content, _LABEL, limits) as archive:
        draft = Draft(limits)
        slides = list(_slide_parts(archive))
        if not slides:
            raise corrupt(_LABEL, "it has no slides")
        for name in slides:
            draft.page()
            root = xml_part(archive, name, _LABEL)
            if root is None:
                continue
            _shapes(root, draft)
            for target in _related(archive, name, "/notesSlide"):
                notes = xml_part(archive, target, _LABEL)
                if notes is not None:
                    _shapes(notes, draft)
        return draft.reading(media_type), list(embedded_files(archive, _LABEL))


def _slide_parts(archive: zipfile.ZipFile) -> Iterator[str]:
    """The slides in the order of the show, as the presentation lists them."""
    main = next(_related(archive, "", "/officeDocument"), "ppt/presentation.xml")
    root = xml_part(archive, main, _LABEL)
    if root is None:
        return
    targets = {identity: target for identity, kind, target in _relations(archive, main) if kind.endswith("/slide")}
    for entry in root.iter():
        if local(entry) == "sldId":
            for key, value in entry.attrib.items():
                if str(key).startswith("{") and str(value) in targets:
                    yield targets[str(value)]


def _relations(archive: zipfile.ZipFile, part: str) -> Iterator[tuple[str, str, str]]:
    """Identity, type and full target of each internal relationship of `part` ("" is the package)."""
    folder, name = posixpath.split(part)
    root = xml_part(archive, posixpath.join(folder, "_rels", f"{name}.rels"), _LABEL)
    for relation in root if root is not None else ():
        if attribute(relation, "TargetMode") != "External":
            target = attribute(relation, "Target") or ""
            full = target.lstrip("/") if target.startswith("/") else posixpath.normpath(posixpath.join(folder, target))
            yield attribute(relation, "Id") or "", attribute(relation, "Type") or "", full


def _related(archive: zipfile.ZipFile, part: str, kind: str) -> Iterator[str]:
    return (target for _, found, target in _relations(archive, part) if found.endswith(kind))


def _shapes(root: etree._Element, draft: Draft) -> None:
    for element in root.iter():
        name = local(element)
        if name == "tbl":
            draft.open_table()
            for row in (part for part in element.iter() if local(part) == "tr"):
                draft.row([_text(cell) for cell in row if local(cell) == "tc"])
            draft.close_table()
        elif name == "p" and not any(local(above) in ("tbl", "fld") for above in element.iterancestors()):
            draft.line("".join(_pieces(element)))


def _text(cell: etree._Element) -> str:
    return " ".join("".join(_pieces(part)) for part in cell.iter() if local(part) == "p")


def _pieces(paragraph: etree._Element) -> Iterator[str]:
    for piece in paragraph.iter():
        if local(piece) == "t":
            yield piece.text or ""
        elif local(piece) in ("br", "tab"):
            yield "\n" if local(piece) == "br" else "\t"
