"""Finding a known value on the page: where a value that came from elsewhere (XML, a form, a person) is printed.

Typed values are found by meaning: 1234.56 where "1.234,56 €" is printed, 2024-03-05 where "5. März 2024" is. Texts
are found letter by letter, blanks and case aside. A value that is not printed is not printed: there is no nearest
match here.
"""

from __future__ import annotations

import re

from services.extract.candidates import POOLS_BY_TYPE
from services.extract.schema import FieldSpec
from services.extract.searched import Searched
from services.extract.values import comparable

_BY_MEANING = frozenset({"date", "amount", "number", "currency", "duration", "identifier"})


def printed_at(searched: Searched, value: str, field: FieldSpec) -> tuple[int, int] | None:
    """The first place `text[start:end]` where `value`, a normal form of `field`, is printed; None where it is not."""
    if field.type in _BY_MEANING:
        wanted = comparable(value, field.type)
        for candidate in searched.pool(POOLS_BY_TYPE[field.type]).candidates:
            if comparable(candidate.value, field.type) == wanted:
                return candidate.start, candidate.end
        if field.type != "identifier":
            return None
    return _spelt_at(searched, value)


def _spelt_at(searched: Searched, value: str) -> tuple[int, int] | None:
    """The first place of the same words in the same order, on one page."""
    words = [re.escape(word) for word in value.split()]
    if not words:
        return None
    sheet = searched.surroundings.sheet
    for found in re.finditer(r"(?<!\w)" + r"\s+".join(words) + r"(?!\w)", sheet.text, re.IGNORECASE):
        if not any(found.start() < end < found.end() for end in sheet.page_ends):
            return found.span()
    return None
