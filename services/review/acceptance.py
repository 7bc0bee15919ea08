"""Which documents may pass without a person: thresholds with a guarantee, and the decision for one document.

A threshold is a promise: of the statements at or above it, a share of at least `target` is right, and that
promise itself fails with probability at most `1 - probability`. It is tested, from the strictest threshold
down, on statements that people judged after the machine had spoken (Learn-then-Test with fixed-sequence
testing, Angelopoulos et al. 2021, arXiv:2110.01052, section 2). Where there are too few judgements to promise
anything, there is no threshold, and a person looks.

This module does not know where confidences or labels come from, and stores nothing.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from scipy.special import betainc

Decision = Literal["accepted", "needs_review", "reviewed"]

#: Thresholds tested in this order. Fixed before any label is seen, as fixed-sequence testing demands; fine
#: near 1, where calibrated confidences of good models crowd.
GRID = (
    *(0.99, 0.98, 0.97, 0.96, 0.95, 0.94, 0.92, 0.90, 0.875, 0.85, 0.825),
    *(0.80, 0.775, 0.75, 0.70, 0.65, 0.60, 0.55, 0.50, 0.40, 0.30, 0.20, 0.10, 0.0),
)


@dataclass(frozen=True)
class Threshold:
    """What human labels allow for one kind of statement.

    `value` is the confidence from which a statement needs no person, None where nothing can be promised.
    `judged` counts the scored statements it rests on; `wanted` is the fewest that could ever be enough.
    """

    value: float | None
    judged: int
    wanted: int


@dataclass(frozen=True)
class ClassStatement:
    """What is believed about the class: `confidence` of the whole path in 0..1, None where not scored.

    `by_person` means a human label: nothing is left to decide.
    """

    path: tuple[str, ...]
    confidence: float | None
    in_scope: bool = True
    by_person: bool = False


@dataclass(frozen=True)
class FieldStatement:
    """One field of the schema. `confidence` is that of its weakest value, None where one is not scored.

    `stated` is False where no value was found; `grounded` is True where every value has evidence on a page.
    """

    name: str
    stated: bool
    confidence: float | None = None
    grounded: bool = False
    required: bool = False
    by_person: bool = False


@dataclass(frozen=True)
class Reason:
    """Why a person should look; `code` is stable for programs, `message` for people, `field` None means the class."""

    code: str
    message: str
    field: str | None = None


@dataclass(frozen=True)
class Verdict:
    """The decision for one document; the queue shows the highest `usefulness` first."""

    decision: Decision
    reasons: tuple[Reason, ...]
    usefulness: float


def fewest_labels(target: float, probability: float) -> int:
    """How many judgements, all of them right, it takes to promise `target` with `probability`.

    Solves target ** n <= 1 - probability: 59 for 0.95 with 0.95, 299 for 0.99 with 0.95.
    """
    return math.ceil(math.log(1 - probability) / math.log(target))


def threshold_from(judged: Iterable[tuple[float, bool]], target: float, probability: float) -> Threshold:
    """The lowest threshold that keeps the promise, from (confidence, was it right) pairs.

    Each step tests "precision at this threshold is below the target" by the exact binomial tail and goes on
    only while that is rejected, so no correction for many tests is due. The test is conditional on the
    confidences: where the sequence begins (the first threshold with enough statements above it) depends on
    them alone, never on who was right. For unequal chances of being right the binomial tail still bounds the
    error (Hoeffding, On the distribution of the number of successes in independent trials, 1956, theorem 4).
    """
    pairs = sorted(judged, reverse=True)
    wanted = fewest_labels(target, probability)
    found: float | None = None
    for value in GRID:
        above = [right for confidence, right in pairs if confidence >= value]
        if len(above) < wanted:
            continue
        if chance_of_at_least(sum(above), len(above), target) > 1 - probability:
            break
        found = value
    return Threshold(value=found, judged=len(pairs), wanted=wanted)


def chance_of_at_least(right: int, of: int, share: float) -> float:
    """P(`right` or more successes in `of` trials of chance `share`), 0 <= right <= of."""
    if right == 0:
        return 1.0
    return float(betainc(right, of - right + 1, share))


def decide(
    about: ClassStatement,
    fields: Sequence[FieldStatement],
    class_threshold: Threshold,
    field_thresholds: Mapping[str, Threshold],
    *,
    audited: bool = False,
) -> Verdict:
    """Accept the document, or say why a person must look.

    A field without a row in `field_thresholds` was never judged, so it has no threshold. `audited` sends a
    document to a person that would have passed: the only honest source of labels about what passes.
    """
    doubts = [*_class_doubts(about, class_threshold)]
    for field in fields:
        doubts += _field_doubts(field, field_thresholds.get(field.name, Threshold(None, 0, class_threshold.wanted)))
    if doubts:
        return Verdict("needs_review", tuple(doubts), _usefulness(about, fields))
    if about.by_person or any(field.by_person for field in fields):
        return Verdict("reviewed", (), 0.0)
    if audited:
        chosen = Reason("audit_sample", "chosen at random to check what passes without review")
        return Verdict("needs_review", (chosen,), _usefulness(about, fields))
    return Verdict("accepted", (), 0.0)


def in_audit_sample(document: str, share: float) -> bool:
    """Whether this document belongs to the random audit sample; the same id, the same answer."""
    return int.from_bytes(hashlib.sha256(document.encode()).digest()[:8]) < share * 2**64


def _class_doubts(about: ClassStatement, threshold: Threshold) -> list[Reason]:
    if about.by_person:
        return []
    if not about.in_scope:
        return [Reason("out_of_scope", "this does not look like any class of the taxonomy")]
    return _doubts(None, about.confidence, threshold)


def _field_doubts(field: FieldStatement, threshold: Threshold) -> list[Reason]:
    if field.by_person:
        return []
    if not field.stated:
        missing = Reason(
            "required_field_missing", f"{_words(field.name)} is required, and no value was found", field.name
        )
        return [missing] if field.required else []
    if not field.grounded:
        return [Reason("no_evidence", f"the value of {_words(field.name)} could not be found on a page", field.name)]
    return _doubts(field.name, field.confidence, threshold)


def _doubts(field: str | None, confidence: float | None, threshold: Threshold) -> list[Reason]:
    kind, subject = ("field", _words(field)) if field else ("class", "the class")
    if confidence is None:
        return [Reason(f"{kind}_not_scored", f"{subject} has no measured confidence", field)]
    if threshold.value is None and threshold.judged < threshold.wanted:
        words = f"{subject} has {threshold.judged} of the {threshold.wanted} reviewed examples that acceptance needs"
        return [Reason(f"{kind}_too_few_labels", words, field)]
    if threshold.value is None:
        return [Reason(f"{kind}_below_target", f"{subject} is not right often enough to pass unseen", field)]
    if confidence < threshold.value:
        words = f"{subject} is {confidence:.0%} certain; {threshold.value:.0%} is needed"
        return [Reason(f"{kind}_uncertain", words, field)]
    return []


def _usefulness(about: ClassStatement, fields: Sequence[FieldStatement]) -> float:
    """Doubt in 0..2: about the class (everything else hangs on it), plus the mean over the fields."""
    doubt = 0.0 if about.by_person else 1.0 - (about.confidence or 0.0)
    open_fields = [field for field in fields if not field.by_person and (field.stated or field.required)]
    if open_fields:
        doubt += sum(1.0 - (field.confidence or 0.0) for field in open_fields) / len(open_fields)
    return round(doubt, 6)


def _words(name: str) -> str:
    return name.replace("_", " ")
