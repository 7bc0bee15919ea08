"""Identifiers: which stretches of text could be a number that names something, and which of them prove themselves.

An IBAN and a European or Swiss VAT number carry check digits (python-stdnum); any other identifier is text with
a digit in it. Nothing here looks a number up anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from stdnum import bic, iban
from stdnum.ch import uid
from stdnum.eu import vat
from stdnum.exceptions import ValidationError

_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\s?\d{2}(?:\s?[A-Z0-9]){10,30}(?![A-Za-z0-9])")
#: What an IBAN looks like in print, right check digits or not: samples and misprints carry wrong ones.
_IBAN_FORM = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?:\s?[A-Z0-9]{4}){2,7}(?:\s?[A-Z0-9]{1,3})?(?![A-Za-z0-9])")
_COUNTRIES = "AT|BE|BG|CY|CZ|DE|DK|EE|EL|ES|FI|FR|HR|HU|IE|IT|LT|LU|LV|MT|NL|PL|PT|RO|SE|SI|SK"
_VAT = re.compile(
    rf"(?<![A-Za-z0-9])(?:CHE[-.\d ]{{9,16}}|(?:{_COUNTRIES})[ .]?(?:[A-Z0-9][ .]?){{7,12}})(?![A-Za-z0-9])"
)
_BIC = re.compile(r"(?<![A-Za-z0-9])[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?(?![A-Za-z0-9])")
_CODE = r"[A-Za-z0-9](?:[\w./&*+-]*\w)?"
#: One code, or up to four codes of digits and capitals with single blanks between.
_IDENTIFIER = re.compile(rf"(?<!\w){_CODE}(?!\w)")
_MOST_PARTS = 4
_MOST_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class FoundIdentifier:
    """An identifier at `text[start:end]`.

    `kind` is "iban" or "vat" where the check digits are right, "iban-form" where only the looks are, "bic" where a
    bank code's country exists, or "code".
    """

    start: int
    end: int
    value: str
    kind: str


def identifiers_in(text: str) -> Iterator[FoundIdentifier]:
    """Every stretch that could be an identifier; stretches overlap where blanks stand between the parts."""
    yield from _checked(text)
    codes = list(_IDENTIFIER.finditer(text))
    for place, code in enumerate(codes):
        for last in range(place, min(place + _MOST_PARTS, len(codes))):
            if last > place and not _continues(text, codes[last - 1], codes[last]):
                break
            start, end = code.start(), codes[last].end()
            if end - start > _MOST_CHARACTERS:
                break
            if any(character.isdigit() for character in text[start:end]):
                yield FoundIdentifier(start, end, identifier_from(text[start:end]), "code")
    yield from _after_a_mark(text)


def identifier_from(text: str) -> str:
    """The normal form: an IBAN or VAT number compact and in capitals, else the text with blanks collapsed."""
    collapsed = " ".join(text.split()).strip(" .,;:#")
    return iban_from(collapsed) or collapsed


def iban_from(text: str) -> str | None:
    """The IBAN that `text` says, compact; None where its check digits are wrong."""
    try:
        return str(iban.validate(text))
    except ValidationError:
        return None


def vat_from(text: str) -> str | None:
    """The European or Swiss VAT number that `text` says, compact; None where its check digits are wrong."""
    try:
        if text.upper().startswith("CHE"):
            return str(uid.validate(re.sub(r"\s*(?:MWST|TVA|IVA|TPV)$", "", text.upper())))
        return str(vat.validate(text))
    except ValidationError:
        return None


def _checked(text: str) -> Iterator[FoundIdentifier]:
    for found in _IBAN.finditer(text):
        # The pattern may run on into the next word: the check digits say where the number ends.
        for end in range(found.end(), found.start() + 14, -1):
            value = iban_from(text[found.start() : end])
            if value is not None and not text[end - 1].isspace():
                yield FoundIdentifier(found.start(), end, value, "iban")
                break
    for found in _IBAN_FORM.finditer(text):
        value = re.sub(r"\s", "", found.group())
        if iban_from(value) is None and sum(character.isdigit() for character in value) >= 10:
            yield FoundIdentifier(found.start(), found.end(), value, "iban-form")
    for found in _BIC.finditer(text):
        if bic.is_valid(found.group()):
            yield FoundIdentifier(found.start(), found.end(), found.group(), "bic")
    for found in _VAT.finditer(text):
        for end in range(found.end(), found.start() + 8, -1):
            value = vat_from(text[found.start() : end])
            if value is not None and text[end - 1].isalnum() and not text[end : end + 1].isalnum():
                yield FoundIdentifier(found.start(), end, value, "vat")
                break


def _continues(text: str, before: re.Match[str], after: re.Match[str]) -> bool:
    """Whether two codes may be parts of one: a single blank or mark between, and no lower-case word among them."""
    between = text[before.end() : after.start()]
    parts = (before.group(), after.group())
    return between in (" ", " - ", "-", " / ", "#", " # ", "(", " (") and all(part.upper() == part for part in parts)


def _after_a_mark(text: str) -> Iterator[FoundIdentifier]:
    """The tail of a code after its label ("No-4711", "INV.4711", "Nr4711"), and without what hangs on behind."""
    for found in re.finditer(r"(?<![A-Za-z0-9])[A-Za-z]{1,8}[./-]?(?=(\d[\w/.-]*\w))", text):
        end = found.end(1)
        yield FoundIdentifier(found.start(1), end, found[1], "code")
