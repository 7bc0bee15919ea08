"""What stands on a document, before anybody decides how it looks.

A `Sheet` is read by the renderers (PDF, DOCX, HTML, text, e-mail); it knows nothing about fonts or pages.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Tone = Literal["body", "small", "bold", "lead"]


@dataclass(frozen=True)
class Heading:
    """A section heading."""

    text: str


@dataclass(frozen=True)
class Paragraph:
    """Running text."""

    text: str
    tone: Tone = "body"


@dataclass(frozen=True)
class Bullets:
    """A list of points; `numbered` counts them."""

    items: tuple[str, ...]
    numbered: bool = False


@dataclass(frozen=True)
class Pairs:
    """Labelled values, as a form or a reference block has them; `columns` is 1 or 2."""

    rows: tuple[tuple[str, str], ...]
    columns: int = 1
    boxed: bool = False


@dataclass(frozen=True)
class Table:
    """A table; `align` has one of `l`, `r`, `c` per column; `totals` stand under the last column."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    align: str
    widths: tuple[float, ...]
    totals: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Checks:
    """A question with boxes to tick."""

    question: str
    options: tuple[tuple[str, bool], ...]


@dataclass(frozen=True)
class Signature:
    """Where somebody signs: a line of greeting or place and date, a scribble, the name and role under it."""

    above: str
    name: str
    role: str = ""


@dataclass(frozen=True)
class NewPage:
    """What follows starts on a new page, where there are pages."""


Block = Heading | Paragraph | Bullets | Pairs | Table | Checks | Signature | NewPage


@dataclass(frozen=True)
class Sender:
    """The letterhead; `mark` is the logo: `moon` for the insurer, `initial` for a firm, `none` for a private letter."""

    name: str
    lines: tuple[str, ...]
    mark: Literal["moon", "initial", "cross", "arms", "none"] = "none"
    tagline: str = ""


@dataclass(frozen=True)
class Sheet:
    """One document's content. Empty strings and tuples mean: not on this document.

    `look` names the family of layouts the renderer may choose from.
    """

    look: Literal["letter", "form", "policy", "invoice", "report", "card", "mail"]
    sender: Sender
    title: str
    blocks: tuple[Block, ...]
    recipient: tuple[str, ...] = ()
    place_date: str = ""
    references: tuple[tuple[str, str], ...] = ()
    footer: tuple[str, ...] = ()
    running_title: str = ""
    photo: bool = field(default=False)
