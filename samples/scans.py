"""From clean pages to what the mail room's scanner makes of them: crooked, grey, noisy, sometimes on their side.

Word boxes follow the page: they are given in the coordinates of the delivered image, before anybody straightens
or turns it. The same page and seed give the same bytes.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pikepdf
import pypdfium2
from PIL import Image

from samples.pdf import Print
from samples.typeset import PlacedWord

Container = Literal["pdf", "png", "tiff"]


@dataclass(frozen=True)
class Wear:
    """How bad the scan is: `angle` in degrees (counter-clockwise), `noise` in grey levels, `turned` by 90°."""

    angle: float
    dpi: int
    noise: float
    quality: int
    turned: bool = False
    colour: bool = False


@dataclass(frozen=True)
class Scan:
    """The file, and each page's width, height (points) and words."""

    content: bytes
    pages: list[tuple[float, float, list[PlacedWord]]]


def scan(page_print: Print, wear: Wear, container: Container, seed: int) -> Scan:
    """Scan every page of `page_print`; PNG holds the first page only."""
    document = pypdfium2.PdfDocument(page_print.pdf)
    count = 1 if container == "png" else len(document)
    images = [_worn(document[number], wear, seed + number) for number in range(count)]
    document.close()
    truths = []
    for image, ink in zip(images, page_print.pages, strict=False):
        size = (image.width * 72 / wear.dpi, image.height * 72 / wear.dpi)
        words = [_moved(word, wear, page_print.width, page_print.height) for word in ink.words]
        truths.append((*size, words))
    writer = {"pdf": _pdf, "png": _png, "tiff": _tiff}[container]
    return Scan(writer(images, wear), truths)


def _worn(page: pypdfium2.PdfPage, wear: Wear, seed: int) -> Image.Image:
    image = page.render(scale=wear.dpi / 72).to_pil().convert("RGB" if wear.colour else "L")
    paper = (249, 248, 244) if wear.colour else 247
    image = image.rotate(wear.angle, resample=Image.Resampling.BILINEAR, fillcolor=paper)
    generator = np.random.default_rng(seed)
    pixels = np.asarray(image, dtype=np.float32)
    grain = generator.standard_normal(pixels.shape[:2], dtype=np.float32) * wear.noise
    # Light falls off towards one side, as under a lid that does not quite close.
    shade = np.linspace(0, -9 * generator.random(), pixels.shape[1], dtype=np.float32)[None, :]
    worn = grain + shade
    pixels = pixels * 0.955 + (worn[..., None] if wear.colour else worn)
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    return image.transpose(Image.Transpose.ROTATE_90) if wear.turned else image


def _moved(word: PlacedWord, wear: Wear, width: float, height: float) -> PlacedWord:
    """The smallest upright box around the word's rotated box."""
    angle = math.radians(wear.angle)
    x0, y0, x1, y1 = word.box
    corners = []
    for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1)):
        dx, dy = x - width / 2, y - height / 2
        moved_x = width / 2 + dx * math.cos(angle) + dy * math.sin(angle)
        moved_y = height / 2 - dx * math.sin(angle) + dy * math.cos(angle)
        corners.append((moved_y, width - moved_x) if wear.turned else (moved_x, moved_y))
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    return PlacedWord(word.text, (min(xs), min(ys), max(xs), max(ys)))


def _jpeg(image: Image.Image, wear: Wear) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=wear.quality)
    return buffer.getvalue()


def _pdf(images: list[Image.Image], wear: Wear) -> bytes:
    """An image-only PDF, one JPEG per page."""
    pdf = pikepdf.new()
    for image in images:
        width, height = image.width * 72 / wear.dpi, image.height * 72 / wear.dpi
        pdf.add_blank_page(page_size=(width, height))
        picture = pikepdf.Stream(
            pdf,
            _jpeg(image, wear),
            Type=pikepdf.Name.XObject,
            Subtype=pikepdf.Name.Image,
            Width=image.width,
            Height=image.height,
            ColorSpace=pikepdf.Name.DeviceRGB if wear.colour else pikepdf.Name.DeviceGray,
            BitsPerComponent=8,
            Filter=pikepdf.Name.DCTDecode,
        )
        page = pdf.pages[-1]
        page.obj.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(Im0=picture))
        page.obj.Contents = pikepdf.Stream(pdf, f"q {width:.3f} 0 0 {height:.3f} 0 0 cm /Im0 Do Q".encode())
    buffer = io.BytesIO()
    pdf.save(buffer, deterministic_id=True)
    return buffer.getvalue()


def _png(images: list[Image.Image], wear: Wear) -> bytes:
    # Sixteen greys: as small as an office scanner makes it, and no worse to read.
    buffer = io.BytesIO()
    image = images[0] if wear.colour else images[0].point(lambda level: round(level / 17) * 17)
    image.save(buffer, "PNG", dpi=(wear.dpi, wear.dpi), optimize=False)
    return buffer.getvalue()


def _tiff(images: list[Image.Image], wear: Wear) -> bytes:
    """A fax-like, black and white, multi-page TIFF."""
    buffer = io.BytesIO()
    pages = [image.convert("L").point(lambda level: 255 if level > 150 else 0).convert("1") for image in images]
    pages[0].save(
        buffer, "TIFF", compression="group4", dpi=(wear.dpi, wear.dpi), save_all=True, append_images=pages[1:]
    )
    return buffer.getvalue()
