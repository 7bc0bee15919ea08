"""The language of a text, among those an insurer in Luxembourg and around it receives.

The model is langid's (Lui and Baldwin 2012), restricted so that a short French text cannot come out as Walloon.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

#: ISO 639-1.
LANGUAGES = (
    *("fr", "de", "en", "lb", "nl", "it", "es", "pt", "pl", "da", "sv", "ro", "cs", "hu"),
    *("ru", "uk", "el", "tr", "ar", "he", "zh", "ja", "ko"),
)
#: Fewer letters than this decide nothing.
_FEWEST_LETTERS = 25
#: Luxembourgish and German are too close to be told apart in less.
_FEWEST_FOR_LUXEMBOURGISH = 60
#: Told the language of all 89 sample documents with text; 250 gets three of them wrong (2026-11).
_SAMPLE_CHARACTERS = 500
_LETTERS = re.compile(r"[^\W\d_]+")


def language_of(text: str) -> str | None:
    """ISO 639-1 of `text`, or None where it has fewer than 25 letters."""
    first = max(len(text) // 4 - _SAMPLE_CHARACTERS, 0)  # past letterheads, which speak of places and names
    sample = " ".join(_LETTERS.findall(text[first : first + 3 * _SAMPLE_CHARACTERS]))[:_SAMPLE_CHARACTERS]
    if len(sample) < _FEWEST_LETTERS:
        return None
    found: str = _identifier().classify(sample)[0]
    if found == "lb" and len(sample) < _FEWEST_FOR_LUXEMBOURGISH:
        ranked = _identifier().rank(sample)
        found = next(name for name, _ in ranked if name != "lb")
    return found


def preload() -> None:
    """Load the model now (over a second): a process that forks once per text must not pay for it in each fork."""
    _identifier().classify("one two three")


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE)
    identifier.set_languages(list(LANGUAGES))
    return identifier
