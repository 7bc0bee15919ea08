"""The words around a candidate, as strings to hash: what a linear model learns a field's surroundings from.

Each string says where it stood ("L1=total" is the nearest word on the left) and what it was. Digits are 0, so
no value is learned by heart. Fields share these strings; what they mean for a field is the model's business.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from scipy.sparse import csr_matrix
from sklearn.feature_extraction import FeatureHasher

from services.extract.candidates import Candidate
from services.extract.layout import Sheet
from services.extract.lexicon import concepts_of

#: Columns of the hashed matrix; 2^18 keeps collisions rare for the few 10,000 strings of a workspace.
WIDTH = 1 << 18
_MOST_OWN_WORDS = 160


def hashed(strings: Sequence[Sequence[str]]) -> csr_matrix:
    """One row per candidate, WIDTH columns, values 0 and 1 (more where two strings collide)."""
    if not strings:
        return csr_matrix((0, WIDTH), dtype="float32")
    hasher = FeatureHasher(n_features=WIDTH, input_type="string", alternate_sign=False, dtype="float32")
    try:
        return hasher.transform(strings)
    except UnicodeEncodeError:
        # Surrogates, from broken files, cannot be hashed. Cleaning every string costs a sixth of all the time.
        return hasher.transform([[one.encode("utf-8", "replace").decode() for one in row] for row in strings])


class Surroundings:
    """The strings of all candidates of one sheet; words of a segment are gathered once."""

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet
        self._words: dict[int, list[str]] = {}

    def strings(self, candidate: Candidate) -> list[str]:
        """The strings of one candidate, each once."""
        if candidate.kind.startswith("clause"):
            found = [*self._clause(candidate), *self._order(candidate, 3)]
        else:
            found = [*self._own(candidate), *self._beside(candidate), *self._stacked(candidate)]
            found += self._order(candidate, 6)
        return list(dict.fromkeys(found))

    def left_words(self, candidate: Candidate) -> list[str]:
        """Words on the left in the same row, nearest last.

        Those of the segment itself; where it has at most one ("EUR 12.50"), also those of the segment before it.
        """
        segment = self.sheet.segments[self.sheet.tokens[candidate.first].segment]
        own = self._keys(segment.first, candidate.first)
        number = self.sheet.left_of(self.sheet.tokens[candidate.first].segment)
        return own if len(own) > 1 or number is None else self.segment_words(number) + own

    def above_words(self, candidate: Candidate) -> list[str]:
        """Words of the segment above."""
        above = self.sheet.segments[self.sheet.tokens[candidate.first].segment].above
        return [] if above is None else self.segment_words(above)

    def order_words(self, candidate: Candidate, reach: int) -> list[str]:
        """The last `reach` words before the candidate in text order, over line breaks."""
        return self._keys(max(0, candidate.first - reach - 4), candidate.first)[-reach:]

    def segment_words(self, number: int) -> list[str]:
        """The words of a segment, marks left out."""
        if number not in self._words:
            segment = self.sheet.segments[number]
            self._words[number] = self._keys(segment.first, segment.last)
        return self._words[number]

    def _keys(self, first: int, last: int) -> list[str]:
        return [token.key for token in self.sheet.tokens[first:last] if token.is_word]

    def _own(self, candidate: Candidate) -> list[str]:
        words = [token.key for token in self.sheet.tokens[candidate.first : candidate.last]]
        printed = self.sheet.text[candidate.start : candidate.end]
        found = [f"K={candidate.kind}", f"F={words[0]}", f"E={words[-1]}", f"S={shape_of(printed)[:24]}"]
        found += [f"O={word}" for word in words[:10]]
        found += [f"O2={a} {b}" for a, b in itertools.pairwise(words)]
        found += [f"FP={words[0][:3]}", f"EP={words[-1][-3:]}", f"W={min(len(words), 12)}"]
        return found

    def _clause(self, candidate: Candidate) -> list[str]:
        words = self._keys(candidate.first, candidate.last)[:_MOST_OWN_WORDS]
        found = [f"K={candidate.kind}", f"W={min(len(words) // 8, 12)}"]
        found += [f"C={word}" for word in words]
        found += [f"C2={a} {b}" for a, b in itertools.pairwise(words)]
        found += [f"CF={word}" for word in words[:4]]
        return found

    def _beside(self, candidate: Candidate) -> list[str]:
        tokens, sheet = self.sheet.tokens, self.sheet
        number = tokens[candidate.first].segment
        segment = sheet.segments[number]
        left = self._keys(segment.first, candidate.first)
        last_number = tokens[candidate.last - 1].segment
        right = self._keys(candidate.last, sheet.segments[last_number].last)
        found = ["inside-left" if left else "begins", "inside-right" if right else "closes"]
        before = sheet.left_of(number)
        if before is not None and len(left) < 3:
            words = self.segment_words(before)
            found += [f"LS={' '.join(words[-5:])}"]
            left = words + left
        after = sheet.right_of(last_number)
        if after is not None and len(right) < 2:
            right = right + self.segment_words(after)
        found += [f"L{place}={word}" for place, word in enumerate(reversed(left[-3:]), 1)]
        found += [f"L={word}" for word in left[-6:]]
        found += [f"LL={a} {b}" for a, b in zip(left[-4:], left[-3:], strict=False)]
        found += [f"LC={concept}" for concept in concepts_of(left[-4:])]
        found += [f"R{place}={word}" for place, word in enumerate(right[:2], 1)]
        found += [f"R={word}" for word in right[:4]]
        return found

    def _stacked(self, candidate: Candidate) -> list[str]:
        segments = self.sheet.segments
        here = segments[self.sheet.tokens[candidate.first].segment]
        lowest = segments[self.sheet.tokens[candidate.last - 1].segment]
        found: list[str] = []
        above = here.above
        for depth in (1, 2, 3):
            if above is None:
                found.append(f"A{depth}-none")
                break
            words = self.segment_words(above)
            found += [f"A{min(depth, 2)}={word}" for word in words[:5]]
            found += [f"AC{depth}={concept}" for concept in concepts_of(words[:5])]
            if depth < 3:
                found.append(f"AS{depth}={' '.join(words[:5])}")
            above = segments[above].above
        if lowest.below is None:
            found.append("B-none")
        else:
            words = self.segment_words(lowest.below)
            found += [f"B={word}" for word in words[:5]]
            found.append(f"BS={' '.join(words[:4])}")
        return found

    def _order(self, candidate: Candidate, reach: int) -> list[str]:
        """Words before and after in text order, over line breaks: what counts in prose."""
        tokens = self.sheet.tokens
        before = self.order_words(candidate, reach)
        after = self._keys(candidate.last, min(len(tokens), candidate.last + reach + 3))[:reach]
        found = [f"P{place}={word}" for place, word in enumerate(reversed(before[-3:]), 1)]
        found += [f"P={word}" for word in before]
        found += [f"PC={concept}" for concept in concepts_of(before[-4:])]
        found += [f"PP={a} {b}" for a, b in zip(before[-4:], before[-3:], strict=False)]
        found += [f"N{place}={word}" for place, word in enumerate(after[:2], 1)]
        found += [f"N={word}" for word in after[:4]]
        found += [f"NN={a} {b}" for a, b in itertools.pairwise(after)]
        return found


def shape_of(text: str) -> str:
    """Letters as X and x, digits as 9, runs of more than two cut to two: "RE-2014" is "XX-99"."""
    shape = re.sub(r"\d", "9", re.sub(r"[^\W\d_]", lambda one: "X" if one[0].isupper() else "x", text))
    return re.sub(r"(.)\1{2,}", r"\1\1", re.sub(r"\s+", " ", shape))
