"""Money papers of others: invoices of workshops and practices, bank details, direct debit mandates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from samples import identifiers, people, printing
from samples.draft import CREDITOR_ID, Draft, wording
from samples.people import Company
from samples.sheet import Block, Checks, Pairs, Paragraph, Sender, Sheet, Signature, Table

VAT_RATE = {"LU": 17, "DE": 19, "FR": 20, "BE": 21}
TRADES = {"garage_invoice": "garage", "glazier_invoice": "glazier", "medical_invoice": "practice"}


@dataclass(frozen=True)
class Line:
    """One line of an invoice."""

    item: str
    quantity: Decimal
    price: Decimal

    @property
    def total(self) -> Decimal:
        """Quantity times price, to the cent."""
        return (self.quantity * self.price).quantize(Decimal("0.01"))


@dataclass(frozen=True)
class Bill:
    """What an invoice adds up to; `rate` is the VAT rate in percent, None where exempt."""

    supplier: Company
    lines: tuple[Line, ...]
    rate: int | None

    @property
    def net(self) -> Decimal:
        """Sum of the lines."""
        return sum((line.total for line in self.lines), Decimal())

    @property
    def tax(self) -> Decimal:
        """VAT on the sum."""
        return (self.net * (self.rate or 0) / 100).quantize(Decimal("0.01"))


def bill(draft: Draft) -> Bill:
    """Draw supplier and lines, and add the facts they make."""
    rng = draft.rng
    supplier = people.company(rng, draft.language, TRADES[draft.leaf])
    items = wording("evidence")["invoice"]["items"][draft.leaf][draft.language]
    chosen = rng.sample(items, rng.randint(3, min(7, len(items))))
    lines = tuple(Line(item, _quantity(draft, item), draft.cents(12, 340)) for item in chosen)
    drawn = Bill(supplier, lines, None if draft.leaf == "medical_invoice" else VAT_RATE[supplier.address.country])
    draft.add("invoice_number", _invoice_number(draft))
    draft.add_day("invoice_date", draft.day)
    draft.add_day("due_date", draft.day + timedelta(days=rng.choice([10, 14, 30])))
    draft.add("supplier", supplier.name)
    draft.add("supplier_vat", supplier.vat, rng.choice([supplier.vat, f"{supplier.vat[:2]} {supplier.vat[2:]}"]))
    draft.add("patient", draft.customer.name)
    draft.add_iban(supplier.account.iban)
    draft.add("bic", supplier.account.bic)
    draft.add_money("net_amount", drawn.net)
    draft.add_money("vat_amount", drawn.tax)
    draft.add_money("total_amount", drawn.net + drawn.tax)
    draft.add("vat_rate", str(drawn.rate or 0))
    return drawn


def _quantity(draft: Draft, item: str) -> Decimal:
    hours = "(h)" in item or "(Std.)" in item
    return Decimal(draft.rng.choice(["1.5", "2", "2.5", "3.75", "6"] if hours else ["1", "1", "1", "2", "4"]))


def _invoice_number(draft: Draft) -> str:
    digits, year = identifiers.digits(draft.rng, 4), draft.day.year
    return str(
        draft.rng.choice([f"{year}-{digits}", f"F{year % 100}/{digits}", f"R-{digits}{year % 100}", f"{year}{digits}"])
    )


def invoice(draft: Draft) -> Sheet:
    """An invoice with its table of lines and totals."""
    return invoice_of(draft, bill(draft))


def invoice_of(draft: Draft, drawn: Bill) -> Sheet:
    """The invoice of a bill already drawn, for callers that need its figures as well."""
    words, rng = wording("evidence")["invoice"], draft.rng
    medical = draft.leaf == "medical_invoice"
    blocks: list[Block] = [Paragraph(draft.fill(draft.pick(words["intro"][draft.leaf]))), _lines(draft, drawn, words)]
    if drawn.rate is None:
        blocks.append(Paragraph(words["exempt"][draft.language], "small"))
    blocks.append(Paragraph(draft.fill(draft.pick(words["terms"]))))
    blocks += [Paragraph(aside, "small") for aside in draft.asides("practice" if medical else "supplier", 2)]
    payment = [draft.pair("iban"), (draft.label("bic"), str(draft.facts["bic"]))]
    blocks.append(Pairs((*payment, (draft.label("bank"), drawn.supplier.account.bank)), columns=rng.choice([1, 2])))
    references = [draft.pair("invoice_number"), draft.pair("invoice_date")]
    if rng.random() < 0.4:
        references.append(draft.pair("due_date"))
    supplier = drawn.supplier
    lines = [supplier.address.line, f"{supplier.phone} · {supplier.email}"]
    if not medical:
        lines.append(f"{draft.label('supplier_vat')} {draft.facts['supplier_vat']}")
    addressed_to_insurer = rng.random() < 0.4 and not medical
    return Sheet(
        look="invoice",
        sender=Sender(str(draft.facts["supplier"]), tuple(lines), "cross" if medical else "initial"),
        recipient=draft.insurer("claims") if addressed_to_insurer else draft.customer_lines(),
        references=tuple(references),
        title=draft.pick(words["fee_note"] if medical and rng.random() < 0.5 else words["titles"]),
        blocks=tuple(blocks),
        footer=(f"{supplier.name} · {supplier.address.line}",),
    )


def _lines(draft: Draft, drawn: Bill, words: dict[str, Any]) -> Table:
    style, language = draft.style, draft.language
    rows = []
    for line in drawn.lines:
        quantity = printing.number(line.quantity, language, style)
        shown = quantity if line.quantity % 1 else str(int(line.quantity))
        prices = [printing.number(value, language, style) for value in (line.price, line.total)]
        rows.append((line.item, shown, *prices))
    totals = [(draft.label("total_amount"), str(draft.facts["total_amount"]))]
    if drawn.rate is not None:
        tax = draft.label("vat_amount").format(rate=draft.facts["vat_rate"])
        totals.insert(0, (tax, str(draft.facts["vat_amount"])))
        totals.insert(0, (draft.label("net_amount"), str(draft.facts["net_amount"])))
    widths = (0.5, 0.12, 0.19, 0.19)
    return Table(tuple(words["columns"][language]), tuple(rows), "lrrr", widths, tuple(totals))


def _account_facts(draft: Draft) -> None:
    account = draft.customer.account
    draft.add_iban(account.iban)
    draft.add("bic", account.bic)
    draft.add("bank", account.bank)
    draft.add("mandate_reference", f"{draft.rng.choice(['MND', 'ARD', 'SEPA'])}-{identifiers.digits(draft.rng, 8)}")
    draft.add_day("signed_on", draft.day)
    draft.add("debtor_address", draft.customer.address.line)


def bank_details(draft: Draft) -> Sheet:
    """A bank's statement of account details, or the customer's own note of them."""
    _account_facts(draft)
    words = wording("insurer")["bank_details"][draft.language]
    account, rng = draft.customer.account, draft.rng
    rows = [draft.pair(name) for name in ("account_holder", "bank", "iban", "bic")]
    rng.shuffle(rows)
    note = Paragraph(draft.fill(draft.pick(words["note"])))
    table = Pairs(tuple(rows), columns=1, boxed=rng.random() < 0.7)
    if rng.random() < 0.5:
        sender = Sender(account.bank, (f"{account.bic} · www.bank.example",), "initial")
        return Sheet(
            look="report",
            sender=sender,
            recipient=draft.customer_lines(),
            title=words["title"][0],
            blocks=(table, note),
        )
    blocks: tuple[Block, ...] = (
        note,
        table,
        Signature(draft.pick(wording("common")["mail_closing"]), draft.customer.name),
    )
    name, *lines = draft.customer_lines()
    place = draft.place_date(draft.customer.address.town)
    recipient = draft.insurer("claims")
    return Sheet(
        look="letter",
        sender=Sender(name, tuple(lines)),
        recipient=recipient,
        place_date=place,
        title=words["title"][1],
        blocks=blocks,
    )


def mandate(draft: Draft) -> Sheet:
    """A SEPA direct debit mandate, filled in."""
    _account_facts(draft)
    words, rng = wording("insurer")["mandate"][draft.language], draft.rng
    question, first, second = words["kind"]
    company = wording("insurer")["company"]["name"][draft.language]
    head = (
        (draft.label("creditor"), company),
        (draft.label("creditor_id"), CREDITOR_ID),
        draft.pair("mandate_reference"),
    )
    names = ["account_holder", "debtor_address", "iban", "bic", "bank"]
    if rng.random() < 0.5:
        names.append("policy_number")
    rows = tuple(draft.pair(name) for name in names)
    signed = draft.pick(wording("common")["signed_at"]).format(
        town=draft.customer.address.town, day=format(draft.facts["signed_on"], "f")
    )
    blocks: tuple[Block, ...] = (
        Pairs(head, boxed=True),
        Paragraph(words["text"], "small"),
        Pairs(rows, columns=1, boxed=rng.random() < 0.6),
        Checks(question, ((first, True), (second, False))),
        Signature(signed, draft.customer.name),
    )
    sender = draft.letterhead("accounts")
    return Sheet(
        look="form", sender=sender, title=draft.pick(words["title"]), blocks=blocks, footer=draft.insurer_footer()
    )
