"""One PDF through pdfium: pages, words with exact boxes, attachments, form fields, pictures of pages.

Text and geometry come from two calls per word into pdfium's C interface with bare addresses: a call per
character, or checked ctypes pointers, would cost more than the parsing itself. Decides nothing about reading
order or whether a text layer deserves trust.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import numpy as np
import numpy.typing as npt
import pypdfium2 as pdfium
import pypdfium2.raw as raw
from PIL import Image

from services.ingest.limits import corrupt, needs_password
from shared.errors import Refused

Boxes = npt.NDArray[np.float64]

#: pdfium writes this where it found a hyphen at a line end and joined the two lines itself.
LINE_END_HYPHEN = "\ufffe"
_WORD = re.compile(rf"[^\s{LINE_END_HYPHEN}]+{LINE_END_HYPHEN}?|{LINE_END_HYPHEN}")
#: Annotations that print text of their own: FreeText, Stamp, Widget (PDF 32000-1, 12.5.6).
_PRINTING = frozenset([raw.FPDF_ANNOT_FREETEXT, raw.FPDF_ANNOT_STAMP, raw.FPDF_ANNOT_WIDGET])

_address, _int = ctypes.c_void_p, ctypes.c_int
_count_rects = ctypes.PYFUNCTYPE(_int, _address, _int, _int)(ctypes.cast(raw.FPDFText_CountRects, _address).value or 0)
_get_rect = ctypes.PYFUNCTYPE(_int, _address, _int, _address, _address, _address, _address)(
    ctypes.cast(raw.FPDFText_GetRect, _address).value or 0
)


class PageWords(msgspec.Struct):
    """The text layer of one page, in the order of the file.

    `boxes` has one row per word in points from the top left after rotation and cropping; `lines` numbers the
    lines as pdfium breaks them, not decreasing.
    """

    width: float
    height: float
    words: list[str]
    boxes: Boxes
    lines: npt.NDArray[np.int64]


@contextmanager
def opened(content: bytes, password: str | None = None) -> Iterator[pdfium.PdfDocument]:
    """The document, closed again at the end.

    Raises Refused with `needs_password` for an encrypted file, `corrupt` where nothing can be repaired.
    """
    try:
        document = pdfium.PdfDocument(content, password=password)
    except pdfium.PdfiumError as wrong:
        if getattr(wrong, "err_code", None) == raw.FPDF_ERR_PASSWORD:
            raise needs_password("PDF") from wrong
        document = _rebuilt(content, wrong)
    try:
        if len(document) == 0:
            raise corrupt("PDF", "it has no pages")
        yield document
    finally:
        document.close()


def _rebuilt(content: bytes, wrong: Exception) -> pdfium.PdfDocument:
    """A second chance through qpdf, which rebuilds broken cross-reference tables."""
    import io

    import pikepdf

    try:
        with pikepdf.open(io.BytesIO(content)) as damaged:
            saved = io.BytesIO()
            damaged.save(saved)
        return pdfium.PdfDocument(saved.getvalue())
    except pikepdf.PasswordError as locked:
        raise needs_password("PDF") from locked
    except (pikepdf.PdfError, pdfium.PdfiumError, ValueError, RuntimeError, RecursionError) as still:
        raise corrupt("PDF", "its structure is damaged beyond repair", private=f"{wrong!r}; {still!r}") from still


def page_at(document: pdfium.PdfDocument, index: int) -> pdfium.PdfPage:
    """Page `index` (0-based) with everything its annotations print drawn into it; Refused where it is damaged."""
    try:
        page = document[index]
        if _prints_annotations(page) and raw.FPDFPage_Flatten(page, raw.FLAT_NORMALDISPLAY) == raw.FLATTEN_SUCCESS:
            page.close()
            page = document[index]
    except pdfium.PdfiumError as wrong:
        raise corrupt("PDF", f"page {index + 1} is damaged", private=repr(wrong)) from wrong
    return page


def _prints_annotations(page: pdfium.PdfPage) -> bool:
    for index in range(min(raw.FPDFPage_GetAnnotCount(page), 10_000)):
        annotation = raw.FPDFPage_GetAnnot(page, index)
        subtype = raw.FPDFAnnot_GetSubtype(annotation)
        raw.FPDFPage_CloseAnnot(annotation)
        if subtype in _PRINTING:
            return True
    return False


def words_of(page: pdfium.PdfPage) -> PageWords:
    """The words of a page's text layer with their boxes; words wholly outside of the page are left out."""
    width, height = page.get_size()
    textpage = page.get_textpage()
    try:
        text = textpage.get_text_range()
        spans = [found.span() for found in _WORD.finditer(text)]
        boxes = _boxes(textpage, text, spans)
    finally:
        textpage.close()
    if not spans:
        return PageWords(width, height, [], np.zeros((0, 4)), np.zeros(0, dtype=np.int64))
    boxes = _on_page(boxes, page)
    words = [text[start:end] for start, end in spans]
    lines = _line_numbers(text, spans)
    inside = (boxes[:, 2] > 0) & (boxes[:, 3] > 0) & (boxes[:, 0] < width) & (boxes[:, 1] < height)
    if not inside.all():
        words = [word for word, kept in zip(words, inside.tolist(), strict=True) if kept]
        boxes, lines = boxes[inside], lines[inside]
    return PageWords(width, height, words, boxes, lines)


def _boxes(textpage: pdfium.PdfTextPage, text: str, spans: list[tuple[int, int]]) -> Boxes:
    """The hull `(left, top, right, bottom)` of each span in the page's own space, y upwards.

    A word drawn in several pieces (kerning, a bold initial) has several rectangles: all go into one long array,
    hulls are taken at the end.
    """
    if not spans:
        return np.zeros((0, 4))
    handle = ctypes.cast(textpage.raw, _address).value
    if raw.FPDFText_CountChars(textpage) != len(text):  # characters that print nothing are missing from the text
        index_of = raw.FPDFText_GetCharIndexFromTextIndex
        spans = [(index_of(textpage, start), index_of(textpage, end - 1) + 1) for start, end in spans]
    rects = np.zeros((2 * len(spans) + 64, 4))
    at, room = rects.ctypes.data, len(rects)
    firsts: list[int] = []
    used = 0
    for start, end in spans:
        firsts.append(used)
        pieces = _count_rects(handle, start, end - start)
        if used + pieces >= room:
            rects = np.concatenate([rects, np.zeros((room + pieces, 4))])
            at, room = rects.ctypes.data, len(rects)
        for piece in range(pieces):
            place = at + 32 * used
            _get_rect(handle, piece, place, place + 8, place + 16, place + 24)
            used += 1
        if pieces < 1:
            rects[used] = _loose_hull(textpage, start, end)
            used += 1
    low = np.minimum.reduceat(rects[:used], firsts, axis=0)
    high = np.maximum.reduceat(rects[:used], firsts, axis=0)
    return np.stack([low[:, 0], high[:, 1], high[:, 2], low[:, 3]], axis=1)


def _loose_hull(textpage: pdfium.PdfTextPage, start: int, end: int) -> list[float]:
    """The hull of the characters' cells, for glyphs without ink."""
    first, last = (textpage.get_charbox(max(index, 0), loose=True) for index in (start, end - 1))
    return [
        min(first[0], last[0]),
        max(first[3], last[3]),
        max(first[2], last[2]),
        min(first[1], last[1]),
    ]


def _on_page(boxes: Boxes, page: pdfium.PdfPage) -> Boxes:
    """From the page's own space to points from the top left of the page as shown."""
    shown = raw.FS_RECTF()
    raw.FPDF_GetPageBoundingBox(page, shown)
    x0, y1, x1, y0 = boxes.T
    turns = raw.FPDFPage_GetRotation(page)
    if turns == 0:
        placed = (x0 - shown.left, shown.top - y1, x1 - shown.left, shown.top - y0)
    elif turns == 1:
        placed = (y0 - shown.bottom, x0 - shown.left, y1 - shown.bottom, x1 - shown.left)
    elif turns == 2:
        placed = (shown.right - x1, y0 - shown.bottom, shown.right - x0, y1 - shown.bottom)
    else:
        placed = (shown.top - y1, shown.right - x1, shown.top - y0, shown.right - x0)
    return np.stack(placed, axis=1)


def _line_numbers(text: str, spans: list[tuple[int, int]]) -> npt.NDArray[np.int64]:
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    breaks = np.flatnonzero((codes == 10) | (codes == ord(LINE_END_HYPHEN)))
    starts = np.fromiter((start for start, _ in spans), dtype=np.int64, count=len(spans))
    return np.searchsorted(breaks, starts).astype(np.int64)


def picture_of(page: pdfium.PdfPage, pixels_per_point: float, *, grey: bool = True) -> Image.Image:
    """The page as shown, drawn at that scale."""
    try:
        picture: Image.Image = page.render(scale=pixels_per_point, grayscale=grey).to_pil()
    except (pdfium.PdfiumError, ValueError, MemoryError) as wrong:
        raise corrupt("PDF", "a page cannot be drawn", private=repr(wrong)) from wrong
    return picture


def drawn_share(page: pdfium.PdfPage) -> tuple[int, float]:
    """How many objects the page draws, and the share of the page that pictures cover (0..1, overlaps counted once)."""
    objects = raw.FPDFPage_CountObjects(page)
    width, height = page.get_size()
    covered = 0.0
    for item in page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=3):
        try:
            left, bottom, right, top = item.get_bounds()
        except pdfium.PdfiumError:
            continue  # a picture without a place covers nothing
        covered = max(covered, (right - left) * (top - bottom) / max(width * height, 1.0))
    return objects, min(covered, 1.0)


def attachments(document: pdfium.PdfDocument) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each embedded file; damaged ones are left out."""
    for index in range(document.count_attachments()):
        try:
            attachment = document.get_attachment(index)
            yield attachment.get_name(), bytes(attachment.get_data())
        except (pdfium.PdfiumError, Refused, ValueError):
            continue


def form_values(document: pdfium.PdfDocument) -> dict[str, str]:
    """Field name to value for every filled field of an interactive form; empty where there is none."""
    if document.get_formtype() == raw.FORMTYPE_NONE:
        return {}
    document.init_forms()
    values: dict[str, str] = {}
    for index in range(len(document)):
        page = document[index]
        for place in range(raw.FPDFPage_GetAnnotCount(page)):
            annotation = raw.FPDFPage_GetAnnot(page, place)
            if raw.FPDFAnnot_GetSubtype(annotation) == raw.FPDF_ANNOT_WIDGET:
                name = _form_string(raw.FPDFAnnot_GetFormFieldName, document, annotation)
                value = _form_string(raw.FPDFAnnot_GetFormFieldValue, document, annotation)
                if name and value:
                    values[name] = value
            raw.FPDFPage_CloseAnnot(annotation)
        page.close()
    return values


def _form_string(call: object, document: pdfium.PdfDocument, annotation: object) -> str:
    length = call(document.formenv, annotation, None, 0)  # type: ignore[operator]
    if not 2 < length < 1_000_000:
        return ""
    buffer = ctypes.create_string_buffer(length)
    call(document.formenv, annotation, ctypes.cast(buffer, ctypes.POINTER(ctypes.c_ushort)), length)  # type: ignore[operator]
    return buffer.raw[: length - 2].decode("utf-16-le", "replace").strip()
