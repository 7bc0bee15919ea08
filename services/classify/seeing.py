"""What the encoder makes of a text, and how far it can be trusted with it.

Two sentence vectors, from the last layer and from a middle one, and the share that words and letters have beside
them. That share is small for a short text in a language of the encoder's, larger for a long one, of which it sees
only the head, and largest for a language that it does not know: with an English encoder words and letters carry
French and German.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

#: Tokens of a text that its sentence vectors see: half a page. More cost much and gained nothing on the
#: development sets (docs/measurements/classify.md); the words and letters see the rest.
ENCODER_TOKENS = 128
#: The share of words and letters: for texts of up to `SHORT_WORDS` words, of `LONG_WORDS` or more, and for a foreign
#: language. By left-out answers on the development sets and on samples of other seeds, 2026-11.
SHARE_SHORT, SHARE_LONG, SHARE_FOREIGN = 0.15, 0.5, 0.65
SHORT_WORDS, LONG_WORDS = 16, 128
#: Share of words that the encoder knows whole (`Encoder.understood`): below the first a foreign language, above the
#: second its own. Medians over the sets: French 0.4, German 0.3, English 0.8 to 0.9.
FOREIGN, OWN = 0.45, 0.85


class Embedder(Protocol):
    """What is needed of `shared.encoder.Encoder`."""

    name: str

    def encode_deep_and_middle(self, texts: list[str], max_tokens: int = 256) -> tuple[Floats, Floats]:
        """Unit vectors from the last and from a middle layer, one row for each text."""
        ...

    def understood(self, texts: list[str]) -> Floats:
        """For each text the share of its words that the encoder knows whole, in 0..1."""
        ...


@dataclass(frozen=True)
class Seen:
    """Texts as the encoder sees them, row by row; `shares` is what words and letters count, in 0..1."""

    deep: Floats
    middle: Floats
    shares: Floats

    def part(self, places: slice | list[int]) -> Seen:
        """Some of the rows."""
        return Seen(self.deep[places], self.middle[places], self.shares[places])

    def and_then(self, others: Seen) -> Seen:
        """These rows, then the others."""
        return Seen(
            np.vstack([self.deep, others.deep]),
            np.vstack([self.middle, others.middle]),
            np.concatenate([self.shares, others.shares]),
        )


def seen(texts: list[str], embedder: Embedder) -> Seen:
    """Look at each text once."""
    deep, middle = embedder.encode_deep_and_middle(texts, max_tokens=ENCODER_TOKENS)
    return Seen(deep, middle, shares_of(texts, embedder.understood(texts)))


def shares_of(texts: list[str], understood: Floats) -> Floats:
    """The share of words and letters for each text, linear in the logarithm of its length and in `understood`."""
    words = np.array([max(len(text[: LONG_WORDS * 20].split()), 1) for text in texts], np.float32)
    long = np.clip(np.log(words / SHORT_WORDS) / np.log(LONG_WORDS / SHORT_WORDS), 0, 1)
    own = np.clip((understood - FOREIGN) / (OWN - FOREIGN), 0, 1)
    shares: Floats = SHARE_FOREIGN - own * (SHARE_FOREIGN - SHARE_SHORT - (SHARE_LONG - SHARE_SHORT) * long)
    return shares.astype(np.float32)
