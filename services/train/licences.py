"""Which licences a base may have for what is made from it to be put in use.

An expression is SPDX 2.3 (annex D) of licence ids joined by AND and OR, with parentheses: of OR one side must be
allowed, of AND both. An exception (WITH …) is part of its licence and must be listed with it.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from shared.errors import Refused

#: Licences that allow use, change and distribution of a model and of what is made from it.
ALLOWED = ("Apache-2.0", "MIT", "MIT-0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "CC0-1.0", "CC-BY-4.0", "Unlicense")
_WORD = re.compile(r"\(|\)|[A-Za-z0-9.+:-]+")


def check(expression: str | None, allowed: Collection[str] = ALLOWED) -> None:
    """Return where `expression` allows it; raise Refused, naming it, where not, or where none is known."""
    if expression is None:
        raise Refused(
            "The licence of the base model is not known.",
            action="Set DOSSIER_TRAIN_BASE_LICENCE to its SPDX expression, such as Apache-2.0.",
            code="licence",
        )
    if not allows(expression, allowed):
        raise Refused(
            f"The base model's licence, {expression}, is not among those allowed here: {', '.join(sorted(allowed))}.",
            action="Tune another base, or add the licence to DOSSIER_TRAIN_LICENCES once somebody has read it.",
            code="licence",
        )


def allows(expression: str, allowed: Collection[str]) -> bool:
    """Whether the terms of `expression` can be met with `allowed` licences; False where it is no SPDX expression."""
    words = _WORD.findall(expression)
    if "".join(words) != re.sub(r"\s", "", expression):
        return False
    known = {licence.casefold() for licence in allowed}
    try:
        met, rest = _either(words, known)
    except (IndexError, ValueError):
        return False
    return met and not rest


def _either(words: list[str], known: set[str]) -> tuple[bool, list[str]]:
    met, rest = _both(words, known)
    while rest and rest[0] == "OR":
        other, rest = _both(rest[1:], known)
        met = met or other
    return met, rest


def _both(words: list[str], known: set[str]) -> tuple[bool, list[str]]:
    met, rest = _one(words, known)
    while rest and rest[0] == "AND":
        other, rest = _one(rest[1:], known)
        met = met and other
    return met, rest


def _one(words: list[str], known: set[str]) -> tuple[bool, list[str]]:
    if words[0] == "(":
        met, rest = _either(words[1:], known)
        if rest[0] != ")":
            raise ValueError("a parenthesis is not closed")
        return met, rest[1:]
    if words[0] in ("AND", "OR", "WITH", ")"):
        raise ValueError(f"{words[0]} stands where a licence belongs")
    if words[1:2] == ["WITH"]:
        return f"{words[0]} WITH {words[2]}".casefold() in known, words[3:]
    return words[0].casefold() in known, words[1:]
