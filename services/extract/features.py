"""Numbers about a candidate: where it stands, how it looks, and how it compares with the others of its document.

These need no training and no labels. What the words around it say is the business of `context.py`; what the field
asks for, of `anchors.py` and `ranker.py`.
"""

from __future__ import annotations

import datetime
import math
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

import numpy as np
from numpy.typing import NDArray

from services.extract.candidates import Candidate
from services.extract.date_order import month_first_votes
from services.extract.layout import Sheet
from services.extract.numbers import currency_from
from services.extract.stretches import LEGAL_FORMS

NAMES = (
    *("page", "pages_after", "top", "left", "right", "height", "row", "rows_after", "row_share"),
    *("tokens", "characters", "digits", "capitals", "letters", "begins", "closes", "in_row", "place_in_row"),
    *("gap_left", "gap_above", "times", "is_first", "order", "rank_high", "rank_low", "magnitude", "others"),
    *("after_colon", "by_currency", "kind", "parts", "legal_form", "before", "behind", "is_sum", "lines"),
    *("month_first_votes", "days_after_first", "comma", "words_in_segment", "to_rounded", "is_rounded"),
)
#: Comparing every number with every other is for small documents.
_MOST_SIZES = 150
_BEFORE = {":": 1, "(": 2, ")": 3, ",": 4, ".": 5, "#": 6, "$": 7, "€": 7, '"': 8, "“": 8, "/": 9, "-": 9}


class DocumentFeatures:
    """The numbers for candidates of one pool of one sheet; what compares candidates is counted once, over all."""

    def __init__(self, sheet: Sheet, candidates: Sequence[Candidate]) -> None:
        self.sheet = sheet
        self.candidates = candidates
        self._times = Counter(candidate.same for candidate in candidates)
        self._firsts: dict[str, int] = {}
        for place, candidate in enumerate(candidates):
            self._firsts.setdefault(candidate.same, place)
        self._sizes = [_size(candidate) for candidate in candidates]
        known = sorted({size for size in self._sizes if size is not None})
        self._rank = {size: place for place, size in enumerate(known)}
        self._known = known
        self._sums = _sums(known)
        swapped = month_first_votes(candidates)
        self._month_first = float(np.sign(swapped)) * min(5, abs(swapped))
        heights = [token.box[3] - token.box[1] for token in sheet.tokens]
        self._height = float(np.median(heights)) if heights else 1.0

    def rows(self, places: Sequence[int]) -> NDArray[np.float32]:
        """One row of `NAMES` for each candidate in `places`."""
        return np.array([self._row(place) for place in places], dtype=np.float32).reshape(-1, len(NAMES))

    def _row(self, place: int) -> list[float]:
        candidate = self.candidates[place]
        return [*self._position(candidate), *self._looks(candidate), *self._comparison(place, candidate)]

    def _position(self, candidate: Candidate) -> list[float]:
        sheet = self.sheet
        first = sheet.tokens[candidate.first]
        last = sheet.tokens[candidate.last - 1]
        row = sheet.segments[first.segment].row
        width, height = sheet.sizes[first.page]
        return [
            *(first.page, len(sheet.sizes) - 1 - first.page),
            *(first.box[1] / height, first.box[0] / width, last.box[2] / width),
            (first.box[3] - first.box[1]) / self._height,
            *(min(row, 200), min(len(sheet.rows) - row, 200), row / max(1, len(sheet.rows))),
        ]

    def _looks(self, candidate: Candidate) -> list[float]:
        sheet = self.sheet
        text = sheet.text[candidate.start : candidate.end]
        length = max(1, len(text))
        first, last = sheet.tokens[candidate.first], sheet.tokens[candidate.last - 1]
        segment = sheet.segments[first.segment]
        return [
            *(candidate.last - candidate.first, len(text)),
            sum(map(str.isdigit, text)) / length,
            sum(map(str.isupper, text)) / length,
            sum(map(str.isalpha, text)) / length,
            float(segment.first == candidate.first),
            float(sheet.segments[last.segment].last == candidate.last),
            *(len(sheet.rows[segment.row]), segment.place_in_row),
            *(self._gap_left(candidate), self._gap_above(first.segment)),
        ]

    def _comparison(self, place: int, candidate: Candidate) -> list[float]:
        text = self.sheet.text
        size = self._sizes[place]
        rank = -1 if size is None else self._rank[size]
        near = text[max(0, candidate.start - 5) : candidate.start] + " " + text[candidate.end : candidate.end + 5]
        last_word = text[candidate.start : candidate.end].rsplit(None, 1)[-1].strip(".,").casefold()
        return [
            *(self._times[candidate.same], float(self._firsts[candidate.same] == place)),
            place / max(1, len(self.candidates)),
            *(len(self._known) - rank if rank >= 0 else -1, rank),
            math.log10(abs(size) + 1) if size is not None else -1,
            math.log2(len(self.candidates) + 1),
            float(text[max(0, candidate.start - 3) : candidate.start].rstrip().endswith(":")),
            float(any(currency_from(word) is not None for word in near.split())),
            _kind_number(candidate.kind),
            *(len(candidate.parts), float(last_word in LEGAL_FORMS)),
            *(_mark(text, candidate.start - 1), _mark(text, candidate.end)),
            *(float(size in self._sums), text.count("\n", candidate.start, candidate.end)),
            self._month_first,
            size - self._known[0] if candidate.kind.startswith("date") and size is not None else -1,
            text.count(",", candidate.start, candidate.end),
            self._words_in_segment(candidate),
            *self._rounding(size),
        ]

    def _gap_left(self, candidate: Candidate) -> float:
        first = self.sheet.tokens[candidate.first]
        segment = self.sheet.segments[first.segment]
        if candidate.first > segment.first:
            return (first.box[0] - self.sheet.tokens[candidate.first - 1].box[2]) / self._height
        left = self.sheet.left_of(first.segment)
        return 99.0 if left is None else (segment.box[0] - self.sheet.segments[left].box[2]) / self._height

    def _gap_above(self, number: int) -> float:
        segment = self.sheet.segments[number]
        if segment.above is None:
            return 99.0
        return (segment.box[1] - self.sheet.segments[segment.above].box[3]) / self._height

    def _rounding(self, size: float | None) -> tuple[float, float]:
        """How far the nearest other number is, in cents, where a total and its rounded form stand side by side.

        Cash is rounded to five cents in many countries; 9 where there is no such number. Then whether this one is.
        """
        if size is None or len(self._known) > _MOST_SIZES:
            return 9.0, -1.0
        cents = [round(100 * (other - size)) for other in self._known if 0.004 < abs(other - size) < 0.055]
        return float(min(cents, key=abs, default=9)), float(round(100 * size) % 5 == 0)

    def _words_in_segment(self, candidate: Candidate) -> float:
        segment = self.sheet.segments[self.sheet.tokens[candidate.first].segment]
        return segment.last - segment.first


def _kind_number(kind: str) -> int:
    """A stable small number for a kind: the same in every process, unlike `hash`."""
    return sum(ord(character) * (place + 1) for place, character in enumerate(kind)) % 1009


def _mark(text: str, place: int) -> float:
    """What kind of character stands at `place`: 0 blank or nothing, 10 letter or digit, else by `_BEFORE`."""
    if not 0 <= place < len(text) or text[place].isspace():
        return 0.0
    return 10.0 if text[place].isalnum() else float(_BEFORE.get(text[place], 11))


def _size(candidate: Candidate) -> float | None:
    """What candidates are ranked by: the number, or the day; None for text."""
    if candidate.kind.startswith("number"):
        try:
            return float(Decimal(candidate.value))
        except InvalidOperation:
            return None
    if candidate.kind.startswith("date"):
        return float(datetime.date.fromisoformat(candidate.value).toordinal())
    return None


def _sums(known: list[float]) -> set[float]:
    """The sizes that are the sum of two others, as a total is of net and tax; only in small documents."""
    if len(known) > _MOST_SIZES:
        return set()
    positive = [size for size in known if size > 0]
    present = {round(size, 2): size for size in positive}
    totals = {round(a + b, 2) for place, a in enumerate(positive) for b in positive[place:]}
    return {present[total] for total in totals if total in present}
