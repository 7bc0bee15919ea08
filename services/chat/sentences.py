"""Where sentences begin and end in French, German and English business text, as offsets.

A rule-based splitter, because documents here are letters, policies, tables and forms as often as prose: a table row
or a list item counts as a sentence. It changes no character; joining all spans and the white space between them
gives the text back.
"""

from __future__ import annotations

import re

from services.chat.tabular import Span, is_row

_ABBREVIATIONS = frozenset(
    (  # noqa: SIM905 - one word per line would be a page
        # English
        "mr mrs ms dr prof inc ltd co corp no nos vs etc approx dept est fig jr sr u.s u.k e.g i.e cf al p pp vol sec "
        # French
        "m mm mme mlle me art av bd boul ch env ex n° réf ref tél tel p.ex c.-à-d éd chap cie ets "
        # German
        "nr bzw ca z.b u.a d.h usw evtl ggf inkl zzgl abs hr fr frl str s vgl z.t u.u sog geb mio mrd st abschn ziff "
        "i.d.r bspw max mind gem lt jan feb apr jun jul aug sept sep okt oct nov dez dec"
    ).split()
)
_MONTHS = "januar|jänner|februar|märz|april|mai|juni|juli|august|september|oktober|november|dezember|jahrhundert"
#: A possible end: closing punctuation, quotes or brackets after it, then white space.
_STOP = re.compile(r"[.!?…]+(?:[\"'»”’)\]]|[ \u00a0\u202f]»)*(?=\s)")
_ORDINAL = re.compile(r"(?:^|[\s(])\d{1,3}$")
_LOWER_NEXT = re.compile(r"\s+[a-zà-öø-ÿ,;:)]")
_MONTH_NEXT = re.compile(rf"\s+(?:{_MONTHS})\b", re.IGNORECASE)
_BULLET = re.compile(r"\s*(?:[-–—•▪◦*·»➢✓□]|\(?[a-z0-9]{1,3}[.)])\s", re.IGNORECASE)
_CLOSING = "\"'»”’)]"


def sentences(text: str, start: int = 0, end: int | None = None) -> list[Span]:
    """Spans of the sentences in `text[start:end]`, in order, without white space at their ends; none is empty.

    Table rows (lines with a tab), list items and lines that were broken on purpose stand alone.
    """
    end = len(text) if end is None else end
    spans: list[Span] = []
    for begin, stop in _blocks(text, start, end):
        cursor = begin
        for match in _STOP.finditer(text, begin, stop):
            if _is_end(text, cursor, match):
                _append(spans, text, cursor, match.end())
                cursor = match.end()
        _append(spans, text, cursor, stop)
    return spans


def _append(spans: list[Span], text: str, start: int, end: int) -> None:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start < end:
        spans.append((start, end))


def _blocks(text: str, start: int, end: int) -> list[Span]:
    """Runs of lines that belong together: a paragraph, a list item, a table row."""
    lines = _lines(text, start, end)
    lengths = sorted(stop - begin for begin, stop in lines if stop > begin)
    # The ninth decile, because one overlong line must not make every other look broken on purpose.
    width = lengths[int(0.9 * (len(lengths) - 1))] if lengths else 0
    blocks: list[Span] = []
    wrapped = False
    for number, (begin, stop) in enumerate(lines):
        if wrapped:
            blocks[-1] = (blocks[-1][0], stop)
        else:
            blocks.append((begin, stop))
        wrapped = number + 1 < len(lines) and _is_wrap(text, lines[number], lines[number + 1], width)
    return blocks


def _lines(text: str, start: int, end: int) -> list[Span]:
    lines = []
    while start <= end:
        stop = text.find("\n", start, end)
        stop = end if stop < 0 else stop
        lines.append((start, stop))
        start = stop + 1
    return lines


def _is_wrap(text: str, line: Span, following: Span, width: int) -> bool:
    """Whether the line was broken only because the next word would not have fitted."""
    this, after = text[slice(*line)].strip(), text[slice(*following)].strip()
    if not this or not after or _BULLET.match(after) or this[-1] in ".!?:":
        return False
    if is_row(text, line) or is_row(text, following):
        return False
    if this[-1].isalpha() and after[0].islower():
        return True
    return len(this) + 1 + len(after.split(None, 1)[0]) > 0.85 * width


def _is_end(text: str, start: int, match: re.Match[str]) -> bool:
    """Whether this punctuation ends a sentence, and is not that of an abbreviation, an ordinal or an initial."""
    if _LOWER_NEXT.match(text, match.end()):
        return False
    if match.group().rstrip(_CLOSING).rstrip() != ".":
        return True
    before = text[max(start, match.start() - 12) : match.start()]
    word = before.split()[-1].lstrip("([\"'«“„").lower() if before.split() else ""
    if word in _ABBREVIATIONS or (len(word) == 1 and word.isalpha()):
        return False
    return not (_ORDINAL.search(before) and _MONTH_NEXT.match(text, match.end()))
