"""The gate: may a candidate take the place of the version in use?

Both versions answered the same held-out questions, each with a person's word as truth, so the comparison is
paired: only questions where exactly one of the two was right say anything (McNemar 1947, Psychometrika 12:153).

- Overall the candidate passes where the lower bound of its gain (paired bootstrap over documents, one-sided) is
  above minus the margin, or where it was right at least as often: with few documents no bound proves anything, and
  then the version in use has no better claim.
- In each class it fails where it lost more than the margin and the loss is not chance (exact one-sided McNemar).

This module measures nothing and promotes nothing.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

#: Three losses and no win (p = 0.125) is enough to refuse. No correction for many classes, on purpose: a refusal
#: too many costs one look at the table by a person, a regression let through costs wrong facts.
CLASS_ALPHA = 0.125
BOUND_CONFIDENCE = 0.95
RESAMPLES = 2000


@dataclass(frozen=True)
class Pair:
    """One held-out question: the human truth, and both versions' answers, compared as strings.

    `about` is the class or the field that the question belongs to; the table has one row for each.
    """

    document: str
    about: str
    truth: str
    candidate: str
    promoted: str


@dataclass(frozen=True)
class Row:
    """One class of the table; `candidate` and `promoted` are the shares answered rightly, in 0..1.

    `wins` counts questions that only the candidate got right, `losses` those that only the version in use did;
    `p` is the probability of so many losses among them if both were equally good.
    """

    about: str
    questions: int
    candidate: float
    promoted: float
    wins: int
    losses: int
    p: float
    regressed: bool


@dataclass(frozen=True)
class Verdict:
    """Whether the candidate may be promoted, why in one sentence, and the table behind it.

    `gain` is the candidate's share of right answers minus the other's, `bound` the lower bound of that gain;
    both are None where nothing was compared.
    """

    passed: bool
    why: str
    gain: float | None
    bound: float | None
    table: list[Row]

    def as_json(self) -> dict[str, Any]:
        """The verdict as it is kept with the run."""
        return asdict(self)


def judge(pairs: Sequence[Pair], margin: float) -> Verdict:
    """Compare over `pairs`; `margin` is the loss in share of right answers that is tolerated, in 0..1."""
    if not pairs:
        return Verdict(False, "There are no held-out labels to compare the two versions on.", None, None, [])
    by_class = defaultdict(list)
    for pair in pairs:
        by_class[pair.about].append(pair)
    table = [_row(about, by_class[about], margin) for about in sorted(by_class)]
    gain = sum(_gain(pair) for pair in pairs) / len(pairs)
    bound = lower_bound(pairs)
    regressed = [row.about for row in table if row.regressed]
    if regressed:
        return Verdict(False, f"Worse than the version in use on: {', '.join(regressed)}.", gain, bound, table)
    if bound < -margin and gain < 0:
        why = f"Right {-gain:.1%} less often over {len(pairs)} held-out labels; at most {margin:.1%} is tolerated."
        return Verdict(False, why, gain, bound, table)
    why = f"No regression over {len(pairs)} held-out labels: gain {gain:+.1%}, at least {bound:+.1%}."
    return Verdict(True, why, gain, bound, table)


def lower_bound(pairs: Sequence[Pair], confidence: float = BOUND_CONFIDENCE, seed: int = 0) -> float:
    """A lower bound of the gain that holds with `confidence`: percentile bootstrap over documents, not labels.

    Labels of one document stand or fall together, so whole documents are drawn (Efron & Tibshirani 1993, ch. 8).
    """
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for pair in pairs:
        sums[pair.document][0] += _gain(pair)
        sums[pair.document][1] += 1
    drawn_from = np.array(list(sums.values()))
    generator = np.random.default_rng(seed)
    gains = np.empty(RESAMPLES)
    for resample in range(RESAMPLES):
        gain, questions = drawn_from[generator.integers(len(drawn_from), size=len(drawn_from))].sum(axis=0)
        gains[resample] = gain / questions
    return float(np.quantile(gains, 1 - confidence))


def mcnemar_p(wins: int, losses: int) -> float:
    """The probability of at least `losses` losses among wins + losses where both versions are equally good."""
    discordant = wins + losses
    tail = sum(math.comb(discordant, count) for count in range(losses, discordant + 1))
    return float(tail / 2**discordant)


def pairs_from(content: bytes) -> list[Pair]:
    """The comparison that a run left in the store: JSONL with the fields of Pair.

    Raises ValueError where a line has other fields.
    """
    try:
        return [Pair(**json.loads(line)) for line in content.splitlines()]
    except (TypeError, json.JSONDecodeError) as wrong:
        raise ValueError(f"this is not a comparison: {wrong}") from wrong


def _gain(pair: Pair) -> int:
    """1 where only the candidate is right, -1 where only the version in use is, else 0."""
    return (pair.candidate == pair.truth) - (pair.promoted == pair.truth)


def _row(about: str, pairs: Sequence[Pair], margin: float) -> Row:
    wins = sum(_gain(pair) > 0 for pair in pairs)
    losses = sum(_gain(pair) < 0 for pair in pairs)
    p = mcnemar_p(wins, losses)
    return Row(
        about=about,
        questions=len(pairs),
        candidate=sum(pair.candidate == pair.truth for pair in pairs) / len(pairs),
        promoted=sum(pair.promoted == pair.truth for pair in pairs) / len(pairs),
        wins=wins,
        losses=losses,
        p=p,
        regressed=(losses - wins) / len(pairs) > margin and p <= CLASS_ALPHA,
    )
