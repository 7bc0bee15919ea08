"""Candidates: every stretch of a document that could be a value of a field, many more than are one.

High recall is the point; choosing is the work of `ranker.py` and `anchors.py`. Fields of one type share their
candidates (a `pool`), so a document is searched once per pool. A candidate's `parts` are its places in the text:
one, or one per line where an address stands in a column beside something else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from services.extract.dates import dates_in
from services.extract.durations import durations_in
from services.extract.identifiers import identifiers_in
from services.extract.layout import Sheet
from services.extract.numbers import currencies_in, decimal_mark_of, numbers_in, plain
from services.extract.schema import FieldSpec
from services.extract.stretches import Part, Stretch, clauses_in, line_chains_in, names_in, segment_parts_in
from services.extract.values import comparable, folded

#: What a document is searched for at once. A field may draw on several pools.
POOLS_BY_TYPE: dict[str, tuple[str, ...]] = {
    "date": ("date",),
    "amount": ("number",),
    "number": ("number",),
    "currency": ("currency",),
    "identifier": ("identifier",),
    "party": ("name",),
    "text": ("name", "clause"),
    "list": ("name", "clause"),
    "address": ("address",),
    "duration": ("duration",),
    "choice": ("choice",),
}


@dataclass(slots=True)
class Candidate:
    """A possible value. `text[start:end]` is where it is printed (the first part, where there are several).

    `first` (inclusive) and `last` (exclusive) are tokens; `value` is the normal form, `same` equal for candidates
    of one meaning; `kind` says which recogniser found it and how; `recognised` that OCR read the page.
    """

    start: int
    end: int
    first: int
    last: int
    value: str
    same: str
    kind: str
    parts: tuple[Part, ...] = ()
    recognised: bool = False


def pools_of(field: FieldSpec) -> tuple[str, ...]:
    """The pools that `field` draws on; a choice has one of its own, which `pool_name` names."""
    return tuple(pool_name(field) if pool == "choice" else pool for pool in POOLS_BY_TYPE[field.type])


def pool_name(field: FieldSpec) -> str:
    """The pool of a choice: its choices are part of the name, for two choice fields look for different words."""
    return "choice:" + "|".join(field.choices)


def candidates_in(sheet: Sheet, pool: str) -> list[Candidate]:
    """All candidates of a pool, in text order; each (place, value) once."""
    kind, _, choices = pool.partition(":")
    stretches = _choices_in(sheet, choices.split("|")) if kind == "choice" else _FINDERS[kind](sheet)
    type_ = _COMPARED_AS.get(kind, "text")
    found: dict[tuple[tuple[Part, ...], str], Candidate] = {}
    for stretch in stretches:
        start, end = stretch.parts[0]
        first, last = sheet.tokens_of(start, stretch.parts[-1][1])
        blank = any(not sheet.text[a:b].strip() for a, b in stretch.parts)
        if first >= last or blank or not stretch.value or _crosses_page(sheet, start, end):
            continue
        same = comparable(stretch.value, type_)
        recognised = sheet.recognised[sheet.tokens[first].page]
        candidate = Candidate(start, end, first, last, stretch.value, same, stretch.kind, stretch.parts, recognised)
        found.setdefault((stretch.parts, same), candidate)
    return sorted(found.values(), key=lambda candidate: (candidate.start, candidate.end))


#: How two values of a pool are compared (`values.comparable`); text where not named.
_COMPARED_AS = {"date": "date", "number": "number", "identifier": "identifier", "duration": "duration"}


def _crosses_page(sheet: Sheet, start: int, end: int) -> bool:
    return any(start < page_end < end for page_end in sheet.page_ends)


def _dates(sheet: Sheet) -> Iterator[Stretch]:
    for date in dates_in(sheet.text):
        yield Stretch(((date.start, date.end),), date.value, f"date-{date.order}")


def _numbers(sheet: Sheet) -> Iterator[Stretch]:
    mark = decimal_mark_of(sheet.text)
    for number in numbers_in(sheet.text, mark):
        kind = f"number-{min(number.decimals, 3)}{'-spaced' if number.spaced else ''}"
        yield Stretch(((number.start, number.end),), plain(number.value), kind)


def _currencies(sheet: Sheet) -> Iterator[Stretch]:
    for currency in currencies_in(sheet.text):
        yield Stretch(((currency.start, currency.end),), currency.value, "currency")


def _identifiers(sheet: Sheet) -> Iterator[Stretch]:
    for identifier in identifiers_in(sheet.text):
        yield Stretch(((identifier.start, identifier.end),), identifier.value, identifier.kind)


def _durations(sheet: Sheet) -> Iterator[Stretch]:
    for duration in durations_in(sheet.text):
        yield Stretch(((duration.start, duration.end),), duration.value, "duration")


def _names(sheet: Sheet) -> Iterator[Stretch]:
    yield from segment_parts_in(sheet)
    yield from names_in(sheet)
    yield from line_chains_in(sheet, most_lines=2)


def _addresses(sheet: Sheet) -> Iterator[Stretch]:
    yield from segment_parts_in(sheet)
    yield from line_chains_in(sheet, most_lines=6)


def _choices_in(sheet: Sheet, choices: list[str]) -> Iterator[Stretch]:
    """Each printed occurrence of a choice; accents and case do not count, blanks may be line breaks."""
    plain_text = _same_length_fold(sheet.text)
    for choice in choices:
        words = [re.escape(_same_length_fold(word)) for word in choice.split()]
        for found in re.finditer(r"(?<!\w)" + r"\s+".join(words) + r"(?!\w)", plain_text):
            yield Stretch((found.span(),), choice, "choice")


def _same_length_fold(text: str) -> str:
    """`text` folded character by character, so that offsets stay right."""
    return "".join(one if len(one := folded(character)) == 1 else character for character in text)


_FINDERS: dict[str, Callable[[Sheet], Iterator[Stretch]]] = {
    "date": _dates,
    "number": _numbers,
    "currency": _currencies,
    "identifier": _identifiers,
    "duration": _durations,
    "name": _names,
    "address": _addresses,
    "clause": clauses_in,
}
