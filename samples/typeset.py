"""Ink on pages: fonts, lines of text, and the exact box of every word.

Coordinates are points from the page's top left. Pages are kept as strokes until the last is known, so that
"page 1 of 3" can be written on the first. It knows nothing of letters or invoices.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path

import reportlab
from reportlab.lib.colors import HexColor
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from shared.documents import Box

A4 = (595.28, 841.89)
INK = "#1c1f26"
GREY = "#5c6370"

#: Families and their files: Source Sans and Serif from their font packages, Vera from reportlab itself.
FAMILIES = {
    "Sans": ("font_source_sans_pro", "SourceSansPro-Regular.ttf", "SourceSansPro-Semibold.ttf"),
    "Serif": ("font_source_serif_pro", "SourceSerifPro-Regular.ttf", "SourceSerifPro-Semibold.ttf"),
    "Vera": ("reportlab", "Vera.ttf", "VeraBd.ttf"),
}


@cache
def font(family: str, bold: bool = False) -> str:
    """The registered name of a face; registers it on first use."""
    package, regular, heavy = FAMILIES[family]
    name = f"{family}-{'Bold' if bold else 'Regular'}"
    file = heavy if bold else regular
    if package == "reportlab":
        path = Path(reportlab.__file__).parent / "fonts" / file
    else:
        path = Path(str(resources.files(package))) / "files" / file
    pdfmetrics.registerFont(TTFont(name, str(path)))
    return name


def width(text: str, face: str, size: float) -> float:
    """Width of the text in points."""
    return float(pdfmetrics.stringWidth(text, face, size))


def wrap(text: str, face: str, size: float, available: float) -> list[str]:
    """Lines no wider than `available`, broken at ordinary spaces; a single longer word is broken where it must be."""
    lines: list[str] = []
    for part in text.split("\n"):
        line = ""
        for word in part.split(" "):
            candidate = f"{line} {word}" if line else word
            if width(candidate, face, size) <= available:
                line = candidate
                continue
            if line:
                lines.append(line)
            line = word
            while width(line, face, size) > available:
                cut = next(n for n in range(len(line) - 1, 0, -1) if n == 1 or width(line[:n], face, size) <= available)
                lines.append(line[:cut])
                line = line[cut:]
        lines.append(line)
    return lines


@dataclass(frozen=True)
class PlacedWord:
    """A word and its box; the box spans the face's ascent and descent."""

    text: str
    box: Box


@dataclass
class PageInk:
    """What is on one page: strokes in drawing order, and its words in that order."""

    strokes: list[Callable[[Canvas], None]] = field(default_factory=list)
    words: list[PlacedWord] = field(default_factory=list)


class Pen:
    """Draws on pages of one size."""

    def __init__(self, size: tuple[float, float] = A4) -> None:
        self.width, self.height = size
        self.pages = [PageInk()]
        self.page = self.pages[0]

    def new_page(self) -> None:
        """Continue on a fresh page."""
        self.page = PageInk()
        self.pages.append(self.page)

    def text(self, x: float, y: float, text: str, face: str, size: float, colour: str = INK, anchor: str = "l") -> None:
        """One line with its baseline at `y`; `x` is its left end, right end (`r`) or middle (`c`)."""
        x -= {"l": 0.0, "r": 1.0, "c": 0.5}[anchor] * width(text, face, size)

        def stroke(canvas: Canvas) -> None:
            canvas.setFont(face, size)
            canvas.setFillColor(HexColor(colour))
            canvas.drawString(x, self.height - y, text)

        self.page.strokes.append(stroke)
        ascent, descent = pdfmetrics.getAscentDescent(face, size)
        position = 0
        for word in text.split():
            start = text.index(word, position)
            position = start + len(word)
            left = x + width(text[:start], face, size)
            right = left + width(word, face, size)
            self.page.words.append(PlacedWord(word, (left, y - ascent, right, y - descent)))

    def line(self, x0: float, y0: float, x1: float, y1: float, colour: str = GREY, thickness: float = 0.5) -> None:
        """A straight line."""

        def stroke(canvas: Canvas) -> None:
            canvas.setStrokeColor(HexColor(colour))
            canvas.setLineWidth(thickness)
            canvas.line(x0, self.height - y0, x1, self.height - y1)

        self.page.strokes.append(stroke)

    def rect(self, box: Box, fill: str | None = None, border: str | None = GREY, radius: float = 0) -> None:
        """A rectangle, filled or outlined or both."""
        x0, y0, x1, y1 = box

        def stroke(canvas: Canvas) -> None:
            canvas.setLineWidth(0.5)
            if fill:
                canvas.setFillColor(HexColor(fill))
            if border:
                canvas.setStrokeColor(HexColor(border))
            shape = (x0, self.height - y1, x1 - x0, y1 - y0)
            canvas.roundRect(*shape, radius, stroke=int(border is not None), fill=int(fill is not None))

        self.page.strokes.append(stroke)

    def curve(self, points: list[tuple[float, float]], colour: str, thickness: float = 0.9) -> None:
        """A smooth line through Bézier points: a start, then triples of control, control, end."""

        def stroke(canvas: Canvas) -> None:
            canvas.setStrokeColor(HexColor(colour))
            canvas.setLineWidth(thickness)
            canvas.setLineCap(1)
            path = canvas.beginPath()
            path.moveTo(points[0][0], self.height - points[0][1])
            for index in range(1, len(points) - 2, 3):
                flat = [value for x, y in points[index : index + 3] for value in (x, self.height - y)]
                path.curveTo(*flat)
            canvas.drawPath(path)

        self.page.strokes.append(stroke)

    def disc(self, x: float, y: float, radius: float, fill: str) -> None:
        """A filled circle."""

        def stroke(canvas: Canvas) -> None:
            canvas.setFillColor(HexColor(fill))
            canvas.circle(x, self.height - y, radius, stroke=0, fill=1)

        self.page.strokes.append(stroke)

    def pdf(self, title: str, author: str) -> bytes:
        """The pages as a PDF whose bytes depend on nothing but what was drawn."""
        buffer = io.BytesIO()
        canvas = Canvas(buffer, pagesize=(self.width, self.height), invariant=1, pageCompression=1)
        canvas.setTitle(title)
        canvas.setAuthor(author)
        for page in self.pages:
            for stroke in page.strokes:
                stroke(canvas)
            canvas.showPage()
        canvas.save()
        return buffer.getvalue()
