"""Stretches of words that could be a name, an address, a line or a clause: found by shape and place, not by meaning.

Used by `candidates.py` for the types that no regular expression can recognise.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import NamedTuple

from services.extract.layout import Segment, Sheet

#: `text[start:end]`, half open.
Part = tuple[int, int]


class Stretch(NamedTuple):
    """A possible value: its places in the text, its normal form, and what kind of stretch it is.

    In the value of a chain of lines the line breaks are kept: how people join lines is theirs to say.
    """

    parts: tuple[Part, ...]
    value: str
    kind: str


#: A segment with more words than this is prose: its names are found by `names_in`, its sentences by `clauses_in`.
_LONGEST_CELL = 14
#: No more parts of one segment than this.
_MOST_CUTS = 8
_EDGES = ' \t\n,;:*|-–—_"“”„«»#='
_CONNECTING = "of and & the de la le les du des d l et von und der die das dem für for van di al y on + at"
_CONNECTORS = frozenset(_CONNECTING.split())
_FORMS = (
    "inc llc ltd limited corp corporation co company lp llp plc sa sarl gmbh ag kg nv bv se sas spa bhd "
    "kgaa a.g e.v s.a s.à.r.l s.a.r.l l.p l.l.c n.v b.v na n.a pte pty gbr ohg asbl"
)
LEGAL_FORMS = frozenset(_FORMS.split())


def segment_parts_in(sheet: Sheet) -> Iterator[Stretch]:
    """Every short segment whole, and its parts between marks, brackets and changes of script."""
    for segment in sheet.segments:
        if segment.last - segment.first > _LONGEST_CELL * 2:
            continue
        cuts = _cuts(sheet, segment)
        for place, first in enumerate(cuts):
            for last in cuts[place + 1 :]:
                start, end = trimmed(sheet.text, sheet.tokens[first].start, sheet.tokens[last - 1].end)
                if end > start:
                    whole = first == segment.first and last == segment.last
                    yield Stretch(((start, end),), _plain(sheet.text[start:end]), "cell" if whole else "part")


def line_chains_in(sheet: Sheet, most_lines: int) -> Iterator[Stretch]:
    """Two to `most_lines` segments below each other, also where the text between them stands in another column.

    The first is taken whole and, where it begins with a label, also from behind the label.
    """
    for number, segment in enumerate(sheet.segments):
        if segment.last - segment.first > _LONGEST_CELL * 2:
            continue
        chain = [number]
        for start in _chain_starts(sheet, segment):
            chain = [number]
            while len(chain) < most_lines:
                below = _next_line(sheet, chain[-1])
                if below is None:
                    break
                chain.append(below)
                yield from _chain(sheet, start, chain)


def names_in(sheet: Sheet) -> Iterator[Stretch]:
    """Runs of capitalised words with their connectors, over line breaks too: names inside prose."""
    tokens, text = sheet.tokens, sheet.text
    place = 0
    while place < len(tokens):
        if not _is_capital(text, tokens[place].start):
            place += 1
            continue
        last = place + 1
        while last < len(tokens) and last - place < 16 and _carries_on(sheet, last):
            last += 1
        yield from _names_of(sheet, place, last)
        place = max(last, place + 1)


def clauses_in(sheet: Sheet) -> Iterator[Stretch]:
    """Sentences, and two or three sentences in a row of one paragraph."""
    for begin, finish in _paragraphs(sheet):
        cuts = [begin, *(found.end() for found in _SENTENCE_END.finditer(sheet.text, begin, finish)), finish]
        spans = [trimmed(sheet.text, a, b, " \t\n") for a, b in itertools.pairwise(cuts)]
        spans = [(a, b) for a, b in spans if b - a > 20]
        for place, (start, _) in enumerate(spans):
            for count in range(1, min(3, len(spans) - place) + 1):
                end = spans[place + count - 1][1]
                if end - start < 4000:
                    yield Stretch(((start, end),), _plain(sheet.text[start:end]), f"clause-{count}")


def trimmed(text: str, start: int, end: int, edges: str = _EDGES) -> Part:
    """`start:end` without edge characters, and without a bracket or full stop that has no partner inside."""
    while start < end and text[start] in edges + ")":
        start += 1
    while end > start and text[end - 1] in edges + "(":
        end -= 1
    if end > start and text[end - 1] == ")" and "(" not in text[start:end]:
        end -= 1
    if end > start and text[start] == "(" and ")" not in text[start:end]:
        start += 1
    return start, end


_SENTENCE_END = re.compile(r"(?<=[.;:!?])[\"”)]*\s+(?=[\"“(]?[A-ZÄÖÜÉÀ0-9(\[])")
_PARAGRAPH_END = re.compile(r"\n[ \t]*\n\s*|\n(?=\s*(?:\d+(?:\.\d+)*[.)]|\([a-z]{1,3}\)|ARTICLE|Section|SECTION)\s)")


def _plain(text: str) -> str:
    return " ".join(text.split())


def _paragraphs(sheet: Sheet) -> Iterator[Part]:
    start = 0
    for page_end in sheet.page_ends:
        for found in _PARAGRAPH_END.finditer(sheet.text, start, page_end):
            yield start, found.start()
            start = found.end()
        yield start, page_end
        start = page_end


def _cuts(sheet: Sheet, segment: Segment) -> list[int]:
    """Token numbers where a part of the segment may begin or end, its own ends included."""
    cuts = [segment.first]
    for place in range(segment.first + 1, segment.last):
        before, here = sheet.tokens[place - 1], sheet.tokens[place]
        between = sheet.text[before.end - 1 : here.start + 1]
        if any(not (mark.isalnum() or mark.isspace()) for mark in between) or _script(sheet, place - 1) != _script(
            sheet, place
        ):
            cuts.append(place)
    if len(cuts) > _MOST_CUTS:
        cuts = cuts[: _MOST_CUTS // 2] + cuts[-_MOST_CUTS // 2 :]
    return [*cuts, segment.last]


def _script(sheet: Sheet, place: int) -> str:
    """Whether a token is digits, capitals, or other letters."""
    word = sheet.text[sheet.tokens[place].start : sheet.tokens[place].end]
    if any(character.isdigit() for character in word):
        return "digits"
    return "capitals" if word.isupper() else "letters"


def _chain_starts(sheet: Sheet, segment: Segment) -> list[int]:
    starts = [sheet.tokens[segment.first].start]
    for place in range(segment.first + 1, segment.last):
        if sheet.tokens[place - 1].key == ":":
            starts.append(sheet.tokens[place].start)
    return starts[:2]


def _next_line(sheet: Sheet, number: int) -> int | None:
    """The segment right below, close enough to be the next line of the same block."""
    here = sheet.segments[number]
    if here.below is None:
        return None
    below = sheet.segments[here.below]
    height = max(here.box[3] - here.box[1], below.box[3] - below.box[1])
    return here.below if below.box[1] - here.box[3] < 1.6 * height and below.row - here.row <= 2 else None


def _chain(sheet: Sheet, start: int, chain: list[int]) -> Iterator[Stretch]:
    parts: list[Part] = []
    for place, number in enumerate(chain):
        segment = sheet.segments[number]
        begin = start if place == 0 else sheet.tokens[segment.first].start
        part = trimmed(sheet.text, begin, sheet.tokens[segment.last - 1].end, " \t\n*|_")
        touches = place > 0 and segment.first == sheet.segments[chain[place - 1]].last
        if touches and segment.page == sheet.segments[chain[place - 1]].page:
            parts[-1] = (parts[-1][0], part[1])
        else:
            parts.append(part)
    value = "\n".join(_plain(line) for a, b in parts for line in sheet.text[a:b].split("\n"))
    yield Stretch(tuple(parts), value, f"chain-{len(chain)}")


def _is_capital(text: str, start: int) -> bool:
    return text[start].isupper() or (text[start].isdigit() and text[start : start + 3].isalnum())


def _carries_on(sheet: Sheet, place: int) -> bool:
    """Whether the token continues the name before it."""
    token = sheet.tokens[place]
    before = sheet.tokens[place - 1]
    if token.page != before.page or sheet.text.count("\n", before.end, token.start) > 1:
        return False
    if before.key in (":", ";", "|"):
        return False
    word = sheet.text[token.start : token.end]
    if word in ("(", ")") or _is_capital(sheet.text, token.start):
        return True
    if token.key not in _CONNECTORS and token.key not in LEGAL_FORMS:
        return False
    following = place + 1 < len(sheet.tokens) and _is_capital(sheet.text, sheet.tokens[place + 1].start)
    return following or token.key in LEGAL_FORMS


def _names_of(sheet: Sheet, first: int, last: int) -> Iterator[Stretch]:
    """The run whole and its parts: cut at commas (but not before "Inc."), brackets, connectors and line breaks."""
    cuts = [first]
    for place in range(first + 1, last):
        before, here = sheet.tokens[place - 1], sheet.tokens[place]
        gap = sheet.text[before.end - 1 : here.start + 1]
        marked = any(mark in gap for mark in ",()\n") or before.segment != here.segment
        if marked or here.key in _CONNECTORS or before.key in _CONNECTORS or before.key in LEGAL_FORMS:
            cuts.append(place)
    cuts = [*cuts[:9], last]
    for number, begin in enumerate(cuts):
        for finish in cuts[number + 1 :]:
            if sheet.tokens[begin].key in _CONNECTORS and sheet.tokens[begin].key != "the":
                continue
            if sheet.tokens[finish - 1].key in _CONNECTORS:
                continue
            start, end = trimmed(sheet.text, sheet.tokens[begin].start, sheet.tokens[finish - 1].end)
            if end - start > 1:
                yield Stretch(((start, end),), _plain(sheet.text[start:end]), "name")
