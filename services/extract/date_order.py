"""Which of its two readings a numeric date has: 01/07/2025 is the first of July unless something proves otherwise.

Proof is a date in the same document that can be read one way only ("01/28/20"), or a field whose labels were month
first. Nothing here knows languages: English documents print both orders.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from services.extract.candidates import Candidate

_DAY_FIRST, _MONTH_FIRST = "date-dmy", "date-mdy"


def month_first_votes(candidates: Sequence[Candidate]) -> int:
    """Dates of the document that are month first beyond doubt, less those that are day first beyond doubt.

    A date that reads both ways is there twice, and counts for neither.
    """
    orders = Counter(candidate.kind for candidate in candidates)
    return orders[_MONTH_FIRST] - orders[_DAY_FIRST]


def settled(candidates: Sequence[Candidate], chosen: Candidate, *, field_is_month_first: bool) -> Candidate:
    """`chosen`, or the other reading of the same date where the proofs are for that one.

    `field_is_month_first` says what the labels of the field showed; the document's own proof outranks it.
    """
    other = _other_reading(candidates, chosen)
    if other is None:
        return chosen
    votes = month_first_votes(candidates)
    month_first = votes > 0 or (votes == 0 and field_is_month_first)
    return chosen if (chosen.kind == _MONTH_FIRST) == month_first else other


def shows_month_first(labelled: Sequence[tuple[Sequence[Candidate], Sequence[int]]]) -> bool:
    """Whether a field's labels prove month first; `labelled` has each document's candidates and the right places.

    Only right dates that read both ways count. Without any, day first it is.
    """
    votes: Counter[str] = Counter()
    for candidates, right in labelled:
        for place in right:
            if _other_reading(candidates, candidates[place]) is not None:
                votes[candidates[place].kind] += 1
    return votes[_MONTH_FIRST] > votes[_DAY_FIRST]


def _other_reading(candidates: Sequence[Candidate], one: Candidate) -> Candidate | None:
    if one.kind not in (_DAY_FIRST, _MONTH_FIRST):
        return None
    wanted = _DAY_FIRST if one.kind == _MONTH_FIRST else _MONTH_FIRST
    return next((other for other in candidates if other.kind == wanted and other.parts == one.parts), None)
