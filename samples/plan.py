"""Which documents there are: class, language, shape, file format, and which half they belong to.

Five of each leaf: one in each language to learn from, two to measure with. Strays that belong to no class come on
top.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from random import Random
from typing import Any, Literal

import yaml

from samples import billing, contracts, evidence, letters
from samples.draft import Draft
from samples.people import ascii_slug
from samples.printing import Language
from samples.sheet import Sheet

Format = Literal["pdf", "scan", "docx", "xlsx", "html", "txt", "eml", "facturx", "form"]
Split = Literal["label", "measure"]
Maker = Callable[[Draft], Sheet]

LANGUAGES: tuple[Language, ...] = ("fr", "de", "en")
HERE = Path(__file__).parent

_LETTERS: tuple[tuple[Maker, Format], ...] = (
    (letters.letter, "pdf"), (letters.mail, "eml"), (letters.letter, "scan"), (letters.letter, "docx"),
    (letters.mail, "eml"), (letters.letter, "pdf"), (letters.letter, "txt"),
)  # fmt: skip
_FORMS: tuple[tuple[Maker, Format], ...] = (
    (letters.form, "pdf"), (letters.letter, "scan"), (letters.mail, "eml"), (letters.letter, "pdf"),
    (letters.form, "scan"), (letters.letter, "docx"), (letters.mail, "eml"), (letters.form, "pdf"),
    (letters.form, "docx"), (letters.letter, "html"), (letters.letter, "pdf"),
)  # fmt: skip


def _same(maker: Maker, *formats: Format) -> tuple[tuple[Maker, Format], ...]:
    return tuple((maker, each) for each in formats)


#: What the documents of a leaf are made by and written as; leaves take turns through their list.
SHAPES: dict[str, tuple[tuple[Maker, Format], ...]] = {
    **dict.fromkeys(
        (
            "motor_accident", "vehicle_theft", "glass_breakage", "water_damage", "fire_and_storm", "burglary",
            "health_reimbursement", "travel_claim", "address_change", "termination",
        ),
        _FORMS,
    ),
    **dict.fromkeys(("complaint", "information_request", "broker_request"), _LETTERS),
    "lawyer_letter": _same(letters.letter, "pdf", "scan", "docx", "pdf"),
    "motor_policy": _same(contracts.policy, "pdf", "scan", "pdf", "pdf"),
    "home_policy": _same(contracts.policy, "pdf", "pdf", "scan", "pdf"),
    "health_policy": _same(contracts.policy, "pdf", "pdf", "pdf", "html"),
    "endorsement": _same(contracts.endorsement, "pdf", "scan", "pdf", "docx"),
    "premium_notice": _same(contracts.premium_notice, "pdf", "pdf", "scan", "html"),
    "payment_reminder": _same(contracts.payment_reminder, "scan", "pdf", "pdf", "pdf"),
    "garage_invoice": _same(billing.invoice, "pdf", "facturx", "scan", "xlsx"),
    "glazier_invoice": _same(billing.invoice, "scan", "pdf", "facturx", "pdf"),
    "medical_invoice": _same(billing.invoice, "scan", "pdf", "xlsx", "pdf"),
    "bank_details": _same(billing.bank_details, "pdf", "scan", "txt", "pdf"),
    "direct_debit_mandate": _same(billing.mandate, "form", "scan", "pdf", "form"),
    "medical_certificate": _same(evidence.medical_certificate, "scan", "pdf", "scan", "pdf"),
    "police_report": _same(evidence.police_report, "pdf", "scan", "pdf", "scan"),
    "surveyor_report": _same(evidence.surveyor_report, "pdf", "docx", "pdf", "scan"),
    "identity_card": _same(evidence.identity_card, "scan", "pdf", "scan", "scan"),
}  # fmt: skip

#: Leaves whose name in the taxonomy is not the slug written out.
NAMES = {
    "address_change": "Change of address",
    "surveyor_report": "Surveyor's report",
    "lawyer_letter": "Lawyer's letter",
}
STRAY = "stray"
STRAYS: tuple[tuple[Language, Format], ...] = (
    ("fr", "pdf"), ("de", "eml"), ("en", "html"), ("fr", "docx"), ("de", "pdf"), ("en", "pdf"),
)  # fmt: skip


@dataclass(frozen=True)
class Planned:
    """One document to make; `seed` feeds its random choices."""

    leaf: str
    language: Language
    maker: Maker
    format: Format
    split: Split
    seed: str


def documents(seed: int) -> list[Planned]:
    """All of them, in the order in which the mail room received them."""
    planned = [_planned(seed, *place) for place in _places()]
    for number, (language, each) in enumerate(STRAYS):
        split: Split = "measure" if number % 2 else "label"
        maker = partial(evidence.stray, option=number // len(LANGUAGES))
        planned.append(Planned(STRAY, language, maker, each, split, f"{seed}/{STRAY}/{number}"))
    Random(seed).shuffle(planned)
    return planned


def _places() -> list[tuple[int, str, int]]:
    return [(index, leaf, turn) for index, leaf in enumerate(SHAPES) for turn in range(5)]


def _planned(seed: int, index: int, leaf: str, turn: int) -> Planned:
    shapes = SHAPES[leaf]
    first = 5 * index if len(shapes) > 5 else index
    maker, each = shapes[(first + turn) % len(shapes)]
    language = LANGUAGES[(index + turn) % 3]
    split: Split = "label" if turn < len(LANGUAGES) else "measure"
    return Planned(leaf, language, maker, each, split, f"{seed}/{leaf}/{turn}")


@cache
def _nodes(name: str) -> Any:
    return yaml.safe_load((HERE / f"{name}.yaml").read_text("utf-8"))


def path(leaf: str) -> list[str]:
    """The leaf's place in the taxonomy, from the top; [] for a stray."""
    if leaf == STRAY:
        return []
    slug = ascii_slug(NAMES.get(leaf, leaf.replace("_", " ")))
    for top in _nodes("taxonomy")["nodes"]:
        for kind in top["children"]:
            for node in kind["children"]:
                if ascii_slug(node["name"]) == slug:
                    return [top["name"], kind["name"], node["name"]]
    raise LookupError(f"taxonomy.yaml has no leaf for {leaf!r}")


def fields(of: list[str]) -> list[str]:
    """The names of the fields that documents of this path have, parents first."""
    schemas = [schema for schema in _nodes("schemas")["schemas"] if schema["path"] == of[: len(schema["path"])]]
    schemas.sort(key=lambda schema: len(schema["path"]))
    return list(dict.fromkeys(field["name"] for schema in schemas if of for field in schema["fields"]))
