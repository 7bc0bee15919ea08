"""Durations with one unit ("two (2) years", "18 mois", "3-jährig"), to "<number> <unit>s" in English: "2 years".

A sum of units ("1 year and 6 months") gives its two parts, never a total.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_ONES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_WORDS = {word: number for number, word in enumerate(_ONES)}
_WORDS |= {"fifteen": 15, "eighteen": 18, "twenty": 20, "twenty-four": 24, "thirty": 30, "thirty-six": 36}
_WORDS |= {"sixty": 60, "ninety": 90, "a": 1, "an": 1}
_WORDS |= {"un": 1, "une": 1, "deux": 2, "trois": 3, "quatre": 4, "cinq": 5, "dix": 10, "douze": 12}
_WORDS |= {"ein": 1, "eine": 1, "einem": 1, "einen": 1, "einer": 1, "zwei": 2, "drei": 3, "vier": 4, "fünf": 5}
_WORDS |= {"sechs": 6, "zehn": 10, "zwölf": 12, "zwanzig": 20, "dreißig": 30}
_UNITS = {
    "year": r"years?|yrs?|ans?|années?|annees?|jahre?[ns]?|jährige?[nrs]?",
    "month": r"months?|mois|monate?[ns]?|monatige?[nrs]?",
    "week": r"weeks?|semaines?|wochen?",
    "day": r"days?|jours?|tage?[ns]?|tägige?[nrs]?",
}
_UNIT = "|".join(f"(?P<{unit}>{forms})" for unit, forms in _UNITS.items())
_NUMBER = "|".join(sorted(map(re.escape, _WORDS), key=len, reverse=True))
#: Blanks are counted: an open run of them, three times over, takes time with the cube of its length.
_DURATION = re.compile(
    rf"(?<![\w.,])(?=[\w(])(?:(?P<word>{_NUMBER})[\s-]{{0,3}})?(?:\(?\s{{0,3}}(?P<digits>\d{{1,4}})\s{{0,3}}\)?)?[\s-]{{0,3}}"
    rf"(?:full\s|calendar\s|consecutive\s|business\s|volle\s|Kalender)?(?:{_UNIT})(?!\w)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class FoundDuration:
    """A duration at `text[start:end]`; `value` is like "2 years" or "1 month"."""

    start: int
    end: int
    value: str


def durations_in(text: str) -> Iterator[FoundDuration]:
    """Every duration in `text`; digits win over the word before them ("two (2) years")."""
    for found in _DURATION.finditer(text):
        if found["digits"] is None and found["word"] is None:
            continue
        number = int(found["digits"]) if found["digits"] else _WORDS[found["word"].lower()]
        unit = next(unit for unit in _UNITS if found[unit])
        start = found.start() + len(found.group()) - len(found.group().lstrip())
        yield FoundDuration(start, found.end(), f"{number} {unit}{'' if number == 1 else 's'}")


def duration_from(text: str) -> str | None:
    """The one duration that `text` says, None where it says none or several."""
    values = {duration.value for duration in durations_in(text)}
    return values.pop() if len(values) == 1 else None
