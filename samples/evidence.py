"""Papers that prove something: medical certificates, police and surveyors' reports, identity cards; and strays.

The identity card is a plain layout of our own with the fields of one; it imitates no state's document.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from samples import identifiers, people, printing
from samples.draft import Draft, wording
from samples.sheet import Block, Bullets, Heading, Pairs, Paragraph, Sender, Sheet, Signature, Table


def medical_certificate(draft: Draft) -> Sheet:
    """A doctor's certificate of incapacity, with or without a table of its dates."""
    words, rng = wording("evidence")["medical_certificate"][draft.language], draft.rng
    practice = people.company(rng, draft.language, "practice")
    draft.add("doctor", f"{'Dr. med.' if draft.language == 'de' else 'Dr'} {practice.contact}")
    draft.add("patient", draft.customer.name)
    draft.add_day("issued_on", draft.day)
    draft.add_day("unfit_from", draft.day - timedelta(days=rng.randint(0, 2)))
    draft.add_day("unfit_to", draft.day + timedelta(days=rng.randint(4, 40)))
    blocks: list[Block] = []
    if rng.random() < 0.5:
        rows = [draft.pair("patient"), (draft.label("born"), draft.printed_day(draft.customer.born, False))]
        rows += [draft.pair("unfit_from"), draft.pair("unfit_to"), draft.pair("issued_on")]
        blocks += [Pairs(tuple(rows), columns=rng.choice([1, 2]), boxed=True), Paragraph(draft.pick(words["finding"]))]
    else:
        blocks += [Paragraph(draft.fill(draft.pick(words["text"]))), Paragraph(draft.pick(words["finding"]))]
    blocks.append(Paragraph(draft.pick(words["more"])))
    blocks += [Paragraph(aside) for aside in draft.asides("practice", 1)]
    blocks.append(
        Signature(draft.place_date(practice.address.town, str(draft.facts["issued_on"])), str(draft.facts["doctor"]))
    )
    sender = Sender(practice.name, (practice.address.line, practice.phone), "cross")
    return Sheet(look="report", sender=sender, title=draft.pick(words["title"]), blocks=tuple(blocks))


def police_report(draft: Draft) -> Sheet:
    """A record of what somebody told the police."""
    words, rng = wording("evidence")["police_report"][draft.language], draft.rng
    town = draft.customer.address.town
    draft.add("complainant", draft.customer.name)
    draft.add("report_number", f"{rng.choice(['PV', 'JDA', 'ST'])} {identifiers.digits(rng, 5)}/{draft.day.year}")
    draft.add("station", rng.choice(words["station"]).format(town=town))
    draft.add_day("reported_on", draft.day)
    rows = [draft.pair(name) for name in ("report_number", "station", "reported_on", "complainant")]
    rows.append((draft.label("born"), draft.printed_day(draft.customer.born, False)))
    officer = people.person(rng, draft.language).name
    closing = draft.place_date(town)
    blocks: tuple[Block, ...] = (
        Pairs(tuple(rows), columns=1, boxed=rng.random() < 0.5),
        Paragraph(draft.fill(draft.pick(words["text"]))),
        Paragraph(" ".join([draft.pick(words["more"]), *draft.asides("police", 2)])),
        Signature(closing, officer, words["force"]),
    )
    sender = Sender(words["force"], (str(draft.facts["station"]), town), "arms")
    return Sheet(look="report", sender=sender, title=draft.pick(words["title"]), blocks=blocks)


def surveyor_report(draft: Draft) -> Sheet:
    """A loss adjuster's report with a valuation table."""
    words, rng = wording("evidence")["surveyor_report"][draft.language], draft.rng
    firm = people.company(rng, draft.language, "surveyor")
    draft.add("surveyor", firm.contact)
    draft.add_day("visit_date", draft.day - timedelta(days=rng.randint(2, 12)))
    table, total = _valuation(draft, words)
    draft.add_money("damage_amount", total)
    mission, findings, valuation, conclusion = words["headings"]
    blocks: list[Block] = [Heading(f"1. {mission}"), Paragraph(draft.fill(draft.pick(words["open"])))]
    if rng.random() < 0.7:
        rows = [
            draft.pair("claim_number"),
            draft.pair("policyholder"),
            draft.pair("surveyor"),
            draft.pair("visit_date"),
        ]
        blocks.insert(0, Pairs(tuple(rows), columns=2, boxed=True))
    blocks += [Heading(f"2. {findings}"), Paragraph(draft.pick(words["story"]))]
    remarks = draft.asides("surveyor", 3)
    if remarks:
        blocks.append(Bullets(tuple(remarks), numbered=rng.random() < 0.3))
    blocks += [Heading(f"3. {valuation}"), table]
    blocks += [Heading(f"4. {conclusion}"), Paragraph(draft.fill(draft.pick(words["verdict"])))]
    closing = draft.place_date(firm.address.town)
    blocks.append(Signature(closing, str(draft.facts["surveyor"]), firm.name))
    sender = Sender(firm.name, (firm.address.line, f"{firm.phone} · {firm.email}"), "initial")
    return Sheet(
        look="report",
        sender=sender,
        recipient=draft.insurer("claims"),
        title=draft.pick(words["title"]),
        blocks=tuple(blocks),
    )


def _valuation(draft: Draft, words: dict[str, list[str]]) -> tuple[Table, Decimal]:
    rows, total = [], Decimal()
    for item in draft.rng.sample(words["items"], draft.rng.randint(3, 5)):
        new, wear = draft.cents(90, 2_600), Decimal(draft.rng.choice([0, 10, 15, 20, 30]))
        allowed = (new * (100 - wear) / 100).quantize(Decimal("0.01"))
        total += allowed
        shown = [printing.number(value, draft.language, draft.style) for value in (new, allowed)]
        rows.append((item, shown[0], f"{wear} %", shown[1]))
    return Table(tuple(words["columns"]), tuple(rows), "lrrr", (0.4, 0.22, 0.16, 0.22)), total


def identity_card(draft: Draft) -> Sheet:
    """Both sides of an identity card on one sheet, as a photocopier makes it."""
    words, rng, who = wording("evidence")["identity_card"][draft.language], draft.rng, draft.customer
    second = rng.choice(people.GIVEN[draft.language])[0]
    nationality = words["nationality"][rng.randrange(2)]
    draft.add("surname", who.family, who.family.upper() if rng.random() < 0.7 else who.family)
    draft.add("given_names", f"{who.given} {second}")
    draft.add_day("birth_date", who.born)
    draft.add("nationality", nationality)
    letters = "CFGHJKLMNPRTVWXYZ"
    draft.add(
        "document_number",
        f"{rng.choice(letters)}{identifiers.digits(rng, 4)}{rng.choice(letters)}{identifiers.digits(rng, 3)}",
    )
    draft.add_day("expiry_date", draft.day.replace(day=1) + timedelta(days=rng.randint(200, 3_000)))
    names = ("surname", "given_names", "birth_date", "nationality", "document_number", "expiry_date")
    rows = tuple(draft.pair(name) for name in names)
    return Sheet(
        look="card",
        sender=Sender(words["issuer"], (), "arms"),
        title=words["title"],
        blocks=(Pairs(rows), *(Paragraph(line, "small") for line in _machine_lines(draft, words["code"]))),
        footer=(wording("evidence")["identity_card"]["specimen"][draft.language],),
        photo=True,
    )


def _machine_lines(draft: Draft, code: str) -> tuple[str, str, str]:
    """Three lines in the shape of a machine readable zone; their check digits are not computed."""
    who = draft.customer
    number = str(draft.facts["document_number"].value)
    name = f"{people.ascii_slug(who.family)}<<{people.ascii_slug(who.given)}".upper().replace("-", "<")
    lines = (f"ID{code:<<3}{number}", f"{who.born:%y%m%d}{who.sex.upper()}{code:<<3}", name)
    return tuple(line.ljust(30, "<")[:30] for line in lines)  # type: ignore[return-value]


def stray(draft: Draft, option: int) -> Sheet:
    """Mail that is none of the insurer's business, the `option`th of its language: no class of the taxonomy fits."""
    words = wording("evidence")["out_of_scope"][draft.language][option]
    name, *lines = draft.customer_lines()
    body: list[Block] = [Paragraph(text) for text in words["text"]]
    body.append(Signature(draft.pick(wording("common")["mail_closing"]), draft.customer.name))
    return Sheet(
        look="letter",
        sender=Sender(name, (*lines, draft.customer.phone)),
        place_date=draft.place_date(draft.customer.address.town),
        title=words["title"],
        blocks=tuple(body),
    )
