"""RTF: the text without its formatting, with running headers and footers and the notes at the foot, each marked.

The converter passes over those destinations, so they are cut out first and converted by themselves.
"""

from __future__ import annotations

import re

from striprtf.striprtf import rtf_to_text

from services.ingest.drafting import Draft
from services.ingest.limits import Limits, corrupt
from shared.documents import MarkKind, Reading

_CODEPAGE = re.compile(r"\\ansicpg(\d{3,5})")
#: [RTF 1.9.1] "Headers and Footers", "Footnotes": left, right and first pages may have headers of their own.
_DESTINATION = re.compile(r"\{\s*(?:\\\*)?\\(header|footer|footnote)[lrf]?(?![a-z])")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_FONTS = re.compile(r"\{\s*\\fonttbl(?![a-z])")


def read_rtf(content: bytes, media_type: str, limits: Limits) -> Reading:
    """Headers first, then the body, then footnotes and footers; table cells stay on one line."""
    source = content.decode("latin-1")
    codepage = _CODEPAGE.search(source, 0, 2_000)
    encoding = f"cp{codepage.group(1)}" if codepage else "cp1252"
    fonts = _group_at(source, found.start()) if (found := _FONTS.search(source, 0, 20_000)) else ""
    parts: dict[str, dict[str, None]] = {"header": {}, "footnote": {}, "footer": {}}  # each text once, in order
    for kind, group in _destinations(source):
        body = group[_DESTINATION.match(group).end() :]  # type: ignore[union-attr]  # it was found by it
        parts[kind].setdefault(_plain("{\\rtf1\\ansi " + fonts + "\\pard " + body, encoding).strip())
    draft = Draft(limits)
    _marked(draft, parts["header"], "header")
    for line in _plain(source, encoding).split("\n"):
        if line.count("|") >= 2 and line.rstrip().endswith("|"):
            draft.row(line.rstrip().rstrip("|").split("|"))
        elif line.strip():
            draft.line(line)
        else:
            draft.blank()
    _marked(draft, parts["footnote"], "footnote")
    _marked(draft, parts["footer"], "footer")
    return draft.reading(media_type)


def _marked(draft: Draft, texts: dict[str, None], mark: MarkKind) -> None:
    for text in texts:
        for line in text.split("\n"):
            draft.line(line, mark)


def _destinations(source: str) -> list[tuple[str, str]]:
    """Kind and group, braces included, of every header, footer and footnote, in the order of the file."""
    found: list[tuple[str, str]] = []
    opening = _DESTINATION.search(source)
    while opening is not None and (group := _group_at(source, opening.start())):
        found.append((opening.group(1), group))
        opening = _DESTINATION.search(source, opening.start() + len(group))
    return found


def _group_at(source: str, start: int) -> str:
    """The group whose opening brace stands at `start`; "" where it is never closed."""
    depth = 0
    for brace in _BRACE.finditer(source, start):
        if brace.group() == "{":
            depth += 1
        elif brace.group() == "}":
            depth -= 1
            if depth == 0:
                return source[start : brace.end()]
    return ""


def _plain(source: str, encoding: str) -> str:
    try:
        text: str = rtf_to_text(source, encoding=encoding, errors="replace")  # type: ignore[no-untyped-call]
    except (ValueError, LookupError, IndexError, KeyError, OverflowError) as wrong:
        raise corrupt("RTF document", "its control words are damaged", private=repr(wrong)) from wrong
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
