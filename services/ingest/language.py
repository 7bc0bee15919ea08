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
#: Of a page, so much is looked at, from so many words on; running text has a third of common words.
_PAGE_CHARACTERS, _FEWEST_PAGE_WORDS = 1_500, 20
_CLEAR_SHARE, _FAIR_SHARE = 0.15, 0.05
_COMMON: dict[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "fr": "le la les des du et un une est que qui dans pour par sur au aux ne pas vous nous votre vos avec ce",
        "de": "der die das und ist nicht ein eine einen zu den dem mit für auf im wir sie ihr ihre von des bei wird",
        "en": "the of and to is are for that with you your this be our we not from have has will at as by which was",
        "lb": "den déi dat an ass net en eng mat fir op vun vum dem mir dir är iech hunn ginn och wéi datt gëtt",
        "nl": "de het een en van is niet te dat op voor met zijn aan ook wij uw bij naar wordt deze door ons",
        "it": "il lo gli di che e un una per con non del della nel è sono da al alla dei delle suo nostro vostro",
        "es": "el los las y que del una por con no para se su al es son lo como más sus esta este nuestro",
        "pt": "o os as e que do da dos das uma um por com não para se seu sua ao é são mais como esta este",
    }.items()
}
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


def language_of_page(text: str, whole: str | None) -> str | None:
    """ISO 639-1 of one page of a document in the language `whole`: another one only where its commonest words say so.

    A page of numbers and names is in the language of its document. Told from common words, because there may be
    thousands of pages: some 20 microseconds each, where the model needs 300.
    """
    words = text[:_PAGE_CHARACTERS].casefold().split()
    if len(words) < _FEWEST_PAGE_WORDS:
        return whole
    own = _share(words, whole) if whole in _COMMON else 0.0
    if own >= _CLEAR_SHARE:
        return whole
    shares = {language: _share(words, language) for language in _COMMON}
    best = max(_COMMON, key=lambda language: shares[language])
    if shares[best] >= _FAIR_SHARE and shares[best] > 3 * own:
        return best
    return whole


def _share(words: list[str], language: str | None) -> float:
    return sum(map(_COMMON[language or ""].__contains__, words)) / len(words)


def preload() -> None:
    """Load the model now (over a second): a process that forks once per text must not pay for it in each fork."""
    _identifier().classify("one two three")


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE)
    identifier.set_languages(list(LANGUAGES))
    return identifier
