"""One document in the making: its language, its random choices, its facts, and the words for them.

It knows no layout and no file format, and writes nothing to disk.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import yaml

from samples import identifiers, people, printing, truth
from samples.people import Person
from samples.printing import Language
from samples.sheet import Sender
from samples.truth import Fact

WORDING = Path(__file__).parent / "wording"

#: Branch of the policy a document is about; everything else is drawn.
BRANCH_OF = {
    "motor_accident": "motor", "vehicle_theft": "motor", "glass_breakage": "motor", "motor_policy": "motor",
    "water_damage": "home", "fire_and_storm": "home", "burglary": "home", "home_policy": "home",
    "health_reimbursement": "health", "health_policy": "health", "medical_invoice": "health",
    "medical_certificate": "health", "travel_claim": "travel",
}  # fmt: skip

#: The insurer's own account, to which premiums are paid.
INSURER_IBAN = "LU329940004170026000"
INSURER_BIC = "BMOSLULL"
CREDITOR_ID = "LU51ZZZ0000000000000004170"


@cache
def wording(name: str) -> dict[str, Any]:
    """One file of `wording/`, read once."""
    loaded: dict[str, Any] = yaml.safe_load((WORDING / f"{name}.yaml").read_text("utf-8"))
    return loaded


class Draft:
    """The facts of one document and the means to put them into words."""

    def __init__(self, rng: Random, leaf: str, language: Language, customer: Person | None = None) -> None:
        self.rng = rng
        self.leaf = leaf
        self.language: Language = language
        self.style = rng.randrange(6)
        self.variant = rng.randrange(2)
        self.in_words = rng.random() < 0.4
        self.day = date(2024, 3, 1) + timedelta(days=rng.randint(0, 600))
        self.customer = customer or people.person(rng, language)
        self.branch = BRANCH_OF.get(leaf, rng.choice(["motor", "home"]))
        self.facts: dict[str, Fact] = {"currency": truth.text("EUR")}
        self._common_facts()

    def _common_facts(self) -> None:
        """What any document of an insurer may mention."""
        rng, customer = self.rng, self.customer
        country = customer.address.country
        other = people.person(rng, self.language)
        scene = people.address(rng, self.language)
        street = re.sub(r"^\d+[Ab]?,? ", "", scene.street)
        self.add("policyholder", customer.name)
        self.add("policy_number", identifiers.policy_number(rng, self.branch))
        self.add("claim_number", identifiers.claim_number(rng, self.day.year))
        self.add_day("loss_date", self.day - timedelta(days=rng.randint(1, 20)))
        self.add("loss_place", f"{scene.town}, {street}")
        self.add("plate", identifiers.plate(rng, country))
        self.add("vehicle", rng.choice(wording("common")["vehicles"]))
        self.add("other_driver", other.name)
        self.add("other_plate", identifiers.plate(rng, rng.choice(["LU", "DE", "FR", "BE"])))
        self.add("other_insurer", rng.choice(wording("common")["insurers"]))
        self.add("garage", people.company(rng, self.language, "garage").name)
        self.add("insured_address", customer.address.line)
        self.add("phone", customer.phone)
        self.add("email", customer.email)
        self.add_iban(customer.account.iban)
        self.add("account_holder", customer.name)

    def add(self, name: str, value: str, shown: str | None = None) -> None:
        """A fact printed as `shown`, or as it is."""
        self.facts[name] = truth.text(value, shown)

    def add_day(self, name: str, value: date) -> None:
        """A date."""
        self.facts[name] = truth.day(value, self.language, self.style, self.in_words)

    def add_money(self, name: str, value: Decimal) -> None:
        """An amount in euro."""
        self.facts[name] = truth.money(value, self.language, self.style, self.facts["currency"])

    def add_iban(self, iban: str) -> None:
        """An IBAN, printed in groups of four most of the time."""
        self.add("iban", iban, identifiers.grouped(iban) if self.rng.random() < 0.8 else iban)

    def cents(self, low: int, high: int) -> Decimal:
        """A random amount between `low` and `high` euro, sometimes a round one."""
        if self.rng.random() < 0.2:
            return Decimal(self.rng.randint(low // 10, high // 10) * 10)
        return Decimal(self.rng.randint(low * 100, high * 100)) / 100

    def pick(self, options: Any) -> Any:
        """One of the options in this document's language, or one of a plain list."""
        found = options[self.language] if isinstance(options, dict) and self.language in options else options
        return self.rng.choice(found) if isinstance(found, list) else found

    def fill(self, template: str, **extra: object) -> str:
        """The template with the facts it names; formatting them records them as printed."""
        return template.format_map({**self.facts, **extra})

    def label(self, name: str) -> str:
        """The words beside the value `name`."""
        return str(self.pick(wording("labels")[name]))

    def pair(self, name: str) -> tuple[str, str]:
        """Label and value, dates in figures."""
        return self.label(name), format(self.facts[name], "f")

    def heading(self, name: str) -> str:
        """A heading of the common set."""
        return str(wording("common")["headings"][name][self.language])

    def printed_day(self, value: date, in_words: bool | None = None) -> str:
        """A date that is no field."""
        if self.in_words if in_words is None else in_words:
            return printing.long_date(value, self.language)
        return printing.numeric_date(value, self.language, self.style)

    def asides(self, of: str, most: int) -> list[str]:
        """Up to `most` sentences beside the point, as `of` (customer, insurer, supplier …) writes them."""
        options = wording("common")["asides"][of][self.language]
        return list(self.rng.sample(options, self.rng.randint(0, most)))

    def place_date(self, town: str, day: str | None = None) -> str:
        """`Mersch, le 4 mars 2025`."""
        return str(self.pick(wording("common")["place_date"])).format(town=town, day=day or self.printed_day(self.day))

    def insurer(self, department: str) -> tuple[str, ...]:
        """The insurer as the recipient of a letter."""
        company = wording("insurer")["company"]
        return (
            company["name"][self.language],
            company["departments"][department][self.language],
            "18, rue des Forges",
            "L-2410 Luxembourg",
        )

    def letterhead(self, department: str) -> Sender:
        """The insurer as the sender."""
        company = wording("insurer")["company"]
        lines = (
            company["departments"][department][self.language],
            "18, rue des Forges · L-2410 Luxembourg",
            "+352 27 90 00 · service@ardelune.example",
        )
        return Sender(company["name"][self.language], lines, "moon", company["tagline"][self.language])

    def insurer_footer(self) -> tuple[str, ...]:
        """The line at the foot of the insurer's pages."""
        return (wording("insurer")["company"]["footer"][self.language],)

    def customer_lines(self) -> tuple[str, ...]:
        """The customer's name and address on three lines."""
        home = self.customer.address
        return (str(self.facts["policyholder"]), home.street, f"{home.post_code} {home.town}")


def sentence(text: str) -> str:
    """With a capital first letter."""
    return text[:1].upper() + text[1:]
