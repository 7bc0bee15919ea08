"""Values that remember being printed: this is where the gold comes from.

A template formats a `Fact`; the fact notes the form it was printed in. What was never formatted is not on the
document, and its gold is null. So gold cannot disagree with the page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import Decimal

from samples import printing
from samples.printing import Language

Value = str | list[str]


class Fact:
    """One value: its normal form, and how it looks on paper under a format specification."""

    def __init__(self, value: Value, show: Callable[[str], str]) -> None:
        self.value = value
        self._show = show
        #: Every form it was printed in, in order; empty: it does not stand on the document.
        self.printed: list[str] = []

    def __format__(self, specification: str) -> str:
        text = self._show(specification)
        self.printed.append(text)
        return text

    def __str__(self) -> str:
        return format(self, "")


def text(value: str, shown: str | None = None) -> Fact:
    """A name, an address, a number printed as `shown` (default: as it is)."""
    return Fact(value, lambda _: value if shown is None else shown)


def day(value: date, language: Language, style: int, in_words: bool) -> Fact:
    """A date: `:f` (in a form) prints it in figures, `:w` in words, otherwise as `in_words` says."""

    def show(specification: str) -> str:
        if specification == "w" or (in_words and specification != "f"):
            return printing.long_date(value, language)
        return printing.numeric_date(value, language, style)

    return Fact(value.isoformat(), show)


def money(value: Decimal, language: Language, style: int, currency: Fact) -> Fact:
    """An amount in euro; printing it prints the currency too. `:n` leaves the currency out, as tables do."""

    def show(specification: str) -> str:
        if specification == "n":
            return printing.number(value, language, style)
        shown = printing.amount(value, language, style)
        currency.printed.append("EUR" if "EUR" in shown else "€")
        return shown

    return Fact(f"{value:.2f}", show)


def choice(value: str) -> Fact:
    """A choice: the specification is the words that express it on this document."""
    return Fact(value, lambda words: words or value)


def several(items: Iterable[str], conjunction: str) -> Fact:
    """A list, printed as `a, b and c`; `:k` prints only item `k`."""
    values = list(items)

    def show(specification: str) -> str:
        if specification.isdigit():
            return values[int(specification)]
        return ", ".join(values[:-1]) + f" {conjunction} {values[-1]}" if len(values) > 1 else values[0]

    return Fact(values, show)


def gold_of(facts: Mapping[str, Fact], names: Iterable[str]) -> dict[str, Value | None]:
    """The gold of the fields `names`: the value where it was printed, None where it was not."""
    return {name: facts[name].value if name in facts and facts[name].printed else None for name in names}
