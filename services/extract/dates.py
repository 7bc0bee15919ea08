"""Dates as French, German and English documents print them, to ISO 8601.

Numeric dates whose day and month could be swapped have two readings, and both are told (`order`): which one a
document means is decided by whoever sees the whole document, never here. Relative dates ("within 30 days")
are no dates.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

#: How day, month and year stood: "named" has the month as a word.
DateOrder = Literal["dmy", "mdy", "ymd", "named"]

_MONTHS = (
    "january januar jänner janvier jan jän janv",
    "february februar feber février fevrier feb fév fev févr fevr",
    "march märz maerz mars mar mär mrz",
    "april avril apr avr",
    "may mai",
    "june juni juin jun",
    "july juli juillet jul juil",
    "august août aout aug",
    "september septembre sept sep",
    "october oktober octobre oct okt",
    "november novembre nov",
    "december dezember décembre decembre dec dez déc",
)
_MONTH_NUMBER = {name: number for number, names in enumerate(_MONTHS, 1) for name in names.split()}
_MONTH = "|".join(sorted(_MONTH_NUMBER, key=len, reverse=True))
_YEAR = r"(?:19|20)\d\d|['’]?\d\d"

_NUMERIC = re.compile(
    r"(?<![\d.,/])(?:"
    r"(?P<y1>(?:19|20)\d\d)\s?[-/.]\s?(?P<m1>\d{1,2})\s?[-/.]\s?(?P<d1>\d{1,2})"
    r"|(?P<a>\d{1,2})\s?(?P<mark>[-/.])\s?(?P<b>\d{1,2})\s?(?P=mark)\s?(?P<y2>(?:19|20)\d\d|\d\d)"
    r"|(?P<y3>(?:19|20)\d\d)(?P<m3>0[1-9]|1[0-2])(?P<d3>0[1-9]|[12]\d|3[01])"
    r")(?!\d|[.,/]\d)"
)
_DAY_FIRST = re.compile(
    r"(?<![\d.,/])(?P<day>\d{1,2})\s?(?:st|nd|rd|th|er|ème|e|\.|º|°)?"
    rf"[\s/.,_-]*(?:day\s+of\s+|de\s+)?(?P<month>{_MONTH})\b\.?[\s/.,_-]*(?P<year>{_YEAR})(?!\d)",
    re.IGNORECASE,
)
_MONTH_FIRST = re.compile(
    rf"\b(?P<month>{_MONTH})\b\.?[\s/-]*(?P<day>\d{{1,2}})\s?(?:st|nd|rd|th)?[\s.,/-]+(?P<year>{_YEAR})(?!\d)",
    re.IGNORECASE,
)
#: Two-digit years below this are 20xx: insured people are born before it, policies end before it.
_PIVOT = 70


@dataclass(frozen=True, slots=True)
class FoundDate:
    """A date at `text[start:end]`; `value` is ISO 8601 (YYYY-MM-DD)."""

    start: int
    end: int
    value: str
    order: DateOrder


def dates_in(text: str) -> Iterator[FoundDate]:
    """Every date in `text`; a numeric date that reads two ways comes twice, day first and then month first."""
    for found in _NUMERIC.finditer(text):
        yield from _numeric(found)
    for pattern in (_DAY_FIRST, _MONTH_FIRST):
        for found in pattern.finditer(text):
            month = _MONTH_NUMBER[found["month"].lower()]
            value = _iso(found["year"], month, found["day"])
            if value is not None:
                yield FoundDate(found.start(), found.end(), value, "named")


def date_from(text: str, *, month_first: bool = False) -> str | None:
    """The ISO date that `text` as a whole says, None where it is none.

    `month_first` decides 03/04/2020 only; a date that can be read one way alone is read that way.
    """
    wanted = text.strip().strip("().,;:")
    whole = [date for date in dates_in(wanted) if date.start == 0 and date.end == len(wanted)]
    if not whole:
        return None
    preferred: DateOrder = "mdy" if month_first else "dmy"
    return next((date.value for date in whole if date.order == preferred), whole[0].value)


def _numeric(found: re.Match[str]) -> Iterator[FoundDate]:
    start, end = found.span()
    for year, month, day in (("y1", "m1", "d1"), ("y3", "m3", "d3")):
        if found[year]:
            value = _iso(found[year], int(found[month]), found[day])
            if value is not None:
                yield FoundDate(start, end, value, "ymd")
            return
    day_first = _iso(found["y2"], int(found["b"]), found["a"])
    month_first = _iso(found["y2"], int(found["a"]), found["b"])
    if day_first is not None:
        yield FoundDate(start, end, day_first, "dmy")
    # The dot is never an American mark, and 7/7/2020 needs saying only once.
    if month_first is not None and month_first != day_first and found["mark"] != ".":
        yield FoundDate(start, end, month_first, "mdy")


def _iso(year: str, month: int, day: str) -> str | None:
    number = int(year.lstrip("'’"))
    if number < 100:
        number += 2000 if number < _PIVOT else 1900
    try:
        return datetime.date(number, month, int(day)).isoformat()
    except ValueError:
        return None
