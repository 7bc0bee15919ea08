"""What must hold between the values of one document, and what to do where it does not.

A rule chooses among candidates and flags; it never makes a value. Where the chosen values break a rule and other
candidates of the same document keep it, the most probable combination that keeps it is taken. Where none does, every
value stays and the rule is told as a flag, which keeps the values from being accepted unseen.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TypeVar

from services.extract.identifiers import iban_from, vat_from
from services.extract.schema import Constraint

#: An alternative less probable than this is no evidence, however well it would fit.
LEAST_CHANCE = 0.02
#: Candidates of a field that are tried in place of the chosen one.
MOST_TRIED = 6

Choice = TypeVar("Choice")


@dataclass(frozen=True)
class Flag:
    """A broken rule: its kind, a sentence for people, and the fields it is about."""

    code: str
    message: str
    fields: tuple[str, ...]


@dataclass(frozen=True)
class Option:
    """A value that a field could take, with its probability in 0..1."""

    value: str
    chance: float


def reconciled(options: Mapping[str, Sequence[Option]], rule: Constraint) -> dict[str, int] | None:
    """Which option of each field of `rule` to take: the most probable combination that keeps it.

    The first option of a field is the chosen one. None where that already keeps the rule, where a field of it has
    no option (nothing is invented), or where no combination keeps it.
    """
    fields = rule.fields
    if any(not options.get(field) for field in fields):
        return None
    if broken({field: options[field][0].value for field in fields}, rule) is None:
        return None
    tried = [
        [place for place, one in enumerate(options[field][:MOST_TRIED]) if place == 0 or one.chance >= LEAST_CHANCE]
        for field in fields
    ]
    best, best_chance = None, -math.inf
    for places in itertools.product(*tried):
        values = {field: options[field][place].value for field, place in zip(fields, places, strict=True)}
        chances = [options[field][place].chance for field, place in zip(fields, places, strict=True)]
        chance = sum(math.log(max(one, 1e-6)) for one in chances)
        if chance > best_chance and broken(values, rule) is None:
            best, best_chance = dict(zip(fields, places, strict=True)), chance
    return best


def broken(
    values: Mapping[str, str], rule: Constraint, known: Mapping[str, frozenset[str]] | None = None
) -> Flag | None:
    """How `values` break `rule`; None where they keep it, or where a field of it has no value.

    `known` has the values that other documents of the desk carry, by field; without it, `known` rules are not judged.
    """
    if any(field not in values for field in rule.fields):
        return None
    said = _JUDGES[rule.kind](values, rule, known)
    return None if said is None else Flag(f"broken_{rule.kind}", said, rule.fields)


def _sum(values: Mapping[str, str], rule: Constraint, known: object) -> str | None:
    total, *parts = rule.fields
    numbers = {field: _decimal(values[field]) for field in rule.fields}
    if any(number is None for number in numbers.values()):
        return None
    added = sum((number for field in parts if (number := numbers[field]) is not None), Decimal(0))
    stated = numbers[total] or Decimal(0)
    if abs(added - stated) <= Decimal(str(rule.tolerance)):
        return None
    shown = " + ".join(f"{field} {values[field]}" for field in parts)
    return f"{shown} is {added}, but {total} says {values[total]}."


def _order(values: Mapping[str, str], rule: Constraint, known: object) -> str | None:
    for before, after in itertools.pairwise(rule.fields):
        if values[before] > values[after]:  # ISO dates sort as text
            return f"{before} {values[before]} is after {after} {values[after]}."
    return None


def _allowed(values: Mapping[str, str], rule: Constraint, known: object) -> str | None:
    (field,) = rule.fields
    if values[field].casefold() in {one.casefold() for one in rule.values}:
        return None
    return f"{field} {values[field]!r} is none of {', '.join(rule.values)}."


def _checksum(values: Mapping[str, str], rule: Constraint, known: object) -> str | None:
    (field,) = rule.fields
    right = (iban_from(values[field]) or vat_from(values[field])) is not None
    return None if right else f"The check digits of {field} {values[field]!r} are wrong."


def _known(values: Mapping[str, str], rule: Constraint, known: Mapping[str, frozenset[str]] | None) -> str | None:
    (field,) = rule.fields
    if known is None or values[field].casefold() in known.get(field, frozenset()):
        return None
    return f"No other document has {field} {values[field]!r}."


def _decimal(value: str) -> Decimal | None:
    try:
        return Decimal(value)
    except InvalidOperation:
        return None


_JUDGES: dict[str, Callable[[Mapping[str, str], Constraint, Mapping[str, frozenset[str]] | None], str | None]] = {
    "sum": _sum,
    "order": _order,
    "allowed": _allowed,
    "checksum": _checksum,
    "known": _known,
}
