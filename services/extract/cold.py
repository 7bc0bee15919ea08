"""Choosing without labels: the candidate whose printed label names the field best, if any names it well enough.

Nothing here is learned, so a choice has no confidence. A place on the page is given to one field only, the one that
its label names best.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from services.extract.anchors import NAMES
from services.extract.candidates import Candidate, pools_of
from services.extract.date_order import month_first_votes
from services.extract.lexicon import concepts_of, known_concepts, words_in
from services.extract.schema import FieldSpec
from services.extract.searched import Pool, Searched

#: Below this a choice would be a guess, and is not made.
ENOUGH = 0.55
_TOTAL = NAMES.index("anchor")
_CODE_CONCEPTS = {"iban": frozenset({"iban"}), "bic": frozenset({"bic"}), "vat": frozenset({"tax"})}
#: Lower-case words inside of names.
_LOWER = "de da van von der den du la le et und and of & s.à r.l. s.àr.l."
_PARTICLES = frozenset(_LOWER.split())
_POSTCODE = re.compile(r"(?<!\d)(?:[A-Z]{1,2}-)?\d{4,5}(?!\d)")


def cold_choices(searched: Searched, fields: Sequence[FieldSpec]) -> dict[str, list[Candidate]]:
    """The chosen candidates by field name, best first; [] where no label is good enough."""
    scored: list[tuple[float, str, Candidate]] = []
    for field in fields:
        pool = searched.pool(_cold_pools(field))
        scores = _scores(pool, field)
        order = sorted(range(len(scores)), key=lambda place: (-scores[place], place))[:40]
        scored += [(scores[place], field.name, pool.candidates[place]) for place in order if scores[place] >= ENOUGH]
    many = {field.name for field in fields if field.takes_many}
    chosen: dict[str, list[Candidate]] = {field.name: [] for field in fields}
    taken: list[tuple[int, int]] = []
    for _, name, candidate in sorted(scored, key=lambda each: (-each[0], each[2].start)):
        if chosen[name] and (name not in many or any(candidate.same == other.same for other in chosen[name])):
            continue
        if any(candidate.first < last and first < candidate.last for first, last in taken):
            continue
        chosen[name].append(candidate)
        taken.append((candidate.first, candidate.last))
    return chosen


def _cold_pools(field: FieldSpec) -> tuple[str, ...]:
    """Clauses are left out: no label stands beside a sentence."""
    return tuple(pool for pool in pools_of(field) if pool != "clause")


def _scores(pool: Pool, field: FieldSpec) -> list[float]:
    matched = pool.anchored(field)[:, _TOTAL]
    often = Counter(candidate.same for candidate in pool.candidates)
    wanted = concepts_of(words_in(f"{field.name.replace('_', ' ')} {' '.join(field.anchors)}"))
    month_first = month_first_votes(pool.candidates) > 0
    return [
        float(score) + _fit(candidate, field, wanted, often[candidate.same], month_first)
        for score, candidate in zip(matched, pool.candidates, strict=True)
    ]


def _fit(candidate: Candidate, field: FieldSpec, wanted: frozenset[str], often: int, month_first: bool) -> float:
    """What the candidate's own looks add to its label, or take away."""
    kind = candidate.kind
    if kind in ("date-dmy", "date-mdy") and (kind == "date-mdy") != month_first:
        return -1.0
    if field.type in ("currency", "choice"):
        # These need no label: the commonest one of the document is it.
        return ENOUGH + min(0.3, 0.03 * often)
    if field.type == "amount":
        return 0.1 if kind.startswith("number-2") else -0.25
    if field.type == "identifier":
        return _identifier_fit(candidate, wanted)
    words = candidate.value.split()
    if field.type == "address":
        return 0.15 * bool(_POSTCODE.search(candidate.value)) - 0.3 * (not any(map(str.isdigit, candidate.value)))
    if field.type == "party":
        return _name_fit(words) - 0.1 * kind.startswith("chain")
    return -0.15 * kind.startswith("chain") - 0.4 * (len(words) > 8) - 0.3 * (words[0][0].islower())


def _name_fit(words: list[str]) -> float:
    """Names are capitalised words of letters, two or more of them, and no words that labels are made of."""
    if sum(map(str.isalpha, "".join(words))) < 4:
        return -1.0
    lower = sum(word[0].islower() and word not in _PARTICLES for word in words)
    digits = sum(any(map(str.isdigit, word)) for word in words)
    labels = sum(bool(known_concepts(word)) for word in words)
    return 0.1 * (len(words) > 1) - 0.4 * (lower > 0) - 0.3 * digits - 0.4 * labels


def _identifier_fit(candidate: Candidate, wanted: frozenset[str]) -> float:
    kind = candidate.kind.removesuffix("-form")
    for proven, concepts in _CODE_CONCEPTS.items():
        if wanted & concepts:
            return 0.3 if kind == proven else -0.3
    if kind in _CODE_CONCEPTS or len(candidate.value) < 3:
        return -0.5
    return 0.02 * min(5, len(candidate.value.split()[0])) + 0.02 * min(4, len(candidate.value.split()))
