"""HTML, XML and EPUB: what a browser would show, without running or fetching anything."""

from __future__ import annotations

import posixpath
import re
import zipfile
from urllib.parse import unquote

from lxml import etree, html

from services.ingest import einvoice
from services.ingest.containers import attribute, local, member, opened, parsed, xml_part
from services.ingest.drafting import Draft
from services.ingest.encodings import decode
from services.ingest.limits import Limits, corrupt
from shared.documents import Reading

_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)
_XML_ENCODING = re.compile(rb"^\s*<\?xml[^>]{0,100}encoding=[\"']([\w.:-]+)[\"']")
_UNSEEN = frozenset(["script", "style", "head", "template", "noscript", "svg", "math", "object", "iframe"])
_BLOCKS = (
    "address article aside blockquote body br center dd details div dl dt fieldset figcaption figure footer form "
    "h1 h2 h3 h4 h5 h6 header hr li main nav ol option p pre section summary table tbody tfoot thead tr td th ul"
)
_BREAKING = frozenset(_BLOCKS.split())
_HEADINGS = frozenset(["h1", "h2", "h3", "h4", "h5", "h6", "title"])
_SPACE = re.compile(r"\s+")


def read_html(content: bytes, media_type: str, limits: Limits) -> Reading:
    """The visible text; links are not followed, scripts not run."""
    draft = Draft(limits)
    write_html(_decoded(content), draft)
    return draft.reading(media_type)


def _decoded(content: bytes) -> str:
    head = content[:4096]
    declared = _XML_ENCODING.search(head) or _META_CHARSET.search(head)
    return decode(content, declared.group(1).decode("ascii", "replace") if declared else None)[0]


def write_html(text: str, draft: Draft) -> None:
    """Add the visible text of a page to a draft."""
    text = text.replace("\x00", "")
    if not text.strip():
        return
    try:
        root = html.document_fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", text), parser=_html_parser())
    except (etree.ParserError, etree.XMLSyntaxError, ValueError):
        return  # markup with nothing in it
    title = root.find(".//title")
    if title is not None and title.text:
        draft.line(_SPACE.sub(" ", title.text), "heading")
    _Page(draft).walk(root)


def _html_parser() -> html.HTMLParser:
    return html.HTMLParser(no_network=True, remove_comments=True, remove_pis=True, huge_tree=False)


class _Page:
    """Walks the tree once, gathering inline text until a block ends."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._inline: list[str] = []

    def walk(self, root: html.HtmlElement) -> None:
        self._element(root, 0)
        self._end_block(None)

    def _element(self, element: html.HtmlElement, depth: int) -> None:
        tag = element.tag if isinstance(element.tag, str) else ""
        if tag in _UNSEEN or not tag or _hidden(element):
            return
        if tag == "table" and not element.findall(".//table") and depth < 200:
            self._end_block(None)
            self._table(element)
            return
        breaking = tag in _BREAKING
        if breaking:
            self._end_block(None)
        self._inline.append(element.text or "")
        for child in element:
            if depth < 200:  # hostile nesting; a page a person wrote stays below 60
                self._element(child, depth + 1)
            self._inline.append(child.tail or "")
        if breaking:
            self._end_block(tag)

    def _end_block(self, tag: str | None) -> None:
        text = _SPACE.sub(" ", "".join(self._inline)).strip()
        self._inline = []
        if text:
            self._draft.line(text, "heading" if tag in _HEADINGS else "list" if tag == "li" else None)

    def _table(self, table: html.HtmlElement) -> None:
        rows = table.findall(".//tr")
        single = all(len(row.findall("td")) + len(row.findall("th")) < 2 for row in rows)
        self._draft.open_table()
        for row in rows:
            cells = [cell for cell in row if cell.tag in ("td", "th")]
            if single:  # a table for the looks of it
                for cell in cells:
                    _Page(self._draft).walk(_as_block(cell))
            else:
                self._draft.row([_SPACE.sub(" ", _visible(cell)) for cell in cells])
        self._draft.close_table()


def _as_block(cell: html.HtmlElement) -> html.HtmlElement:
    cell.tag = "div"
    return cell


def _hidden(element: html.HtmlElement) -> bool:
    style = (element.get("style") or "").replace(" ", "").casefold()
    return "display:none" in style or "visibility:hidden" in style or element.get("hidden") is not None


def _visible(element: html.HtmlElement) -> str:
    pieces = []
    for child in element.iter():
        if not isinstance(child.tag, str) or child.tag in ("script", "style"):
            continue
        if child.tag in _BREAKING:
            pieces.append(" ")
        pieces.append(child.text or "")
        if child is not element:
            pieces.append(child.tail or "")
    return "".join(pieces)


def read_xml(content: bytes, media_type: str, limits: Limits) -> Reading:
    """Every text in document order, one line per element; an e-invoice is kept as structured data as well."""
    root = parsed(content, "XML file")
    draft = Draft(limits)
    for element in root.iter():
        name = local(element)
        if name and element.text and element.text.strip():
            draft.line(element.text if element is root else f"{name}: {element.text.strip()}")
        if name and element.tail and element.tail.strip():
            draft.line(element.tail)
    invoice = einvoice.embedded_in(content)
    return draft.reading(media_type, [invoice] if invoice else [])


def read_epub(content: bytes, media_type: str, limits: Limits) -> Reading:
    """One page per chapter, in the order of the book's spine."""
    with opened(content, "EPUB book", limits) as archive:
        draft = Draft(limits)
        for name in _spine(archive):
            draft.page()
            write_html(_decoded(member(archive, name, "EPUB book")), draft)
        return draft.reading(media_type)


def _spine(archive: zipfile.ZipFile) -> list[str]:
    container = xml_part(archive, "META-INF/container.xml", "EPUB book")
    packages = (
        [attribute(found, "full-path") for found in container.iter() if local(found) == "rootfile"]
        if (container is not None)
        else []
    )
    if not packages or not packages[0] or packages[0] not in archive.NameToInfo:
        raise corrupt("EPUB book", "its table of contents is missing")
    package = parsed(member(archive, packages[0], "EPUB book"), "EPUB book")
    folder = posixpath.dirname(packages[0])
    items = {attribute(item, "id"): attribute(item, "href") for item in package.iter() if local(item) == "item"}
    hrefs = (items.get(attribute(entry, "idref")) for entry in package.iter() if local(entry) == "itemref")
    names = [posixpath.normpath(posixpath.join(folder, unquote(href))) for href in hrefs if href]
    return [name for name in names if name in archive.NameToInfo]
