"""Plain text, Markdown, JSON, calendars: lines as they are, a form feed begins a new page."""

from __future__ import annotations

from services.ingest.cleaning import clean_text
from services.ingest.composing import words_in
from services.ingest.encodings import decode
from services.ingest.limits import Limits, corrupt, too_large
from shared.documents import Page, Reading


def read_text(content: bytes, media_type: str, limits: Limits) -> Reading:
    """The text with its line structure; runs of blank lines become one."""
    text, encoding = decode(content)
    cleaned = _at_most_one_blank_line(clean_text(text)).strip("\n")
    if len(cleaned) > limits.characters:
        raise too_large("characters", len(cleaned), limits.characters)
    strange = cleaned.count("\ufffd")
    if strange > 0.05 * len(cleaned) + 5:
        raise corrupt("text file", f"{strange} of its {len(cleaned)} characters cannot be decoded")
    notes = [] if encoding.startswith(("utf-8", "cp1252")) else [f"The text was decoded as {encoding}."]
    return Reading(cleaned, _pages(cleaned), media_type, notes=notes)


def _at_most_one_blank_line(text: str) -> str:
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text


def _pages(text: str) -> list[Page]:
    pages: list[Page] = []
    start = 0
    for number, part in enumerate(text.split("\f"), start=1):
        end = start + len(part)
        words = words_in(text, start, end)
        pages.append(Page(number, 0.0, 0.0, start, end, words, "text" if words else "none"))
        start = end + 1
    return pages
