"""Parts of a message that nobody wrote for this message: quoted replies, signatures, disclaimers.

They are marked, never removed: the policy number of a claim is often only in the quoted mail.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from shared.documents import Mark

#: What mail programs write above a quoted message, in French, German, English, Luxembourgish.
_REPLY_HEAD = re.compile(
    r"^(?:-{2,}\s*(?:original message|message d'origine|message original|ursprüngliche nachricht|forwarded message|"
    r"message transféré|weitergeleitete nachricht)\s*-{2,}"
    r"|on .{5,100} wrote:|le .{5,100} a écrit\s*:|am .{5,100} schrieb\b.{0,80}:|den .{5,100} huet .{0,80} geschriwwen:"
    r"|_{10,})\s*$",
    re.IGNORECASE | re.MULTILINE,
)
_QUOTED = re.compile(r"^(?:>.*(?:\n|$))+", re.MULTILINE)
_SIGNATURE = re.compile(
    r"^(?:--\s?$|(?:mit (?:freundlichen|besten|herzlichen) grüßen|mit freundlichen gruessen|freundliche grüße|"
    r"viele grüße|beste grüße|(?:bien )?cordialement|(?:meilleures|sincères|cordiales) salutations|"
    r"(?:kind |best |warm )?regards|yours (?:sincerely|faithfully|truly)|sincerely|mat beschte gréiss|léif gréiss)"
    r"\s*[,.!]?\s*$)",
    re.IGNORECASE | re.MULTILINE,
)
_DISCLAIMER = re.compile(
    r"^.*\b(?:this (?:e-?mail|message)\b.{0,120}\b(?:confidential|intended)|"
    r"(?:ce|le présent) (?:e-?mail|message|courriel)\b.{0,120}\bconfidentiel|"
    r"diese (?:e-?mail|nachricht)\b.{0,120}\bvertraulich).*$",
    re.IGNORECASE | re.MULTILINE,
)
#: A closing formula with more lines than this behind it was in the middle of the letter.
_LONGEST_SIGNATURE_LINES = 14


def message_marks(text: str, start: int = 0) -> list[Mark]:
    """Marks in `text[start:]`, in text order; a mark inside another one is left out."""
    found = sorted(_candidates(text, start), key=lambda mark: (mark.start, -mark.end))
    marks: list[Mark] = []
    for mark in found:
        if not marks or mark.start >= marks[-1].end:
            marks.append(mark)
    return marks


def _candidates(text: str, start: int) -> Iterator[Mark]:
    head = _REPLY_HEAD.search(text, start)
    written_end = head.start() if head else len(text)
    if head:
        yield Mark("quoted_reply", head.start(), len(text))
    for quoted in _QUOTED.finditer(text, start, written_end):
        yield Mark("quoted_reply", quoted.start(), quoted.start() + len(quoted.group().rstrip()))
    disclaimer = _DISCLAIMER.search(text, start, written_end)
    if disclaimer:
        yield Mark("disclaimer", disclaimer.start(), _trimmed(text, disclaimer.start(), written_end))
    end = disclaimer.start() if disclaimer else written_end
    for signature in _SIGNATURE.finditer(text, start, end):
        stop = _trimmed(text, signature.start(), end)
        if text.count("\n", signature.start(), stop) <= _LONGEST_SIGNATURE_LINES:
            yield Mark("signature", signature.start(), stop)
            return


def _trimmed(text: str, start: int, end: int) -> int:
    return start + len(text[start:end].rstrip())
