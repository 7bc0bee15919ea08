"""Parts of a message that nobody wrote for this message: quoted replies, signatures, disclaimers.

They are marked, never removed: the policy number of a claim is often only in the quoted mail.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from shared.documents import Mark

#: What mail programs write above a quoted message, in French, German, English, Luxembourgish; lines may be wrapped.
_REPLY_HEAD = re.compile(
    r"^(?:-{2,}\s*(?:original message|message d'origine|message original|ursprüngliche nachricht|forwarded message|"
    r"message transféré|weitergeleitete nachricht)\s*-{2,}"
    r"|on [^\n]{5,120}\n?[^\n]{0,80}wrote:|le [^\n]{5,120}\n?[^\n]{0,80}a écrit\s*:"
    r"|am [^\n]{5,120}schrieb\b[^\n]{0,80}\n?[^\n]{0,80}:|den [^\n]{5,100}huet [^\n]{0,80}geschriwwen:|_{10,})\s*$"
    # Outlook repeats the headers of the mail that is answered.
    r"|^(?:from|von|de)\s?:[^\n]+\n+(?:[^\n]+\n+)?(?:sent|gesendet|envoyé|date|datum)\s?:[^\n]+\n",
    re.IGNORECASE | re.MULTILINE,
)
_QUOTED = re.compile(r"^(?:>.*(?:\n|$))+", re.MULTILINE)
_SIGNATURE = re.compile(
    r"^(?:--\s?$|(?:mit (?:freundlichen|besten|herzlichen|vielen) gr(?:ü|ue)(?:ß|ss)en|"
    r"(?:mit freundlichem|besten|freundlichen|lieben|viele liebe) gru(?:ß|ss)|mfg|"
    r"(?:freundliche|viele|beste|liebe|herzliche) gr(?:ü|ue)(?:ß|ss)e|"
    r"(?:bien )?cordialement(?: vôtre)?|bien à vous|"
    r"(?:meilleures|sincères|cordiales|mes) salutations|salutations distinguées|"
    r"(?:kind |best |warm )?regards|best wishes|(?:many )?thanks(?: and (?:kind |best )?regards)?|"
    r"yours (?:sincerely|faithfully|truly)|sincerely|mat beschte gréiss|léif gréiss)"
    r"\s*[,.!]?\s*$"
    r"|(?:envoyé de(?:puis)? mon|von meinem|sent from my) "
    r"(?:iphone|ipad|samsung|mobile|handy|smartphone|téléphone)\b.*$)",
    re.IGNORECASE | re.MULTILINE,
)
_NOTICE = re.compile(
    r"\b(?:confidentiality notice|avis de confidentialité|vertraulichkeitshinweis|"
    r"(?:please consider|think of) the environment|pensez à l'environnement|denken sie an die umwelt|"
    r"(?P<itself>this (?:e-?mail|message|communication)|(?:ce|le présent|cet) (?:e-?mail|message|courriel|courrier)|"
    r"diese[rs]? (?:e-?mail|mail|nachricht)))\b",
    re.IGNORECASE,
)
#: What a disclaimer says of the message, so many characters behind its name at most.
_SECRET, _SECRET_WITHIN = (
    re.compile(r"\b(?:confidential|privileged|intended|vertraulich)|\bconfidentiel", re.IGNORECASE),
    240,
)
#: A closing formula with more lines than this behind it was in the middle of the letter.
_LONGEST_SIGNATURE_LINES = 14


def message_marks(text: str, start: int = 0, end: int | None = None) -> list[Mark]:
    """Marks in `text[start:end]`, in text order; a mark inside another one is left out."""
    found = sorted(
        _candidates(text, start, len(text) if end is None else end), key=lambda mark: (mark.start, -mark.end)
    )
    marks: list[Mark] = []
    for mark in found:
        if not marks or mark.start >= marks[-1].end:
            marks.append(mark)
    return marks


def _candidates(text: str, start: int, end: int) -> Iterator[Mark]:
    head = _REPLY_HEAD.search(text, start, end)
    written_end = head.start() if head else end
    if head:
        yield Mark("quoted_reply", head.start(), _trimmed(text, head.start(), end))
    for quoted in _QUOTED.finditer(text, start, written_end):
        yield Mark("quoted_reply", quoted.start(), quoted.start() + len(quoted.group().rstrip()))
    disclaimer = _disclaimer_start(text, start, written_end)
    if disclaimer is not None:
        yield Mark("disclaimer", disclaimer, _trimmed(text, disclaimer, written_end))
        written_end = disclaimer
    for signature in _SIGNATURE.finditer(text, start, written_end):
        stop = _trimmed(text, signature.start(), written_end)
        if text.count("\n", signature.start(), stop) <= _LONGEST_SIGNATURE_LINES:
            yield Mark("signature", signature.start(), stop)
            return


def _disclaimer_start(text: str, start: int, end: int) -> int | None:
    """Where the line of the first disclaimer begins: a message that speaks of itself as secret, in one paragraph."""
    for found in _NOTICE.finditer(text, start, end):
        said = text[found.end() : min(found.end() + _SECRET_WITHIN, end)].partition("\n\n")[0]
        if found["itself"] is None or _SECRET.search(said):
            return max(text.rfind("\n", start, found.start()) + 1, start)
    return None


def _trimmed(text: str, start: int, end: int) -> int:
    return start + len(text[start:end].rstrip())
