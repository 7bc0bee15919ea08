"""What customers, brokers and lawyers write: letters, forms filled in, mails.

The same wording serves as a letter, as a form of the insurer and as a mail, so that the kind of a document
cannot be told from its format.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from samples import people, truth
from samples.draft import Draft, sentence, wording
from samples.sheet import Block, Checks, Heading, Pairs, Paragraph, Sender, Sheet, Signature

CLAIMS = frozenset(wording("claims"))

#: Leaves whose wording tells one of two stories: the first or the second alternative throughout.
TWO_STORIES = frozenset({"glass_breakage", "fire_and_storm", "travel_claim", "broker_request"})

#: Letters that somebody writes for the customer.
TRADE_OF = {"broker_request": "broker", "lawyer_letter": "lawyer"}

#: The rows of the insurer's claim forms, beside the policy and the customer.
FORM_ROWS: dict[str, tuple[str, ...]] = {
    "motor_accident": ("loss_date", "loss_place", "vehicle", "plate", "other_driver", "other_plate"),
    "vehicle_theft": ("loss_date", "loss_place", "vehicle", "plate"),
    "glass_breakage": ("loss_date", "loss_place", "vehicle", "plate"),
    "water_damage": ("loss_date", "insured_address", "estimated_damage"),
    "fire_and_storm": ("loss_date", "insured_address", "estimated_damage"),
    "burglary": ("loss_date", "insured_address", "police_report_number", "estimated_damage"),
    "health_reimbursement": ("patient", "loss_date", "amount_claimed", "iban"),
    "travel_claim": ("destination", "loss_date", "amount_claimed", "iban"),
    "address_change": ("effective_date", "new_address"),
    "termination": ("effective_date",),
}

FORM_QUESTIONS: dict[str, tuple[str, ...]] = {
    "fr": ("Y a-t-il des blessés ?", "La police a-t-elle été avertie ?", "Un autre assureur est-il concerné ?"),
    "de": ("Gibt es Verletzte?", "Wurde die Polizei verständigt?", "Ist ein weiterer Versicherer betroffen?"),
    "en": ("Was anybody injured?", "Have the police been informed?", "Is another insurer involved?"),
}


def texts(draft: Draft) -> dict[str, Any]:
    """The alternatives for this leaf in this language."""
    source = "claims" if draft.leaf in CLAIMS else "letters"
    found: dict[str, Any] = wording(source)[draft.leaf][draft.language]
    return found


def prepare(draft: Draft) -> None:
    """Add the facts that only these documents have."""
    rng, words = draft.rng, wording("common")
    draft.add_money("estimated_damage", draft.cents(400, 18_000))
    draft.add_money("amount_claimed", draft.cents(60, 4_000))
    relative = people.person(rng, draft.language)
    draft.add("patient", draft.customer.name if rng.random() < 0.5 else f"{relative.given} {draft.customer.family}")
    draft.add("destination", rng.choice(words["destinations"][draft.language]))
    draft.add("police_report_number", f"{rng.randint(10, 99)}/{draft.day.year}/{rng.randint(1000, 9999)}")
    draft.add_day("effective_date", draft.day + timedelta(days=rng.randint(10, 90)))
    draft.add("new_address", people.address(rng, draft.language).line)
    items = rng.sample(words["stolen"][draft.language], rng.randint(2, 4))
    draft.facts["stolen_items"] = truth.several(items, words["and"][draft.language])
    story = texts(draft).get("story")
    if isinstance(story, dict):
        kind = "reason" if draft.leaf == "termination" else "cause"
        draft.facts[kind] = truth.choice(rng.choice(sorted(story)))


def story(draft: Draft) -> str:
    """What happened, in the words of one alternative."""
    options = texts(draft)["story"]
    if isinstance(options, dict):
        options = options[str(draft.facts["reason" if draft.leaf == "termination" else "cause"].value)]
    return draft.fill(options[draft.variant] if draft.leaf in TWO_STORIES else draft.pick(options))


def _said(draft: Draft, slot: str) -> str:
    options = texts(draft)[slot]
    if draft.leaf in TWO_STORIES and slot in ("subject", "open", "more"):
        return draft.fill(options[draft.variant])
    return draft.fill(draft.pick(options))


def paragraphs(draft: Draft) -> list[Paragraph]:
    """The body of a letter: opening, story, particulars, request, in two to four paragraphs."""
    opening, told, more, ask = _said(draft, "open"), story(draft), _said(draft, "more"), _said(draft, "ask")
    if draft.language != "de":
        opening = sentence(opening)
    shape = draft.rng.randrange(3)
    if shape == 0:
        parts = [opening, told, more, ask]
    elif shape == 1:
        parts = [f"{opening} {told}", f"{more} {ask}"]
    else:
        parts = [opening, f"{told} {more}", ask]
    if draft.leaf not in TRADE_OF:
        _add_asides(draft, parts)
    return [Paragraph(part) for part in parts]


def _add_asides(draft: Draft, parts: list[str]) -> None:
    """Work sentences beside the point into the letter, after its opening."""
    for aside in draft.asides("customer", 3):
        at = draft.rng.randint(1, len(parts) - 1)
        if draft.rng.random() < 0.4:
            parts.insert(at, aside)
        else:
            parts[at] = f"{parts[at]} {aside}"


def _department(draft: Draft) -> str:
    if draft.leaf == "complaint":
        return "complaints"
    return "claims" if draft.leaf in CLAIMS or draft.leaf == "lawyer_letter" else "contracts"


def letter(draft: Draft) -> Sheet:
    """A letter from a customer, or from the broker or lawyer who writes for one."""
    prepare(draft)
    words = wording("common")
    sender, role, town = _sender(draft)
    subject = draft.pick(words["object"]) + sentence(_said(draft, "subject"))
    body: list[Block] = [Paragraph(draft.pick(words["salutation"]))]
    body += paragraphs(draft)
    closing = draft.pick(words["closing"] if not role else words["company_closing"])
    body.append(Signature(closing, role[0] if role else str(draft.facts["policyholder"]), role[1] if role else ""))
    if draft.rng.random() < 0.5:
        enclosed = draft.rng.sample(words["enclosures"][draft.language], 2)
        body.append(Paragraph(words["enclosure_label"][draft.language] + ", ".join(enclosed), "small"))
    return Sheet(
        look="letter",
        sender=sender,
        recipient=draft.insurer(_department(draft)),
        place_date=draft.place_date(town),
        references=(draft.pair("policy_number"),) if draft.leaf in CLAIMS and draft.rng.random() < 0.3 else (),
        title=subject,
        blocks=tuple(body),
    )


def _sender(draft: Draft) -> tuple[Sender, tuple[str, str] | None, str]:
    """Letterhead, the name and role that sign (None: the customer signs), and the town."""
    trade = TRADE_OF.get(draft.leaf)
    if trade is None:
        home = draft.customer.address
        name, *lines = draft.customer_lines()
        contact = draft.rng.choice([draft.customer.phone, draft.customer.email])
        return Sender(name, (*lines, contact)), None, home.town
    firm = people.company(draft.rng, draft.language, trade)
    lines = [firm.address.line, f"{firm.phone} · {firm.email}"]
    draft.add("sender_email", firm.email)
    return Sender(firm.name, tuple(lines), "initial"), (firm.contact, firm.name), firm.address.town


def form(draft: Draft) -> Sheet:
    """The insurer's form, filled in by the customer."""
    prepare(draft)
    words, rng = wording("common"), draft.rng
    boxed = rng.random() < 0.6
    about = tuple(draft.pair(name) for name in ("policy_number", "policyholder", "phone", "email"))
    rows = tuple(draft.pair(name) for name in FORM_ROWS[draft.leaf])
    blocks: list[Block] = [Heading(draft.heading("details")), Pairs(about, columns=2, boxed=boxed)]
    if draft.leaf in CLAIMS:
        blocks.append(Heading(draft.heading("loss")))
    blocks.append(Pairs(rows, columns=2 if boxed or len(rows) > 4 else 1, boxed=boxed))
    told = " ".join([story(draft), _said(draft, "more"), *draft.asides("customer", 2)])
    blocks += [Heading(draft.heading("event")), Paragraph(told)]
    if draft.leaf in CLAIMS:
        yes, no = words["yes_no"][draft.language]
        for question in rng.sample(FORM_QUESTIONS[draft.language], 2):
            answer = rng.random() < 0.3
            blocks.append(Checks(question, ((yes, answer), (no, not answer))))
    blocks.append(Paragraph(draft.pick(words["statement"]), "small"))
    signed = draft.pick(words["signed_at"]).format(
        town=draft.customer.address.town, day=draft.printed_day(draft.day, False)
    )
    blocks.append(Signature(signed, draft.customer.name))
    return Sheet(
        look="form",
        sender=draft.letterhead(_department(draft)),
        title=draft.pick(texts(draft)["form_title"]),
        references=(draft.pair("claim_number"),) if draft.leaf in CLAIMS and rng.random() < 0.5 else (),
        blocks=tuple(blocks),
        footer=draft.insurer_footer(),
    )


def mail(draft: Draft) -> Sheet:
    """The same as a mail: no addresses, a shorter ending."""
    prepare(draft)
    words = wording("common")
    sender, role, _ = _sender(draft)
    body: list[Block] = [Paragraph(draft.pick(words["salutation"])), *paragraphs(draft)]
    name = role[0] if role else str(draft.facts["policyholder"])
    lines = (sender.name, *sender.lines) if role else (draft.customer.phone,)
    body.append(Paragraph("\n".join([draft.pick(words["mail_closing"]), name, *lines])))
    return Sheet(look="mail", sender=Sender(name, lines), title=sentence(_said(draft, "subject")), blocks=tuple(body))
