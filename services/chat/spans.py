"""Pieces of a sentence that could be an answer: words, amounts, dates, names, clauses, cells, the whole of it.

Only offsets are made here; `reader.py` says which piece answers. No piece is ever altered: what is shown is
`text[start:end]`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from services.chat.tabular import Span
from services.chat.terms import folded, stop_words

#: The longest piece that is tried beside clauses and whole sentences, in words.
MOST_WORDS = 7

_NUMBER = r"\d+(?:[.,'’\u00a0 ]\d{3})*(?:[.,]\d+)?"
_SCALE = r"(?:million(?:en|s)?|billion(?:en|s)?|milliards?|thousand|tausend|mille|mio\.?|mrd\.?|bn|mn)"
_UNIT = r"(?:%|percent|per cent|prozent|pour cent|€|eur|euros?|chf|usd|\$|£|francs?|dollars?)"
#: A token, or an amount with its sign, scale and unit: `$14.8 billion`, `1.234,56 €`, `(837)`, `45,4 %`.
TOKEN = re.compile(
    rf"\(?[-–−]?(?:[$€£]|EUR|USD|CHF)[\u00a0 ]?\(?{_NUMBER}\)?(?:[\u00a0 ]{_SCALE}(?!\w))?|"
    rf"{_NUMBER}(?:[\u00a0 ]?{_SCALE}(?!\w))?(?:[\u00a0 ]?{_UNIT}(?!\w))?|"
    r"\w+(?:[-–'’./&]\w+)*|[^\w\s]",
    re.IGNORECASE,
)
_MONTH = r"(?:jan|feb|fév|mar|mär|apr|avr|may|mai|jun|juin|jul|juil|aug|aoû|sep|oct|okt|nov|dec|dez|déc)[a-zéûä]*\.?"
#: A day with its month, and the year where it stands there: `3. März 2024`, `1er juillet`, `December 31, 2025`.
_DATE = re.compile(
    rf"\b\d{{1,2}}(?:\.|er|st|nd|rd|th)? {_MONTH}(?:,? \d{{4}})?\b|"
    rf"\b{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?(?:,? \d{{4}})?\b|\b{_MONTH} \d{{4}}\b",
    re.IGNORECASE,
)
_CLAUSE_END = re.compile(r"[,;:–—()]|\.$")


@dataclass(frozen=True)
class Token:
    """A word, an amount or a punctuation mark at `[start, end)`; `plain` is it folded."""

    start: int
    end: int
    text: str
    plain: str
    #: word | number | sign
    shape: str


def tokens_of(text: str, sentence: Span) -> list[Token]:
    """The tokens of a sentence, with offsets into `text`."""
    found = []
    for match in TOKEN.finditer(text, *sentence):
        token = match.group()
        if any(sign.isdigit() for sign in token):
            shape = "number"
        else:
            shape = "word" if any(sign.isalpha() for sign in token) else "sign"
        found.append(Token(match.start(), match.end(), token, folded(token), shape))
    return found


def pieces(tokens: list[Token], language: str | None) -> list[tuple[int, int]]:
    """Candidate answers as half-open pairs of token places: short runs, clauses, and the whole sentence."""
    stops = stop_words(language)
    found: dict[tuple[int, int], None] = {}
    for first in range(len(tokens)):
        for last in range(first, min(first + MOST_WORDS, len(tokens))):
            if tokens[last].shape == "sign" and tokens[last].text in ";:()|" and last > first:
                break
            if _may_begin(tokens[first]) and _may_end(tokens[last], stops):
                found[first, last + 1] = None
    for first, last in _clauses(tokens):
        found[first, last] = None
    if tokens:
        whole = len(tokens) - (tokens[-1].text in ".;:")
        found[0, max(whole, 1)] = None
    return list(found)


def whole_date(text: str, sentence: Span, start: int, end: int) -> Span:
    """The date that `[start, end)` is a part of, where it is one; else `(start, end)` itself."""
    for match in _DATE.finditer(text, *sentence):
        if match.start() <= start and end <= match.end():
            return match.span()
    return start, end


def _may_begin(token: Token) -> bool:
    return token.shape != "sign" or token.text in "\"'«“„"


def _may_end(token: Token, stops: frozenset[str]) -> bool:
    if token.shape == "sign":
        return token.text in "\"'»”’)%"
    return token.plain not in stops


def _clauses(tokens: list[Token]) -> list[tuple[int, int]]:
    """Runs between commas, brackets, colons and dashes, and from each of these to the sentence's end."""
    cuts = [0, *(place + 1 for place, token in enumerate(tokens) if _CLAUSE_END.match(token.text)), len(tokens)]
    end = len(tokens) - (bool(tokens) and tokens[-1].text in ".;:")
    runs = []
    for first, following in pairwise(cuts):
        last = following - (following <= len(tokens) and following > first and tokens[following - 1].shape == "sign")
        runs += [(first, last), (first, end)]
    return [(first, last) for first, last in runs if first < last]
