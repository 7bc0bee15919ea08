"""How good the machine is, measured: its statements against what people said afterwards.

An observation is one comparison: what the machine stated, what a person says is right. Only held-out
comparisons belong here: the model must not have learned from that label (`heldout`). Everything is reported
with its counts and an exact interval, so that three right answers out of three do not look like perfection.

This module does not read the database and decides nothing; `acceptance.py` does.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from scipy.special import betaincinv

#: Below this many observations a share is shown as counts, not as a measurement: from 30 on the exact 95 %
#: interval is narrower than 0.4 whatever the share.
MEASURED_FROM = 30


@dataclass(frozen=True)
class Share:
    """`right` out of `of`, with the exact 95 % interval; `value`, `low`, `high` are None where `of` is 0."""

    right: int
    of: int
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class ClassObservation:
    """The machine's path against the person's; an empty path means outside of the taxonomy.

    `confidence` is that of the whole path, None where not scored.
    """

    stated: tuple[str, ...]
    expected: tuple[str, ...]
    confidence: float | None

    @property
    def right(self) -> bool:
        """Whether the whole path is right."""
        return self.stated == self.expected


@dataclass(frozen=True)
class FieldObservation:
    """One value of one field. `stated` None: the machine missed it. `expected` None: nothing to state."""

    name: str
    stated: str | None
    expected: str | None
    confidence: float | None

    @property
    def right(self) -> bool:
        """Whether the stated value is the expected one, in the sense of `same_value`."""
        return self.stated is not None and self.expected is not None and same_value(self.stated, self.expected)


@dataclass(frozen=True)
class Bin:
    """Statements whose confidence lies in [low, high): how sure they were, and how often they were right."""

    low: float
    high: float
    mean_confidence: float
    share: Share


def share(right: int, of: int, probability: float = 0.95) -> Share:
    """`right` of `of` with its Clopper-Pearson interval (Biometrika 1934): exact, never too narrow."""
    if of == 0:
        return Share(0, 0, None, None, None)
    tail = (1 - probability) / 2
    low = 0.0 if right == 0 else float(betaincinv(right, of - right + 1, tail))
    high = 1.0 if right == of else float(betaincinv(right + 1, of - right, 1 - tail))
    return Share(right, of, right / of, low, high)


def same_value(one: str, other: str) -> bool:
    """Whether two normal forms say the same: case, compatibility forms, blanks and trailing decimals do not count.

    Leading zeros do: 007 is another policy than 7.
    """
    return _folded(one) == _folded(other)


def compared(name: str, stated: Sequence[tuple[str, float | None]], expected: Sequence[str]) -> list[FieldObservation]:
    """One observation per stated value, then one per expected value that nobody stated.

    Each expected value answers one stated value at most, so a value stated twice is right once.
    """
    open_values = list(expected)
    observations = []
    for value, confidence in stated:
        match = next((wanted for wanted in open_values if same_value(value, wanted)), None)
        if match is not None:
            open_values.remove(match)
        observations.append(FieldObservation(name, value, match, confidence))
    return observations + [FieldObservation(name, None, wanted, None) for wanted in open_values]


def heldout(labelled_at: datetime, model_made_at: datetime | None) -> bool:
    """Whether a label can judge a model: the label is younger. None: the model learns from no labels."""
    return model_made_at is None or model_made_at < labelled_at


def level_shares(observations: Sequence[ClassObservation], levels: int) -> list[Share]:
    """How often the path is right down to each level; out of scope on both sides is right at every level."""
    return [
        share(sum(seen.stated[:depth] == seen.expected[:depth] for seen in observations), len(observations))
        for depth in range(1, levels + 1)
    ]


def precision_by_class(observations: Sequence[ClassObservation]) -> dict[tuple[str, ...], Share]:
    """For each path the machine states: how often it is the right one."""
    return _share_by(observations, lambda seen: seen.stated)


def recall_by_class(observations: Sequence[ClassObservation]) -> dict[tuple[str, ...], Share]:
    """For each path people give: how often the machine found it."""
    return _share_by(observations, lambda seen: seen.expected)


def confusions(
    observations: Sequence[ClassObservation], most: int = 10
) -> list[tuple[tuple[str, ...], tuple[str, ...], int]]:
    """The most frequent mistakes as (stated, expected, how often)."""
    wrong = Counter((seen.stated, seen.expected) for seen in observations if not seen.right)
    return [(stated, expected, count) for (stated, expected), count in wrong.most_common(most)]


def field_precision(observations: Iterable[FieldObservation]) -> Share:
    """How many of the stated values are right."""
    stated = [seen for seen in observations if seen.stated is not None]
    return share(sum(seen.right for seen in stated), len(stated))


def field_recall(observations: Iterable[FieldObservation]) -> Share:
    """How many of the values that are there were stated rightly."""
    expected = [seen for seen in observations if seen.expected is not None]
    return share(sum(seen.right for seen in expected), len(expected))


def coverage(confidences: Sequence[float | None], threshold: float | None) -> Share:
    """How many statements reach the threshold; none where there is no threshold."""
    reached = sum(threshold is not None and value is not None and value >= threshold for value in confidences)
    return share(reached, len(confidences))


def calibration(judged: Sequence[tuple[float, bool]], bins: int = 10) -> list[Bin]:
    """Equal-width bins of confidence, empty ones left out; calibrated means as often right as sure."""
    kept = []
    for place in range(bins):
        low, high = place / bins, (place + 1) / bins
        last = place == bins - 1
        inside = [(sure, right) for sure, right in judged if low <= sure < high or (last and sure == 1.0)]
        if inside:
            mean = sum(sure for sure, _ in inside) / len(inside)
            kept.append(Bin(low, high, mean, share(sum(right for _, right in inside), len(inside))))
    return kept


def calibration_error(bins: Sequence[Bin]) -> float | None:
    """Expected calibration error in 0..1 over those bins (Guo et al. 2017, arXiv:1706.04599, eq. 3)."""
    total = sum(one.share.of for one in bins)
    if total == 0:
        return None
    return sum(abs(one.mean_confidence - (one.share.value or 0.0)) * one.share.of for one in bins) / total


def _share_by(
    observations: Sequence[ClassObservation], key: Callable[[ClassObservation], tuple[str, ...]]
) -> dict[tuple[str, ...], Share]:
    total = Counter(key(seen) for seen in observations)
    right = Counter(key(seen) for seen in observations if seen.right)
    return {path: share(right[path], count) for path, count in sorted(total.items())}


def _folded(value: str) -> str:
    folded = "".join(unicodedata.normalize("NFKC", value).casefold().split())
    return folded.rstrip("0").rstrip(".") if _DECIMAL.fullmatch(folded) else folded


_DECIMAL = re.compile(r"-?\d+\.\d+")
