"""How a sheet looks on paper: letters, forms, policies, invoices, reports, cards.

A `Theme` is a house style: a private letter, the insurer's old or new forms, a workshop's invoice program.
Nothing here decides what a document says.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from samples import blocks
from samples.blocks import Flow, Frame
from samples.draft import wording
from samples.printing import Language
from samples.sheet import Pairs, Paragraph, Sheet
from samples.typeset import A4, GREY, INK, PageInk, Pen, font, wrap


@dataclass(frozen=True)
class Theme:
    """Type, colour and placement; sizes in points."""

    family: str
    size: float
    accent: str
    head: str  # left | right | centred | band
    window: str  # where the recipient stands: left | right
    margin: float


@dataclass(frozen=True)
class Print:
    """A rendered PDF: its bytes and its pages with the exact place of each word."""

    pdf: bytes
    pages: list[PageInk]
    width: float
    height: float


INSURER_THEMES = (
    Theme("Sans", 10.4, "#17406d", "left", "right", 62),
    Theme("Vera", 8.8, "#0f5c57", "band", "left", 56),
    Theme("Serif", 10.2, "#17406d", "right", "left", 68),
)
PRIVATE_THEMES = (
    Theme("Serif", 11.2, INK, "left", "right", 72),
    Theme("Sans", 11.2, INK, "left", "right", 76),
    Theme("Vera", 9.4, INK, "right", "left", 70),
    Theme("Serif", 10.6, INK, "centred", "left", 80),
)
FIRM_THEMES = (
    Theme("Sans", 10.2, "#a4371f", "left", "right", 54),
    Theme("Vera", 8.6, "#2d3a8c", "band", "left", 52),
    Theme("Serif", 10.2, "#3c5a2b", "centred", "right", 64),
    Theme("Sans", 9.8, "#5b3a75", "right", "left", 58),
    Theme("Vera", 8.8, "#333a45", "left", "left", 60),
)


def theme_of(sheet: Sheet, rng: Random) -> Theme:
    """A house style that suits the sender."""
    if sheet.sender.mark == "moon":
        return rng.choice(INSURER_THEMES)
    return rng.choice(PRIVATE_THEMES if sheet.sender.mark == "none" else FIRM_THEMES)


def render(sheet: Sheet, language: Language, rng: Random) -> Print:
    """Draw the sheet in a style chosen by `rng`."""
    theme = theme_of(sheet, rng)
    pen = Pen(A4)
    if sheet.look == "card":
        _card(pen, sheet, theme)
    else:
        _pages(pen, sheet, theme, language, rng)
    return Print(pen.pdf(sheet.running_title or sheet.title, sheet.sender.name), pen.pages, pen.width, pen.height)


def _pages(pen: Pen, sheet: Sheet, theme: Theme, language: Language, rng: Random) -> None:
    left, right = theme.margin, pen.width - theme.margin
    y = _letterhead(pen, sheet, theme)
    y = _addresses(pen, sheet, theme, y)
    face, bold = font(theme.family), font(theme.family, True)
    large = sheet.look in ("form", "policy", "invoice", "report")
    size = theme.size * (1.55 if large else 1.08)
    y += 16 if large else 10
    for line in wrap(sheet.title, bold, size, right - left):
        y += size * 1.25
        pen.text(left, y, line, bold, size, theme.accent if large else INK)
    frame = Frame(left, right, y + (14 if large else 10), pen.height - 78, pen.height)
    flow = Flow(pen, frame, theme.family, theme.size, theme.accent, rng)
    flow.two_columns_later = sheet.look == "policy"
    for block in sheet.blocks:
        blocks.draw(flow, block)
    _running(pen, sheet, theme, language, face)


def _letterhead(pen: Pen, sheet: Sheet, theme: Theme) -> float:
    """The sender at the top; returns the lowest y it used."""
    sender, left, right = sheet.sender, theme.margin, pen.width - theme.margin
    face, bold = font(theme.family), font(theme.family, True)
    if sender.mark == "none":
        x, anchor = {"left": (left, "l"), "right": (right, "r")}.get(theme.head, (pen.width / 2, "c"))
        pen.text(x, 66, sender.name, bold, theme.size, INK, anchor)
        for index, line in enumerate(sender.lines):
            pen.text(x, 66 + (index + 1) * theme.size * 1.3, line, face, theme.size, INK, anchor)
        return 66 + len(sender.lines) * theme.size * 1.3
    if theme.head == "band":
        pen.rect((0, 0, pen.width, 64), fill=theme.accent, border=None)
        blocks.mark(pen, sender, left + 16, 33, 15, "#ffffff", theme.accent, bold)
        pen.text(left + 42, 39, sender.name, bold, 16, "#ffffff")
        for index, line in enumerate(sender.lines):
            pen.text(right, 84 + index * 10.5, line, face, 8, GREY, "r")
        return 84 + len(sender.lines) * 10.5
    return _plain_head(pen, sheet, theme, left, right)


def _plain_head(pen: Pen, sheet: Sheet, theme: Theme, left: float, right: float) -> float:
    sender = sheet.sender
    face, bold = font(theme.family), font(theme.family, True)
    x, anchor = {"left": (left, "l"), "right": (right, "r")}.get(theme.head, (pen.width / 2, "c"))
    y = 62.0
    if sender.mark != "none" and anchor == "l":
        blocks.mark(pen, sender, left + 17, 57, 17, theme.accent, "#ffffff", bold)
        x += 44
    pen.text(x, y, sender.name, bold, 15, theme.accent, anchor)
    if sender.tagline:
        y += 12
        pen.text(x, y, sender.tagline, face, 8.2, GREY, anchor)
    for line in sender.lines:
        y += 11
        pen.text(x, y, line, face, 8.2, GREY, anchor)
    if anchor == "c":
        pen.line(left, y + 9, right, y + 9, theme.accent, 0.9)
    return y + 6


def _addresses(pen: Pen, sheet: Sheet, theme: Theme, y: float) -> float:
    """Recipient, date line and references; returns the lowest y used."""
    left, right = theme.margin, pen.width - theme.margin
    face, step = font(theme.family), theme.size * 1.32
    middle = left + (right - left) * 0.56
    top = max(y + 26, 132) if sheet.recipient else y + 16
    at, other = (middle, left) if theme.window == "right" else (left, middle)
    low = top
    for index, line in enumerate(sheet.recipient):
        pen.text(at, top + index * step, line, face, theme.size)
        low = top + index * step
    beside = top
    for label, value in sheet.references:
        space = right - other if other == middle else middle - left - 14
        pen.text(other, beside, label, face, theme.size * 0.8, GREY)
        for line in wrap(value, face, theme.size, space):
            beside += theme.size * 1.12
            pen.text(other, beside, line, face, theme.size)
        beside += theme.size * 1.5
    low = max(low, beside - theme.size if sheet.references else low)
    if sheet.place_date:
        low += step * 1.9
        anchor, x = ("r", right) if theme.window == "left" else ("l", middle)
        pen.text(x, low, sheet.place_date, face, theme.size, INK, anchor)
    return low + 6


def _running(pen: Pen, sheet: Sheet, theme: Theme, language: Language, face: str) -> None:
    """Foot of every page, head of the following ones."""
    left, right = theme.margin, pen.width - theme.margin
    pattern = wording("common")["page"][language]
    for number, page in enumerate(pen.pages, start=1):
        pen.page = page
        if number > 1 and sheet.running_title:
            pen.text(left, 40, sheet.running_title, face, 8, GREY)
            pen.text(right, 40, sheet.sender.name, face, 8, GREY, "r")
            pen.line(left, 46, right, 46)
        if sheet.footer:
            pen.line(left, pen.height - 50, right, pen.height - 50, theme.accent, 0.6)
        low = pen.height - 39
        for line in (part for text in sheet.footer for part in wrap(text, face, 7, right - left)):
            pen.text(left, low, line, face, 7, GREY)
            low += 9
        if sheet.footer and (len(pen.pages) > 1 or sheet.look == "form"):
            pen.text(right, pen.height - 20, pattern.format(n=number, of=len(pen.pages)), face, 7, GREY, "r")


def _card(pen: Pen, sheet: Sheet, theme: Theme) -> None:
    """An identity card copied onto a page: the front with photograph, the back with the machine lines."""
    face, bold = font("Sans"), font("Sans", True)
    x0, y0, x1, y1 = 150.0, 130.0, 446.0, 318.0
    pen.rect((x0, y0, x1, y1), fill="#e9eef4", border="#8a94a6", radius=10)
    pen.text(x0 + 14, y0 + 22, sheet.sender.name, bold, 9.5, theme.accent)
    pen.text(x0 + 14, y0 + 35, sheet.title, face, 8.5, INK)
    _photo(pen, x0 + 14, y0 + 48)
    pairs = next(block for block in sheet.blocks if isinstance(block, Pairs))
    for index, (label, value) in enumerate(pairs.rows):
        column, row = (0, index) if index < 4 else (1, index - 2)
        x, y = x0 + 108 + column * 100, y0 + 54 + row * 33
        pen.text(x, y, label, face, 6.5, GREY)
        pen.text(x, y + 12, value, bold, 10, INK)
    back = y1 + 40
    pen.rect((x0, back, x1, back + 188), fill="#e9eef4", border="#8a94a6", radius=10)
    pen.rect((x0 + 16, back + 22, x0 + 60, back + 54), fill="#d8c47a", border="#9a8a4a", radius=4)
    pen.rect((x0, back + 116, x1, back + 176), fill="#f8f8f4", border=None)
    lines = [block.text for block in sheet.blocks if isinstance(block, Paragraph)]
    for index, line in enumerate(lines):
        pen.text(x0 + 14, back + 132 + index * 17, line, font("Vera"), 10.5, INK)
    pen.text(pen.width / 2, back + 230, sheet.footer[0], face, 9, GREY, "c")


def _photo(pen: Pen, x: float, y: float) -> None:
    pen.rect((x, y, x + 78, y + 100), fill="#cfd6df", border="#8a94a6")
    pen.disc(x + 39, y + 40, 19, "#8e97a5")
    pen.curve([(x + 8, y + 99), (x + 10, y + 58), (x + 68, y + 58), (x + 70, y + 99)], "#8e97a5", 8)
