"""The PDF reader: each page from its text layer, or from its picture where that layer cannot be trusted.

It joins `pdfium` (words and boxes), `trust` (is the layer sound), `ocr` and `layout`. Pages to recognise are
drawn one after the other (pdfium knows one thread) and recognised side by side.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import msgspec
import numpy as np
import pypdfium2

from services.ingest import einvoice, ocr, pdfium
from services.ingest.cleaning import clean_word, repair
from services.ingest.composing import Line, PageDraft
from services.ingest.layout import INK, lines_of
from services.ingest.limits import Limits, too_large
from services.ingest.trust import only_a_stamp, trustworthy
from shared.documents import Embedded
from shared.errors import Refused

_POINTS_PER_INCH = 72.0
#: A page of this many points a side is a plan or a poster; it is drawn smaller so that pixels stay bounded.
_LARGEST_DRAWN_PIXELS = 40_000_000


class ReadPdf(msgspec.Struct):
    """What one PDF holds; `attached` are embedded files other than e-invoices."""

    drafts: list[PageDraft]
    embedded: list[Embedded]
    attached: list[tuple[str, bytes]]
    notes: list[str]


class _Recognition(msgspec.Struct):
    index: int
    scale: float
    outcome: Future[ocr.Recognised]
    fallback: pdfium.PageWords


def read_pdf(
    content: bytes,
    *,
    password: str | None,
    limits: Limits,
    threads: int,
    progress: Callable[[int, int], None],
) -> ReadPdf:
    """Read every page. `progress(done, of)` is called after each page, in pages.

    Raises Refused for encrypted, damaged or oversized files. A damaged page among sound ones becomes an empty
    page and a note.
    """
    notes: list[str] = []
    with pdfium.opened(content, password) as document:
        count = len(document)
        if count > limits.pages:
            raise too_large("pages", count, limits.pages)
        embedded, attached = _carried(document)
        fields: dict[str, str] = {}
        pdfium.open_forms(document)
        with ThreadPoolExecutor(threads) as pool:
            drafts = _pages(document, pool, threads, fields, notes, progress)
    if fields:
        embedded.append(Embedded("pdf_form", values=fields))
    return ReadPdf(drafts, embedded, attached, notes)


def _pages(
    document: pypdfium2.PdfDocument,
    pool: ThreadPoolExecutor,
    threads: int,
    fields: dict[str, str],
    notes: list[str],
    progress: Callable[[int, int], None],
) -> list[PageDraft]:
    count = len(document)
    drafts: list[PageDraft] = []
    waiting: deque[_Recognition] = deque()
    damaged: list[int] = []
    for index in range(count):
        try:
            page = pdfium.page_at(document, index, fields)
        except Refused:
            damaged.append(index + 1)
            drafts.append(PageDraft(index + 1, 0.0, 0.0, [], "none"))
            continue
        found = pdfium.words_of(page)
        drafts.append(PageDraft(index + 1, found.width, found.height, [], "none"))
        if _needs_picture(page, found.words):
            waiting.append(_recognition(page, index, found, pool))
        else:
            drafts[index].lines = _text_lines(found)
            drafts[index].source = "text" if found.words else "none"
        page.close()
        while len(waiting) > 2 * threads:
            _finish(waiting.popleft(), drafts, notes)
        progress(index + 1 - len(waiting), count)
    while waiting:
        _finish(waiting.popleft(), drafts, notes)
        progress(count - len(waiting), count)
    if len(damaged) == count:
        raise Refused(
            f"The PDF has {count} pages, but none of them can be opened.",
            action="Print it to a new PDF in the program it comes from, and send that.",
            code="corrupt",
        )
    if damaged:
        notes.append(f"{len(damaged)} of {count} pages are damaged and were left empty: {_listed(damaged)}.")
    return drafts


def _listed(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:20]))
    return shown + (" and more" if len(numbers) > 20 else "")


def _needs_picture(page: pypdfium2.PdfPage, words: list[str]) -> bool:
    """Whether the page must be recognised. Objects are only counted where the words leave a doubt: it costs."""
    if len(words) >= 60:
        return not trustworthy(words)
    objects, picture_share = pdfium.drawn_share(page)
    if not words:
        return objects > 0
    return only_a_stamp(words, picture_share) or not trustworthy(words)


def _recognition(
    page: pypdfium2.PdfPage, index: int, found: pdfium.PageWords, pool: ThreadPoolExecutor
) -> _Recognition:
    scale = ocr.DPI / _POINTS_PER_INCH
    area = found.width * found.height * scale * scale
    if area > _LARGEST_DRAWN_PIXELS:
        scale *= (_LARGEST_DRAWN_PIXELS / area) ** 0.5
    picture = pdfium.picture_of(page, scale)
    dpi = max(round(scale * _POINTS_PER_INCH), 70)
    return _Recognition(index, scale, pool.submit(ocr.recognise, picture, dpi), found)


def _finish(recognition: _Recognition, drafts: list[PageDraft], notes: list[str]) -> None:
    draft = drafts[recognition.index]
    try:
        found = recognition.outcome.result()
    except Refused as refused:
        if not trustworthy(recognition.fallback.words) or not recognition.fallback.words:
            raise
        notes.append(f"Page {draft.number} was not recognised from its picture: {refused.public}")
        draft.lines, draft.source = _text_lines(recognition.fallback), "text"
        return
    draft.lines = recognised_lines(found, 1 / recognition.scale, draft.width)
    draft.source, draft.quality = ("ocr" if found.words else "none"), found.confidence


def recognised_lines(found: ocr.Recognised, points_per_pixel: float, width: float) -> list[Line]:
    """The recognised words as lines in reading order, boxes in points."""
    cleaned = [clean_word(word) for word in found.words]
    kept = np.array([bool(word) for word in cleaned], dtype=bool)
    if not len(kept):
        return []
    words = [word for word in cleaned if word]
    return lines_of(words, found.boxes[kept] * points_per_pixel, found.lines[kept], width, INK)


def _text_lines(found: pdfium.PageWords) -> list[Line]:
    """The text layer as lines in reading order, its characters repaired."""
    text = " ".join(found.words)
    words = found.words
    boxes, lines = found.boxes, found.lines
    if not (text.isascii() and text.isprintable()):
        words = [
            word if word.isascii() and word.isprintable() else clean_word(word.replace(pdfium.LINE_END_HYPHEN, "-"))
            for word in words
        ]
        if repair(text) != text:
            words = [repair(word) for word in words]
        kept = np.array([bool(word) and " " not in word for word in words], dtype=bool)
        if len(kept) and not kept.all():
            words = [word for word, keep in zip(words, kept.tolist(), strict=True) if keep]
            boxes, lines = boxes[kept], lines[kept]
    return lines_of(words, boxes, lines, found.width)


def _carried(document: pypdfium2.PdfDocument) -> tuple[list[Embedded], list[tuple[str, bytes]]]:
    """Structured content and other files that the PDF carries."""
    embedded: list[Embedded] = []
    attached: list[tuple[str, bytes]] = []
    for name, content in pdfium.attachments(document):
        invoice = einvoice.embedded_in(content)
        if invoice is not None:
            embedded.append(invoice)
        else:
            attached.append((name, content))
    return embedded, attached
