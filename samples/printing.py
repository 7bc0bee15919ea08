"""How a value looks on paper in French, German and English: dates and amounts, in figures and in words.

It prints; it does not read. Reading printed values back is the extractor's business.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Literal

Language = Literal["fr", "de", "en"]

MONTHS: dict[Language, tuple[str, ...]] = {
    "fr": (
        "janvier", "février", "mars", "avril", "mai", "juin",
        "juillet", "août", "septembre", "octobre", "novembre", "décembre",
    ),
    "de": (
        "Januar", "Februar", "März", "April", "Mai", "Juni",
        "Juli", "August", "September", "Oktober", "November", "Dezember",
    ),
    "en": (
        "January", "February", "March", "April", "May", "June",
        "July", "August", "September", "October", "November", "December",
    ),
}  # fmt: skip

#: The forms a clerk, a program or a citizen uses for a date in figures; one is chosen per document.
NUMERIC_DATES: dict[Language, tuple[str, ...]] = {
    "fr": ("{0:%d/%m/%Y}", "{0:%d.%m.%Y}", "{0:%d/%m/%Y}"),
    "de": ("{0:%d.%m.%Y}", "{0.day}.{0.month}.{0:%Y}", "{0:%d.%m.%Y}"),
    "en": ("{0:%d/%m/%Y}", "{0:%d %b %Y}", "{0:%d.%m.%Y}"),
}

#: Where the currency stands and how thousands and decimals are separated; `{}` is the number.
AMOUNTS: dict[Language, tuple[tuple[str, str, str], ...]] = {
    "fr": (("{} €", " ", ","), ("{} EUR", ".", ","), ("{} €", "\u00a0", ",")),
    "de": (("{} €", ".", ","), ("EUR {}", ".", ","), ("{} EUR", ".", ",")),
    "en": (("€{}", ",", "."), ("EUR {}", ",", "."), ("€ {}", ",", ".")),
}


def long_date(day: date, language: Language) -> str:
    """The date in words: `1er mars 2025`, `1. März 2025`, `1 March 2025`."""
    month = MONTHS[language][day.month - 1]
    if language == "fr":
        return f"{'1er' if day.day == 1 else day.day} {month} {day.year}"
    return f"{day.day}. {month} {day.year}" if language == "de" else f"{day.day} {month} {day.year}"


def numeric_date(day: date, language: Language, style: int) -> str:
    """The date in figures, day first; `style` picks one of the forms in use in that language."""
    forms = NUMERIC_DATES[language]
    return forms[style % len(forms)].format(day)


def number(value: Decimal, language: Language, style: int) -> str:
    """The number with two decimals and the separators of `style`, without a currency."""
    _, thousands, decimals = AMOUNTS[language][style % len(AMOUNTS[language])]
    return f"{value:,.2f}".translate({ord(","): thousands, ord("."): decimals})


def amount(value: Decimal, language: Language, style: int) -> str:
    """The amount in euro as that language prints it: `1 234,56 €`, `1.234,56 €`, `€1,234.56`."""
    pattern = AMOUNTS[language][style % len(AMOUNTS[language])][0]
    return pattern.format(number(value, language, style))
