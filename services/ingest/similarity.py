"""Near-duplicates: which texts say almost the same, told from short signatures of them.

A text is the set of its pairs of neighbouring words. Its signature is the minimum of that set under each of 256
random orders, and the share of equal minima of two signatures estimates the share of pairs both texts have, of those
either has (Broder 1997, "On the resemblance and containment of documents"). Pairs, because they tell a letter scanned
again (four in five pairs survive the recogniser) from the same form filled in for somebody else (at most three in
five are common); longer runs of words break at every letter read wrongly.

It says that two texts are alike, never that one of them may be dropped.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

#: Numbers in a signature; the score's standard error is at most 0.5 / sqrt(256) = 0.03.
SIZE = 256
#: Scores from here on are worth telling a person (docs/measurements/ingest.md, near-duplicates).
THRESHOLD = 0.65
#: Two texts with one band in common are compared: 96 % of pairs with a score of 0.65, 3 % of those with 0.3.
BANDS, _ROWS = 40, 6
#: Two texts of a few words are alike by chance.
_FEWEST_WORDS = 20
#: Of a longer text, the pairs with the smallest hashes stand for all: the same ones in every version of it.
_MOST_PAIRS = 1_024
_WORD = re.compile(r"\w+")
#: What recognisers take for each other.
_CONFUSED = str.maketrans("oilsb", "01158")

Numbers = npt.NDArray[np.uint32]


def signature_of(text: str) -> bytes | None:
    """The signature, `SIZE` little-endian numbers of 32 bits; None for fewer than 20 words."""
    words = _WORD.findall(text.casefold())
    if len(words) < _FEWEST_WORDS:
        return None
    hashes = {word: zlib.crc32(word.translate(_CONFUSED).encode("utf-8", "replace")) for word in set(words)}
    row = np.fromiter(map(hashes.__getitem__, words), dtype=np.uint32, count=len(words))
    pairs = np.unique(_mixed(row[:-1] * np.uint32(0x9E3779B1) + row[1:]))[:_MOST_PAIRS]
    factors, shifts = _orders()
    signature: Numbers = (factors * pairs + shifts).min(axis=1)
    return signature.astype("<u4").tobytes()


def score(one: bytes, other: bytes) -> float:
    """How alike the texts of two signatures are, 0..1."""
    return float(np.mean(np.frombuffer(one, "<u4") == np.frombuffer(other, "<u4")))


def bands_of(signature: bytes, workspace: str) -> Sequence[int]:
    """`BANDS` signed numbers of 32 bits; texts of one workspace that are alike have at least one in common."""
    wide = 4 * _ROWS
    return [
        zlib.crc32(signature[wide * band : wide * (band + 1)], zlib.crc32(f"{workspace} {band}".encode())) - (1 << 31)
        for band in range(BANDS)
    ]


def _mixed(numbers: Numbers) -> Numbers:
    """Spread sums of hashes over all 32 bits (the finalizer of MurmurHash3, Appleby)."""
    numbers = (numbers ^ (numbers >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    numbers = (numbers ^ (numbers >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return numbers ^ (numbers >> np.uint32(16))


@cache
def _orders() -> tuple[Numbers, Numbers]:
    """Factors and shifts of the random orders; they may never change, signatures in the database depend on them."""
    drawn = np.random.Generator(np.random.PCG64(1926)).integers(0, 1 << 32, size=(2, SIZE, 1), dtype=np.uint32)
    return drawn[0] | np.uint32(1), drawn[1]
