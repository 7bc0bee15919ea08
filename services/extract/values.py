"""Normal forms: how a value of each type is written in the ledger, and when two values are the same.

| type | normal form |
|---|---|
| date | ISO 8601, YYYY-MM-DD |
| amount, number | plain decimal with '.', sign in front, printed decimals kept |
| currency | ISO 4217 code |
| identifier | IBAN and VAT compact; else as printed, blanks collapsed |
| duration | "<number> <unit>s", English unit |
| choice | the choice as the schema spells it |
| text, party, address, list | as printed, blanks and line breaks collapsed |
"""

from __future__ import annotations

import re
import string
import unicodedata
from decimal import Decimal, InvalidOperation

from services.extract.dates import date_from
from services.extract.durations import duration_from
from services.extract.identifiers import iban_from, identifier_from, vat_from
from services.extract.numbers import currency_from, decimal_from, plain
from services.extract.schema import FieldSpec

_OUTER = string.punctuation.replace("$", "").replace("%", "") + "“”‘’«»„–—…· "


def normal_form(printed: str, field: FieldSpec, *, decimal_mark: str | None = None) -> str | None:
    """What `printed` means for `field`, None where it cannot be a value of that type.

    `decimal_mark` is the document's, where that is known; it decides what "1.234" means.
    """
    collapsed = " ".join(printed.split())
    if not collapsed:
        return None
    if field.type in ("amount", "number"):
        number = decimal_from(collapsed, decimal_mark)
        return None if number is None else plain(number)
    if field.type == "choice":
        return choice_from(collapsed, field.choices)
    by_type = {"date": date_from, "currency": currency_from, "duration": duration_from}
    if field.type in by_type:
        return by_type[field.type](collapsed)
    if field.type == "identifier":
        return vat_from(collapsed) or identifier_from(collapsed) or None
    return collapsed


def choice_from(printed: str, choices: tuple[str, ...]) -> str | None:
    """The choice that `printed` names, ignoring case, accents and outer punctuation; None where it names none."""
    wanted = folded(printed)
    return next((choice for choice in choices if folded(choice) == wanted), None)


def folded(text: str) -> str:
    """`text` for comparing words: casefolded, accents off, blanks collapsed, outer punctuation off."""
    bare = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(character for character in bare if not unicodedata.combining(character))
    return " ".join(bare.split()).strip(_OUTER)


def comparable(value: str, type_: str) -> str:
    """A form in which two values of one type are equal exactly when they mean the same.

    Follows the usual scoring: case, blanks and outer punctuation do not count; numbers compare as numbers;
    identifiers without blanks; a duration's unit without its plural.
    """
    if type_ in ("amount", "number"):
        return _number(value)
    text = " ".join(unicodedata.normalize("NFKC", value).casefold().split()).strip(_OUTER)
    if type_ == "identifier":
        return re.sub(r"\s", "", iban_from(value) or text).casefold()
    if type_ == "duration":
        return (duration_from(value) or text).rstrip("s")
    if type_ == "currency":
        return (currency_from(value) or text).casefold()
    if type_ == "date":
        return date_from(value) or text
    return text


def _number(value: str) -> str:
    try:
        number = Decimal(value)
    except InvalidOperation:
        read = decimal_from(value)
        if read is None:
            return value.casefold().strip()
        number = read
    return plain(number.normalize() if number else Decimal(0))
