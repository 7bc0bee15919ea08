"""Two versions side by side for a person: what was mixed up before, and what is mixed up now.

The gate (gate.py) decides from the same pairs; this module only counts them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from services.train.gate import Pair

#: Documents on which the two disagree that are worth listing.
MOST_CHANGED = 100


def side_by_side(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Counts over held-out questions: `before` is the version that was in use, `after` the one that was learned.

    `confusion` has a line for each (truth, answer) that either got wrong, with how often each did, the most frequent
    first; `changed` the documents whose answer is now right or wrong for the first time.
    """
    before, after = (
        Counter((pair.truth, answer) for pair in pairs if (answer := getattr(pair, side)) != pair.truth)
        for side in ("promoted", "candidate")
    )
    mixed = sorted(before | after, key=lambda line: (-max(before[line], after[line]), line))
    changed = [pair for pair in pairs if (pair.candidate == pair.truth) != (pair.promoted == pair.truth)]
    return {
        "questions": len(pairs),
        "right_before": sum(pair.promoted == pair.truth for pair in pairs),
        "right_after": sum(pair.candidate == pair.truth for pair in pairs),
        "confusion": [
            {"truth": truth, "answer": answer, "before": before[truth, answer], "after": after[truth, answer]}
            for truth, answer in mixed
        ],
        "changed": [
            {
                "document": pair.document,
                "about": pair.about,
                "truth": pair.truth,
                "before": pair.promoted,
                "after": pair.candidate,
            }
            for pair in changed[:MOST_CHANGED]
        ],
    }
