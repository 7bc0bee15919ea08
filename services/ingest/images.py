"""Pictures of pages: PNG, JPEG, TIFF with several frames, WebP, HEIC, GIF, BMP."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator

import pillow_heif
from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError

from services.ingest.limits import Limits, corrupt, too_large

#: A resolution outside of this range in a file's header is a default nobody set.
_BELIEVABLE_DPI = (100, 1200)
#: Long side of A4 and close to that of Letter, in inches: what a picture without a resolution is taken to show.
_PAGE_INCHES = 11.7


def frames(content: bytes, label: str, limits: Limits) -> Iterator[tuple[Image.Image, float]]:
    """Each frame in greyscale, upright by its EXIF tag, with its resolution in dots per inch.

    Raises Refused where the bytes are no picture or a frame has more pixels than the limit; pixels are counted
    before they are decoded.
    """
    picture = opened(content, label, limits)
    for number, frame in enumerate(ImageSequence.Iterator(picture), start=1):
        if number > limits.pages:
            raise too_large("frames", getattr(picture, "n_frames", number), limits.pages)
        _check_size(frame, limits)
        try:
            upright = ImageOps.exif_transpose(frame)
            yield flattened(upright), dots_per_inch(upright)
        except (OSError, ValueError, SyntaxError, EOFError) as wrong:
            raise corrupt(label, "its pixels are damaged or cut off", private=repr(wrong)) from wrong
        if picture.format in ("GIF", "WEBP"):
            return  # later frames are an animation, not pages


def opened(content: bytes, label: str, limits: Limits) -> Image.Image:
    """The picture, not decoded yet. Raises Refused as `frames` does."""
    pillow_heif.register_heif_opener()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            Image.MAX_IMAGE_PIXELS = None  # our own limit, with our own words, is checked right below
            picture = Image.open(io.BytesIO(content))
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, KeyError) as wrong:
        raise corrupt(label, "its header is damaged", private=repr(wrong)) from wrong
    _check_size(picture, limits)
    return picture


def _check_size(picture: Image.Image, limits: Limits) -> None:
    if picture.width * picture.height > limits.pixels:
        raise too_large("pixels in one picture", picture.width * picture.height, limits.pixels)


def flattened(picture: Image.Image) -> Image.Image:
    """The picture in 8-bit grey on white paper."""
    if picture.mode.startswith(("I", "F")):
        low, high = picture.getextrema()
        scale = 255.0 / max(float(high) - float(low), 1.0)  # type: ignore[arg-type]
        return picture.point(lambda value: (value - low) * scale).convert("L")
    if "A" in picture.getbands() or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        paper = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(paper, layer).convert("L")
    return picture.convert("L")


def dots_per_inch(picture: Image.Image) -> float:
    """The resolution the file states where that is believable, else that of a page of A4 size."""
    stated = picture.info.get("dpi", (0, 0))
    dpi = float(stated[0]) if isinstance(stated, tuple) and stated and stated[0] else 0.0
    low, high = _BELIEVABLE_DPI
    if low <= dpi <= high and picture.height / dpi < 40:
        return dpi
    return max(max(picture.size) / _PAGE_INCHES, 36.0)
