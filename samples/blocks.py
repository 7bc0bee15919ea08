"""Drawing the blocks of a sheet one under the other, over columns and pages."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from samples.sheet import Block, Bullets, Checks, Heading, NewPage, Pairs, Paragraph, Sender, Signature, Table
from samples.typeset import GREY, INK, Pen, font, width, wrap

GUTTER = 22.0
TINT = "#eef1f5"


@dataclass(frozen=True)
class Frame:
    """Where text may stand, in points from the top left; `page_height` tells where the next page's text begins."""

    left: float
    right: float
    top: float
    bottom: float
    page_height: float

    @property
    def width(self) -> float:
        """Its width."""
        return self.right - self.left


class Flow:
    """A cursor that moves down a frame, to the next column, to the next page."""

    def __init__(self, pen: Pen, frame: Frame, family: str, size: float, accent: str, rng: Random) -> None:
        self.pen = pen
        self.frame = frame
        self.y = frame.top
        self.face, self.bold = font(family), font(family, True)
        self.size = size
        self.accent = accent
        self.rng = rng
        self.two_columns_later = False
        self._columns: list[Frame] = []
        self._whole = replace(frame, top=64.0)
        self._two = False

    @property
    def leading(self) -> float:
        """Distance of baselines."""
        return self.size * 1.38

    def need(self, height: float) -> None:
        """Make sure that `height` points are left, on this column or the next."""
        if self.y + height > self.frame.bottom:
            self.advance()

    def advance(self) -> None:
        """Go to the next column or page."""
        if self._columns:
            self.frame = self._columns.pop(0)
        else:
            self.pen.new_page()
            self._start_page()
        self.y = self.frame.top

    def split(self) -> None:
        """From here on, two columns: below what is on this page if half of it is free, else on a new page."""
        self._two = True
        half_free = self.frame.bottom - self.y > (self.frame.bottom - self._whole.top) / 2
        if half_free:
            self._set_columns(self.y + self.leading)
        else:
            self.pen.new_page()
            self._start_page()
        self.y = self.frame.top

    def _start_page(self) -> None:
        if self._two:
            self._set_columns(self._whole.top)
        else:
            self.frame = self._whole

    def _set_columns(self, top: float) -> None:
        whole = replace(self._whole, top=top)
        middle = (whole.left + whole.right) / 2
        self.frame = replace(whole, right=middle - GUTTER / 2)
        self._columns = [replace(whole, left=middle + GUTTER / 2)]


def draw(flow: Flow, block: Block) -> None:
    """Draw one block at the cursor and move the cursor below it."""
    match block:
        case Heading():
            _heading(flow, block)
        case Paragraph():
            _paragraph(flow, block)
        case Bullets():
            _bullets(flow, block)
        case Pairs():
            _pairs(flow, block)
        case Table():
            _table(flow, block)
        case Checks():
            _checks(flow, block)
        case Signature():
            _signature(flow, block)
        case NewPage():
            _new_page(flow)


def _new_page(flow: Flow) -> None:
    if flow.two_columns_later:
        flow.split()
    else:
        flow.advance()


def _heading(flow: Flow, block: Heading) -> None:
    flow.y += flow.size * 0.9
    flow.need(flow.leading * 6)
    size = flow.size * 1.16
    for line in wrap(block.text, flow.bold, size, flow.frame.width):
        flow.y += size * 1.2
        flow.pen.text(flow.frame.left, flow.y, line, flow.bold, size, flow.accent)
    flow.pen.line(flow.frame.left, flow.y + 4, flow.frame.right, flow.y + 4, flow.accent, 0.6)
    flow.y += 7


def _paragraph(flow: Flow, block: Paragraph) -> None:
    size = flow.size * (0.86 if block.tone == "small" else 1)
    face = flow.bold if block.tone in ("bold", "lead") else flow.face
    lines = wrap(block.text, face, size, flow.frame.width)
    # A bold line heads the text below it: never leave it alone at the foot of a column.
    flow.need((len(lines) + 3 if block.tone == "bold" else min(len(lines), 2)) * size * 1.38)
    for line in lines:
        flow.need(size * 1.38)
        flow.y += size * 1.38
        flow.pen.text(flow.frame.left, flow.y, line, face, size)
    flow.y += size * (0.25 if block.tone == "bold" else 0.62)


def _bullets(flow: Flow, block: Bullets) -> None:
    for number, item in enumerate(block.items, start=1):
        lines = wrap(item, flow.face, flow.size, flow.frame.width - 18)
        flow.need(len(lines) * flow.leading)
        flow.pen.text(
            flow.frame.left + 3, flow.y + flow.leading, f"{number}." if block.numbered else "•", flow.face, flow.size
        )
        for line in lines:
            flow.y += flow.leading
            flow.pen.text(flow.frame.left + 18, flow.y, line, flow.face, flow.size)
    flow.y += flow.size * 0.6


def _pairs(flow: Flow, block: Pairs) -> None:
    if block.boxed or block.columns == 2:
        _cells(flow, block)
        return
    label_width = min(0.46 * flow.frame.width, max(width(label, flow.face, flow.size) for label, _ in block.rows) + 22)
    flow.y += 2
    flow.need(min(len(block.rows), 5) * flow.leading)
    for label, value in block.rows:
        lines = wrap(value, flow.bold, flow.size, flow.frame.width - label_width)
        names = wrap(label, flow.face, flow.size, label_width - 8)
        flow.need(max(len(lines), len(names)) * flow.leading)
        for index, name in enumerate(names):
            flow.pen.text(flow.frame.left, flow.y + flow.leading * (index + 1), name, flow.face, flow.size, GREY)
        for index, line in enumerate(lines):
            flow.pen.text(
                flow.frame.left + label_width, flow.y + flow.leading * (index + 1), line, flow.bold, flow.size
            )
        flow.y += flow.leading * max(len(lines), len(names)) + 1.5
    flow.y += flow.size * 0.7


def _cells(flow: Flow, block: Pairs) -> None:
    """Labels small above their values, in a grid."""
    columns = block.columns
    cell = flow.frame.width / columns
    small = flow.size * 0.76
    flow.y += 5
    for start in range(0, len(block.rows), columns):
        row = block.rows[start : start + columns]
        wrapped = [wrap(value, flow.face, flow.size, cell - 14) for _, value in row]
        height = small * 1.5 + max(len(lines) for lines in wrapped) * flow.leading + 5
        flow.need(height)
        for index, ((label, _), lines) in enumerate(zip(row, wrapped, strict=True)):
            x = flow.frame.left + index * cell
            if block.boxed:
                flow.pen.rect((x, flow.y, x + cell, flow.y + height), border="#9aa3b2")
            flow.pen.text(x + (6 if block.boxed else 0), flow.y + small * 1.35, label, flow.face, small, GREY)
            for number, line in enumerate(lines):
                baseline = flow.y + small * 1.4 + (number + 1) * flow.leading - 1
                flow.pen.text(x + (6 if block.boxed else 0), baseline, line, flow.face, flow.size)
        flow.y += height + (0 if block.boxed else 2)
    flow.y += flow.size * 0.8


def _table(flow: Flow, block: Table) -> None:
    edges = [flow.frame.left]
    for share in block.widths:
        edges.append(edges[-1] + share * flow.frame.width)
    flow.y += 6
    _table_head(flow, block, edges)
    for number, row in enumerate(block.rows):
        wrapped = [wrap(cell, flow.face, flow.size * 0.94, edges[i + 1] - edges[i] - 10) for i, cell in enumerate(row)]
        height = max(len(lines) for lines in wrapped) * flow.leading + 4
        flow.need(height)
        if number % 2:
            flow.pen.rect((edges[0], flow.y, edges[-1], flow.y + height), fill="#f7f8fa", border=None)
        for index, lines in enumerate(wrapped):
            for at, line in enumerate(lines):
                _cell_text(
                    flow, block, edges, index, flow.y + (at + 1) * flow.leading - 1, line, flow.face, flow.size * 0.94
                )
        flow.y += height
        flow.pen.line(edges[0], flow.y, edges[-1], flow.y, "#cbd2dc", 0.4)
    _totals(flow, block, edges)
    flow.y += flow.size * 0.9


def _table_head(flow: Flow, block: Table, edges: list[float]) -> None:
    size = flow.size * 0.86
    wrapped = [wrap(name, flow.bold, size, edges[i + 1] - edges[i] - 10) for i, name in enumerate(block.header)]
    height = max(len(lines) for lines in wrapped) * size * 1.3 + 8
    flow.need(height + flow.leading * 2)
    flow.pen.rect((edges[0], flow.y, edges[-1], flow.y + height), fill=TINT, border=None)
    for index, lines in enumerate(wrapped):
        for at, line in enumerate(lines):
            _cell_text(flow, block, edges, index, flow.y + 3 + (at + 1) * size * 1.3, line, flow.bold, size)
    flow.y += height
    flow.pen.line(edges[0], flow.y, edges[-1], flow.y, flow.accent, 0.9)


def _cell_text(
    flow: Flow, block: Table, edges: list[float], index: int, y: float, line: str, face: str, size: float
) -> None:
    align = block.align[index]
    left, right = edges[index] + 5, edges[index + 1] - 5
    x = {"l": left, "r": right, "c": (left + right) / 2}[align]
    flow.pen.text(x, y, line, face, size, INK, align)


def _totals(flow: Flow, block: Table, edges: list[float]) -> None:
    for number, (label, value) in enumerate(block.totals):
        last = number == len(block.totals) - 1
        face = flow.bold if last else flow.face
        flow.need(flow.leading + 4)
        if last and len(block.totals) > 1:
            flow.pen.line(edges[len(edges) // 2 - 1], flow.y + 6, edges[-1], flow.y + 6, flow.accent, 0.9)
            flow.y += 7
        flow.y += flow.leading + 1
        right = edges[-1] - 5
        flow.pen.text(right - max(width(value, face, flow.size), 76) - 16, flow.y, label, face, flow.size, INK, "r")
        flow.pen.text(right, flow.y, value, face, flow.size, INK, "r")
    if block.totals:
        flow.y += 4


def _checks(flow: Flow, block: Checks) -> None:
    flow.need(flow.leading * 1.4)
    flow.y += flow.leading
    x = flow.frame.left
    flow.pen.text(x, flow.y, block.question, flow.face, flow.size)
    x += width(block.question, flow.face, flow.size) + 18
    for name, ticked in block.options:
        side = flow.size * 0.82
        flow.pen.rect((x, flow.y - side, x + side, flow.y), border=INK)
        if ticked:
            flow.pen.line(x + 1.5, flow.y - side + 1.5, x + side - 1.5, flow.y - 1.5, INK, 1.1)
            flow.pen.line(x + 1.5, flow.y - 1.5, x + side - 1.5, flow.y - side + 1.5, INK, 1.1)
        flow.pen.text(x + side + 5, flow.y, name, flow.face, flow.size)
        x += side + width(name, flow.face, flow.size) + 22
    flow.y += flow.size * 0.5


def _signature(flow: Flow, block: Signature) -> None:
    above = wrap(block.above, flow.face, flow.size, flow.frame.width)
    flow.need((len(above) + 3) * flow.leading + 34)
    flow.y += flow.size * 0.6
    for line in above:
        flow.y += flow.leading
        flow.pen.text(flow.frame.left, flow.y, line, flow.face, flow.size)
    _scribble(flow, flow.frame.left + 4, flow.y + 22)
    flow.y += 40
    for line in (block.name, block.role):
        if line:
            flow.y += flow.leading * 0.94
            flow.pen.text(flow.frame.left, flow.y, line, flow.face, flow.size)
    flow.y += flow.size


def _scribble(flow: Flow, x: float, y: float) -> None:
    """A signature: a few loops in ball-pen blue."""
    rng = flow.rng
    points = [(x, y + rng.uniform(-4, 6))]
    for _ in range(rng.randint(3, 6)):
        step = rng.uniform(12, 26)
        points += [
            (x + step * 0.2, y - rng.uniform(8, 24)),
            (x + step * 1.1, y + rng.uniform(4, 18)),
            (x + step, y + rng.uniform(-6, 6)),
        ]
        x += step
    flow.pen.curve(points, "#23308f", 1.0)


def mark(pen: Pen, sender: Sender, x: float, y: float, radius: float, colour: str, paper: str, face: str) -> None:
    """The sender's logo around `(x, y)`: a crescent over a hill, an initial, a cross, or plain arms."""
    if sender.mark == "moon":
        pen.disc(x, y, radius, colour)
        pen.disc(x + radius * 0.42, y - radius * 0.22, radius * 0.78, paper)
        pen.curve(
            [
                (x - radius, y + radius),
                (x - radius * 0.2, y + radius * 0.2),
                (x + radius * 0.4, y + radius * 0.5),
                (x + radius * 1.2, y + radius),
            ],
            colour,
            2.4,
        )
    elif sender.mark == "initial":
        pen.rect((x - radius, y - radius, x + radius, y + radius), fill=colour, border=None, radius=4)
        pen.text(x, y + radius * 0.45, sender.name[0], face, radius * 1.3, paper, "c")
    elif sender.mark == "cross":
        third = radius / 3
        pen.rect((x - third, y - radius, x + third, y + radius), fill=colour, border=None)
        pen.rect((x - radius, y - third, x + radius, y + third), fill=colour, border=None)
    else:
        pen.rect((x - radius * 0.8, y - radius, x + radius * 0.8, y + radius), fill=None, border=colour, radius=5)
        pen.line(x - radius * 0.8, y, x + radius * 0.8, y, colour, 2)
