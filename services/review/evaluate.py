"""How good acceptance is, on judged statements: is the promise kept, and how much passes?

    python -m services.review.evaluate judged.jsonl --target 0.95 --probability 0.95

reads one `{"confidence": 0.97, "right": true}` per line, splits them in two at random, again and again, chooses the
threshold on one half and counts on the other, and prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

from services.review.acceptance import threshold_from


@dataclass(frozen=True)
class Kept:
    """Over `repeats` random halvings of `judged` statements.

    `found`: how often a threshold could be promised. `broken`: how often, of all repeats, the other half's precision
    above it was below the target (to compare with 1 - probability; the other half's own noise is in it).
    `coverage` and `precision`: means over the repeats with a threshold, None where there were none.
    """

    judged: int
    repeats: int
    found: int
    broken: int
    coverage: float | None
    precision: float | None


def evaluate(
    judged: Sequence[tuple[float, bool]], target: float, probability: float, repeats: int = 200, seed: int = 0
) -> Kept:
    """Halve (confidence, right) pairs `repeats` times; the same seed gives the same answer."""
    draw = random.Random(seed)
    coverages, precisions = [], []
    for _ in range(repeats):
        shuffled = draw.sample(list(judged), len(judged))
        half = len(shuffled) // 2
        value = threshold_from(shuffled[:half], target, probability).value
        if value is None:
            continue
        above = [right for confidence, right in shuffled[half:] if confidence >= value]
        coverages.append(len(above) / max(len(shuffled) - half, 1))
        precisions.append(sum(above) / len(above) if above else 1.0)
    return Kept(
        judged=len(judged),
        repeats=repeats,
        found=len(coverages),
        broken=sum(precision < target for precision in precisions),
        coverage=fmean(coverages) if coverages else None,
        precision=fmean(precisions) if precisions else None,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line; exits with a sentence where a line does not fit."""
    parser = argparse.ArgumentParser(description="Is the promise of automatic acceptance kept, and how much passes?")
    parser.add_argument("judged", type=Path, help='JSON Lines of {"confidence": 0..1, "right": true|false}')
    parser.add_argument("--target", type=float, default=0.95)
    parser.add_argument("--probability", type=float, default=0.95)
    parser.add_argument("--repeats", type=int, default=200)
    given = parser.parse_args(arguments)
    pairs = []
    for number, line in enumerate(given.judged.read_text().splitlines(), start=1):
        try:
            record = json.loads(line)
            pairs.append((float(record["confidence"]), bool(record["right"])))
        except (ValueError, KeyError, TypeError) as wrong:
            parser.error(f"{given.judged}, line {number}: {wrong!r}")
    sys.stdout.write(json.dumps(asdict(evaluate(pairs, given.target, given.probability, given.repeats))) + "\n")


if __name__ == "__main__":
    main()
