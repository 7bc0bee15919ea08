"""Numbers, amounts and currencies as French, German, Swiss and English documents print them.

1.234,56 and 1,234.56 and 1 234,56 and 1'234.56 are all 1234.56. One mark before exactly three digits ("1.234")
is a thousands mark unless the caller knows the document's decimal mark. No rounding, no conversion between
currencies, and no numbers written as words.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

_SPACES = " \u00a0\u2009\u202f"
_APOSTROPHES = "'’"
#: Thousands with one repeated mark, then the decimals; or plain digits and decimals; or bare decimals.
_NUMBER = re.compile(
    rf"(?P<open>\()?(?P<before>[-−–]\s?)?(?P<lead>[$€£])?(?P<digits>"
    rf"\d{{1,3}}(?P<mark>[.,{_APOSTROPHES}{_SPACES}])\d{{3}}(?:(?P=mark)\d{{3}})*(?:[.,]\d{{1,4}})?(?![\d])"
    r"|\d+(?:[.,]\d{1,6})?(?!\d)"
    r"|(?<!\d)[.,]\d{1,4}(?!\d)"
    r")(?P<dash>[.,][-–—]{1,2})?(?P<close>\))?(?P<after>\s?[-−](?![\w\d]))?"
)
_CURRENCY_SIGNS = {"€": "EUR", "$": "USD", "£": "GBP", "¥": "JPY", "US$": "USD", "RM": "MYR"}
_CURRENCY_WORDS = {"EURO": "EUR", "EUROS": "EUR", "FRANKEN": "CHF", "SFR": "CHF", "FR.": "CHF", "DOLLARS": "USD"}
_CODES = "EUR USD GBP CHF JPY CAD AUD NZD DKK SEK NOK PLN CZK HUF RON BGN MYR SGD HKD CNY INR BRL ZAR TRY"
_CURRENCY_CODES = frozenset(_CODES.split())
_CURRENCY = re.compile(
    r"US\$|[€$£¥]|(?<![A-Za-z])(?:" + "|".join(sorted(_CURRENCY_CODES)) + r")(?![A-Za-z])"
    r"|(?<![A-Za-z])RM(?![A-Za-z])|\b(?:[Ee]uros?|EUROS?|Franken|SFr|Fr\.|[Dd]ollars)(?!\w)"
)


@dataclass(frozen=True, slots=True)
class FoundNumber:
    """A number at `text[start:end]`, sign included and currency left out.

    `decimals` is how many were printed. `spaced`: a blank stood inside, so these may be two numbers.
    """

    start: int
    end: int
    value: Decimal
    decimals: int
    spaced: bool


@dataclass(frozen=True, slots=True)
class FoundCurrency:
    """A currency sign, code or word at `text[start:end]`; `value` is its ISO 4217 code."""

    start: int
    end: int
    value: str


def numbers_in(text: str, decimal_mark: str | None = None) -> Iterator[FoundNumber]:
    """Every number in `text`, with its sign.

    A number with blanks inside ("1 234,56") is told whole, and then piece by piece as well. `decimal_mark`
    ("." or ",") decides what "1.234" means; None takes it for thousands.
    """
    for found in _NUMBER.finditer(text):
        yield from _numbers_of(found, decimal_mark)


def decimal_from(text: str, decimal_mark: str | None = None) -> Decimal | None:
    """The number that `text` says, ignoring currency signs and words around it; None where it says none or two."""
    found = list(numbers_in(_CURRENCY.sub(" ", text), decimal_mark))
    whole = [number for number in found if not any(_holds(other, number) for other in found if other is not number)]
    return whole[0].value if len(whole) == 1 else None


def plain(value: Decimal) -> str:
    """The decimal as digits with '.', never with an exponent: "1234.50"."""
    return format(value, "f")


def decimal_mark_of(text: str) -> str | None:
    """The decimal mark the document uses, by vote of the numbers that can be read one way only; None without any."""
    votes: Counter[str] = Counter()
    for found in re.finditer(r"(?<![\d.,])\d[\d.,' ]*([.,])\d{2}(?![\d.,])", text):
        votes[found[1]] += 1
    return votes.most_common(1)[0][0] if votes else None


def currencies_in(text: str) -> Iterator[FoundCurrency]:
    """Every currency sign, ISO code or currency word in `text`."""
    for found in _CURRENCY.finditer(text):
        value = currency_from(found.group())
        if value is not None:
            yield FoundCurrency(found.start(), found.end(), value)


def currency_from(text: str) -> str | None:
    """The ISO 4217 code that `text` means ("€", "eur", "Euro"), None where it means none."""
    given = text.strip().upper()
    if given in _CURRENCY_CODES:
        return given
    return _CURRENCY_SIGNS.get(given) or _CURRENCY_WORDS.get(given)


def _holds(outer: FoundNumber, inner: FoundNumber) -> bool:
    return outer.start <= inner.start and inner.end <= outer.end and outer.end - outer.start > inner.end - inner.start


def _numbers_of(found: re.Match[str], decimal_mark: str | None) -> Iterator[FoundNumber]:
    digits = found["digits"]
    negative = bool(found["open"] and found["close"]) or bool(found["after"])
    if found["before"] and not found.string[found.start() - 1 : found.start()].isalnum():
        negative = True
    start = found.start() if negative else found.start("digits")
    end = found.end() if negative else found.end("digits")
    value = _read(digits, decimal_mark)
    spaced = bool(found["mark"]) and found["mark"] in _SPACES
    decimals = max(0, -int(value.as_tuple().exponent))
    yield FoundNumber(start, end, -value if negative else value, decimals, spaced)
    if spaced:
        for piece in re.finditer(rf"[^{_SPACES}]+", digits):
            number = _read(piece.group(), decimal_mark)
            at = found.start("digits") + piece.start()
            yield FoundNumber(at, at + len(piece.group()), number, max(0, -int(number.as_tuple().exponent)), False)


def _read(digits: str, decimal_mark: str | None) -> Decimal:
    """The value of `digits`, which `_NUMBER` matched: the last of two different marks is the decimal one."""
    bare = re.sub(rf"[{_SPACES}{_APOSTROPHES}]", "", digits).rstrip(".,")
    marks = [character for character in bare if character in ".,"]
    if len(set(marks)) == 2 or (len(marks) == 1 and _is_decimal(bare, marks[0], decimal_mark, digits)):
        whole, _, part = bare.rpartition(marks[-1])
        return Decimal(re.sub(r"[.,]", "", whole) + "." + part) if whole else Decimal("0." + part)
    return Decimal(re.sub(r"[.,]", "", bare) or "0")


def _is_decimal(bare: str, mark: str, decimal_mark: str | None, printed: str) -> bool:
    whole, _, part = bare.partition(mark)
    if len(part) != 3 or len(whole) > 3 or whole.startswith("0") or not whole or bare != printed.rstrip(".,"):
        return True
    return mark == decimal_mark
