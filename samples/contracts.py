"""What the insurer sends about a contract: policies of several pages, endorsements, premium notices, reminders."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from samples import identifiers, people, printing, truth
from samples.draft import INSURER_BIC, INSURER_IBAN, Draft, wording
from samples.sheet import Block, Heading, NewPage, Pairs, Paragraph, Sheet, Signature, Table

FREQUENCIES = {"annual": 1, "half-yearly": 2, "quarterly": 4, "monthly": 12}
TAX = Decimal("0.04")


def _words(draft: Draft, name: str) -> dict[str, Any]:
    found: dict[str, Any] = wording("insurer")[name]
    return found


def _greeting(draft: Draft) -> Paragraph:
    line = wording("common")["to_customer"][draft.language][draft.customer.sex]
    return Paragraph(line.format(name=draft.customer.family))


def _signed(draft: Draft) -> Signature:
    who = people.person(draft.rng, draft.language).name
    department = wording("insurer")["company"]["departments"]["contracts"][draft.language]
    return Signature(draft.pick(wording("common")["company_closing"]), who, department)


def _cents(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.01"))


def policy(draft: Draft) -> Sheet:
    """A policy schedule: contract, risk, covers with premiums, an extract of the conditions; two to four pages."""
    words = _words(draft, "policy")
    names, premiums = _covers(draft, words)
    _policy_facts(draft, names, premiums)
    title = draft.pick(words["titles"][draft.leaf])
    colon = " :" if draft.language == "fr" else ":"
    section = {name: text[draft.language] for name, text in words["sections"].items()}
    blocks: list[Block] = [_greeting(draft), Paragraph(draft.pick(words["intro"])), Heading(section["contract"])]
    rows = [draft.pair(name) for name in ("policy_number", "policyholder", "start_date", "end_date")]
    frequency = draft.facts["payment_frequency"]
    spelled = wording("common")["frequency"][str(frequency.value)][draft.language]
    rows.append((draft.label("payment_frequency"), format(frequency, spelled)))
    blocks.append(Pairs(tuple(rows), columns=draft.rng.choice([1, 2]), boxed=False))
    blocks += [Heading(section["risk"]), _risk(draft)]
    blocks += [Heading(section["covers"]), _cover_table(draft, words, names, premiums)]
    blocks += [Paragraph(f"{draft.label('deductible')}{colon} {draft.facts['deductible']}", "bold")]
    blocks += [Heading(section["premium"]), _premium(draft, words, premiums), _signed(draft), NewPage()]
    blocks += [Heading(section["conditions"]), *_conditions(draft, words)]
    return Sheet(
        look="policy",
        sender=draft.letterhead("contracts"),
        recipient=draft.customer_lines(),
        place_date=draft.place_date("Luxembourg"),
        title=title,
        blocks=tuple(blocks),
        footer=draft.insurer_footer(),
        running_title=f"{title} · {draft.facts['policy_number']}",
    )


def _covers(draft: Draft, words: dict[str, Any]) -> tuple[list[str], list[Decimal]]:
    offered = words["covers"][draft.leaf][draft.language]
    chosen = sorted(draft.rng.sample(range(1, len(offered)), draft.rng.randint(3, 6)))
    names = [offered[0], *(offered[index] for index in chosen)]
    return names, [draft.cents(18, 260) for _ in names]


def _policy_facts(draft: Draft, names: list[str], premiums: list[Decimal]) -> None:
    rng = draft.rng
    start = date(draft.day.year, rng.randint(1, 12), rng.choice([1, 1, 1, 15]))
    draft.add_day("start_date", start)
    draft.add_day("end_date", start.replace(year=start.year + 1) - timedelta(days=rng.choice([0, 1])))
    draft.add_money("deductible", Decimal(rng.choice([125, 150, 250, 300, 500, 750])))
    draft.add_money("sum_insured", Decimal(rng.randint(180, 960) * 1000))
    draft.add_money("annual_premium", _cents(sum(premiums, Decimal()) * (1 + TAX)))
    draft.add("insured_person", draft.customer.name)
    draft.facts["payment_frequency"] = truth.choice(rng.choice(sorted(FREQUENCIES)))
    draft.facts["covers"] = truth.several(names, "")


def _risk(draft: Draft) -> Pairs:
    names = {
        "motor_policy": ("vehicle", "plate"),
        "home_policy": ("insured_address", "sum_insured"),
        "health_policy": ("insured_person",),
    }[draft.leaf]
    rows = [draft.pair(name) for name in names]
    if draft.leaf == "health_policy":
        rows.append((draft.label("born"), draft.printed_day(draft.customer.born, False)))
    return Pairs(tuple(rows))


def _cover_table(draft: Draft, words: dict[str, Any], names: list[str], premiums: list[Decimal]) -> Table:
    unlimited = {"fr": "illimité", "de": "unbegrenzt", "en": "unlimited"}[draft.language]
    rows = []
    for index, premium in enumerate(premiums):
        limit = Decimal(draft.rng.choice([1_500, 5_000, 12_500, 50_000, 250_000, 1_250_000]))
        shown = unlimited if index == 0 else printing.amount(limit, draft.language, draft.style)
        rows.append(
            (format(draft.facts["covers"], str(index)), shown, printing.number(premium, draft.language, draft.style))
        )
    return Table(tuple(words["columns"]["covers"][draft.language]), tuple(rows), "lrr", (0.5, 0.28, 0.22))


def _premium(draft: Draft, words: dict[str, Any], premiums: list[Decimal]) -> Pairs:
    net = sum(premiums, Decimal())
    tax = _cents(net * (1 + TAX)) - net
    rows = (
        (words["net"][draft.language], printing.amount(net, draft.language, draft.style)),
        (words["tax"][draft.language], printing.amount(tax, draft.language, draft.style)),
        draft.pair("annual_premium"),
    )
    return Pairs(rows)


def _conditions(draft: Draft, words: dict[str, Any]) -> list[Block]:
    clauses = list(words["clauses"][draft.language])
    draft.rng.shuffle(clauses)
    blocks: list[Block] = []
    for number, (name, text) in enumerate(clauses[: draft.rng.randint(11, 15)], start=1):
        blocks += [Paragraph(f"{number}. {name}", "bold"), Paragraph(text, "small")]
    return blocks


def endorsement(draft: Draft) -> Sheet:
    """A change to a contract, one page."""
    words, rng = _words(draft, "endorsement")[draft.language], draft.rng
    draft.add_day("effective_date", draft.day + timedelta(days=rng.randint(5, 60)))
    draft.add_money("new_premium", draft.cents(210, 1_400))
    offered = _words(draft, "policy")["covers"][{"motor": "motor_policy", "home": "home_policy"}[draft.branch]]
    story = words["story"][0] if draft.branch == "home" and rng.random() < 0.5 else None
    story = story or (words["story"][2] if draft.branch == "home" else draft.pick(words["story"][:2]))
    extra = {"n": rng.randint(1, 6), "cover": rng.choice(offered[draft.language][1:]), "surface": rng.randint(58, 240)}
    blocks: list[Block] = [_greeting(draft), Paragraph(draft.fill(draft.pick(words["open"])))]
    if rng.random() < 0.6:
        rows = tuple(draft.pair(name) for name in ("policyholder", "policy_number", "effective_date", "new_premium"))
        blocks += [Paragraph(draft.fill(story, **extra)), Pairs(rows, columns=rng.choice([1, 2]), boxed=True)]
    else:
        blocks += [Paragraph(draft.fill(story, **extra)), Paragraph(draft.fill(draft.pick(words["premium"])))]
    blocks += [Paragraph(draft.pick(words["ask"])), _signed(draft)]
    return _insurer_letter(draft, "contracts", draft.fill(draft.pick(words["title"]), **extra), blocks)


def premium_notice(draft: Draft) -> Sheet:
    """The yearly or quarterly bill for the premium."""
    words, rng = _words(draft, "premium_notice")[draft.language], draft.rng
    parts = _bill(draft)
    blocks: list[Block] = [_greeting(draft), Paragraph(draft.fill(draft.pick(words["open"])))]
    first = draft.day.replace(day=1) + timedelta(days=31)
    period = f"{first:%m/%Y} – {first.month - 1 or 12:02d}/{first.year + (first.month > 1)}"
    rows = tuple(
        (item, period if index == 0 else "", printing.number(part, draft.language, draft.style))
        for index, (item, part) in enumerate(zip(words["items"], parts, strict=True))
    )
    total = (draft.label("amount_due"), str(draft.facts["amount_due"]))
    blocks.append(Table(tuple(words["columns"]), rows, "lcr", (0.5, 0.28, 0.22), totals=(total,)))
    blocks += [Heading(draft.heading("payment")), _payment(draft), Paragraph(draft.pick(words["more"]), "small")]
    return _insurer_letter(draft, "accounts", draft.pick(words["title"]), blocks, rng.random() < 0.7)


def payment_reminder(draft: Draft) -> Sheet:
    """The letter after an unpaid notice."""
    words, rng = _words(draft, "payment_reminder")[draft.language], draft.rng
    _bill(draft)
    blocks: list[Block] = [_greeting(draft), Paragraph(draft.fill(draft.pick(words["open"])))]
    blocks += [Paragraph(draft.fill(draft.pick(words["more"]))), _payment(draft)]
    blocks += [Paragraph(draft.pick(words["ask"])), _signed(draft)]
    return _insurer_letter(draft, "accounts", draft.pick(words["title"]), blocks, rng.random() < 0.5)


def _bill(draft: Draft) -> tuple[Decimal, Decimal, Decimal]:
    """Add what the customer has to pay; net premium, tax and fee."""
    net, fee = draft.cents(95, 1_200), Decimal(draft.rng.choice(["2.50", "4.00", "6.50"]))
    tax = _cents(net * TAX)
    draft.add_money("amount_due", net + tax + fee)
    draft.add_day("due_date", draft.day + timedelta(days=draft.rng.randint(12, 35)))
    draft.add_iban(INSURER_IBAN)
    reference = identifiers.digits(draft.rng, 12)
    draft.add(
        "payment_reference",
        reference,
        f"+++{reference[:3]}/{reference[3:7]}/{reference[7:]}+++" if draft.style % 2 else None,
    )
    return net, tax, fee


def _payment(draft: Draft) -> Pairs:
    rows = [draft.pair(name) for name in ("amount_due", "due_date", "iban", "payment_reference")]
    rows.insert(3, (draft.label("bic"), INSURER_BIC))
    return Pairs(tuple(rows), columns=draft.rng.choice([1, 1, 2]), boxed=True)


def _insurer_letter(draft: Draft, department: str, title: str, blocks: list[Block], named: bool = False) -> Sheet:
    """A letter of the insurer; `named` prints policy and policyholder in the reference block."""
    blocks += [Paragraph(aside, "small") for aside in draft.asides("insurer", 2)]
    references = [draft.pair(name) for name in ("policy_number", "policyholder")] if named else []
    references.append(
        (draft.label("our_reference"), f"{draft.rng.choice(['KM', 'TS', 'AR', 'LB'])}/{draft.rng.randint(100, 999)}")
    )
    return Sheet(
        look="letter",
        sender=draft.letterhead(department),
        recipient=draft.customer_lines(),
        place_date=draft.place_date("Luxembourg"),
        references=tuple(references),
        title=title,
        blocks=tuple(blocks),
        footer=draft.insurer_footer(),
    )
