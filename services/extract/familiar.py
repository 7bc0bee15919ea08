"""Values that people have typed before: what a misread name most likely said.

OCR reads "MR D.T.Y. SDN BHD" where twenty corrections say "MR D.I.Y. SDN BHD". A value read by OCR that is almost a
familiar one, and has the very same digits, is written as the familiar one. Whether that helps a field is found out on
its labels, each document judged by the others; where it does not help, nothing is familiar. The evidence keeps what
was printed.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

#: A value is familiar once it was typed for this many documents.
_TYPED = 2
_ALIKE = 0.9
_SHORTEST = 8


@dataclass(frozen=True)
class Familiar:
    """The familiar values of a field; calling it writes a value as the nearest of them, or leaves it alone."""

    values: tuple[str, ...] = ()

    def __call__(self, written: str) -> str:
        """`written`, or the familiar value that differs from it in a few letters and no digit."""
        return _nearest(written, self.values)


def learned_familiar(outcomes: Sequence[tuple[str, Sequence[str]]], same: Callable[[str, str], bool]) -> Familiar:
    """What is familiar after these (written, typed values) of one document each; nothing where it does not help.

    `same` tells whether two values mean the same.
    """
    typed = Counter(value for _, values in outcomes for value in set(values))
    gain = 0
    for written, values in outcomes:
        # Only what other documents taught: this one's own values are taken out of the count.
        known = [value for value, count in typed.items() if count - (value in values) >= _TYPED]
        snapped = _nearest(written, known)
        if snapped != written:
            gain += any(same(snapped, value) for value in values) - any(same(written, value) for value in values)
    if gain <= 0:
        return Familiar()
    return Familiar(tuple(sorted(value for value, count in typed.items() if count >= _TYPED)))


def _nearest(written: str, known: Sequence[str]) -> str:
    if len(written) < _SHORTEST or written in known:
        return written
    digits = _digits(written)
    matcher = difflib.SequenceMatcher(autojunk=False)
    matcher.set_seq2(written.casefold())
    best, best_ratio = written, _ALIKE
    for value in known:
        if _digits(value) != digits:
            continue
        matcher.set_seq1(value.casefold())
        if matcher.real_quick_ratio() > best_ratio and matcher.quick_ratio() > best_ratio:
            ratio = matcher.ratio()
            if ratio > best_ratio:
                best, best_ratio = value, ratio
    return best


def _digits(text: str) -> str:
    return "".join(re.findall(r"\d", text))
