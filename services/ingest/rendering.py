"""Pictures of pages for people: page n of the original as PNG, at the width asked for."""

from __future__ import annotations

import io

from PIL import Image, ImageOps, ImageSequence

from services.ingest import images, pdfium, sniffing
from services.ingest.limits import DEFAULT, Limits
from shared.errors import NotFound, Refused

_PICTURES = frozenset(
    [sniffing.PNG, sniffing.JPEG, sniffing.TIFF, sniffing.WEBP, sniffing.HEIC, sniffing.GIF, sniffing.BMP]
)
#: A page of extreme proportions would otherwise grow beyond memory.
_TALLEST_PIXELS = 12_000


def page_png(
    content: bytes, name: str, number: int, width: int, password: str | None = None, limits: Limits = DEFAULT
) -> bytes:
    """Page `number` (from 1) as PNG, `width` pixels wide.

    Raises NotFound beyond the last page, Refused with `no_picture` for formats that have no pages to show.
    """
    kind = sniffing.kind_of(content, name)
    if kind == sniffing.PDF:
        picture = _pdf_page(content, number, width, password)
    elif kind in _PICTURES:
        picture = _frame(content, kind.label, number, width, limits)
    else:
        raise Refused(f"A {kind.label} has no page pictures.", action="Show its text instead.", code="no_picture")
    encoded = io.BytesIO()
    picture.save(encoded, "PNG", compress_level=3)
    return encoded.getvalue()


def _pdf_page(content: bytes, number: int, width: int, password: str | None) -> Image.Image:
    with pdfium.opened(content, password) as document:
        if not 1 <= number <= len(document):
            raise NotFound(f"The document has {len(document)} pages, not {number}.")
        page = pdfium.page_at(document, number - 1)
        page_width, page_height = page.get_size()
        scale = width / max(page_width, 1.0)
        scale = min(scale, _TALLEST_PIXELS / max(page_height, 1.0))
        return pdfium.picture_of(page, scale, grey=False)


def _frame(content: bytes, label: str, number: int, width: int, limits: Limits) -> Image.Image:
    picture = images.opened(content, label, limits)
    for index, frame in enumerate(ImageSequence.Iterator(picture), start=1):
        if index == number:
            shown = ImageOps.exif_transpose(frame).convert("RGB")
            height = min(max(round(shown.height * width / shown.width), 1), _TALLEST_PIXELS)
            return shown.resize((width, height), Image.Resampling.LANCZOS)
    raise NotFound(f"The picture has no page {number}.")
