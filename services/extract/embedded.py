"""The embedded engine: fields that the file itself states, in e-invoice XML, form fields, mail headers or controls.

A schema field takes a stated fact when its name means the same: "invoice_number", "numero_facture" and
"Rechnungsnummer" all mean the fact `invoice_number`. What a file states is not learned, so it has no confidence of
its own (None): that it agrees with the printed page is for others to see. A value is tied to the page where it is
printed, and has no evidence where it is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.extract.alignment import printed_at
from services.extract.anchors import FieldAnchors
from services.extract.invoices import invoice_facts
from services.extract.lexicon import concepts_of, words_in
from services.extract.schema import FieldSpec
from services.extract.searched import Searched
from services.extract.values import normal_form
from shared.documents import Embedded

#: How alike a stated name and a field must be; 0.9 is all concepts of the field's name and no other.
_SAME = 0.8
#: What the facts of an invoice are called elsewhere. The key itself always counts.
_ALSO_CALLED = {
    "invoice_number": ("invoice no", "invoice id", "document number"),
    "issue_date": ("invoice date", "date of invoice", "document date", "date"),
    "seller_name": ("seller", "supplier", "supplier name", "vendor", "vendor name", "issuer"),
    "buyer_name": ("buyer", "customer", "customer name", "recipient"),
    "seller_vat": ("vat number", "vat id", "seller vat id", "tax number"),
    "net_total": ("net amount", "total net", "amount net", "subtotal"),
    "tax_total": ("vat amount", "tax amount", "total vat", "vat", "tax"),
    "gross_total": ("total", "total amount", "gross amount", "amount total", "invoice total", "amount"),
    "due_total": ("amount due", "payable amount", "total due"),
    "due_date": ("payment date", "payment due date"),
    "iban": ("account", "bank account", "iban number"),
    "order_number": ("order reference", "purchase order"),
}
_HEADERS = {"from": "sender", "to": "recipient", "cc": "copy recipient", "date": "date", "subject": "subject"}


@dataclass(frozen=True)
class Stated:
    """A value the file states for a field. `place` is where it is also printed (`text[start:end]`), None if not."""

    value: str
    text: str
    place: tuple[int, int] | None
    source: str


def stated_in(searched: Searched, embedded: Sequence[Embedded], field: FieldSpec) -> list[Stated]:
    """What the file states for `field`: at most one value, or several where the field takes many."""
    found: list[Stated] = []
    for source, printed in _statements(embedded, field):
        value = normal_form(printed, field)
        if value is not None and all(value != other.value for other in found):
            found.append(Stated(value, printed, printed_at(searched, value, field), source))
    return found if field.takes_many else found[:1]


def _statements(embedded: Sequence[Embedded], field: FieldSpec) -> Iterator[tuple[str, str]]:
    """(source, text) of everything that is called like the field, the best first."""
    matches = []
    for part in embedded:
        for name, aliases, text in _facts(part):
            alike = _alike(field, name, aliases)
            if alike >= _SAME and text.strip():
                matches.append((alike, part.kind, text.strip()))
    matches.sort(key=lambda match: -match[0])
    if matches and not field.takes_many:
        matches = [match for match in matches if match[0] == matches[0][0]]
    for _, source, text in matches:
        yield source, text


def _facts(part: Embedded) -> Iterator[tuple[str, tuple[str, ...], str]]:
    if part.kind in ("cii", "ubl"):
        for meaning, text in invoice_facts(part.content, part.kind).items():
            yield meaning, _ALSO_CALLED.get(meaning, ()), text
    elif part.kind == "mail_headers":
        for header, text in part.values.items():
            if header.lower() in _HEADERS:
                yield _HEADERS[header.lower()], (), text
    else:
        for name, text in part.values.items():
            yield name, (), text


def _alike(field: FieldSpec, name: str, aliases: Sequence[str]) -> float:
    """1 for the same name, else how much their concepts overlap."""
    spoken = name.replace("_", " ").replace(".", " ").casefold()
    wanted = field.name.replace("_", " ").casefold()
    if wanted == spoken or wanted in aliases:
        return 1.0
    anchors = FieldAnchors.of(field.model_copy(update={"description": ""}))
    best = 0.0
    for called in (spoken, *aliases):
        if concepts_of(words_in(called)):
            best = max(best, anchors.match(words_in(called)))
    return best
