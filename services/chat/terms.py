"""The words a text is found by: folded, stemmed in its language, without the words that every text has.

The same function serves the index and the question, so the two always agree. Numbers and identifiers are
kept whole besides their parts, so that `POL-2024/17`, `POL 2024 17` and `1'234.50` meet what they should.
Compounds are not taken apart here: `gram_overlap` finds `Haftpflicht` in `Haftpflichtversicherung` when
candidates are ranked.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from typing import Any

#: Languages with a stemmer; any other language is indexed unstemmed.
LANGUAGES = ("en", "de", "fr")
_SNOWBALL = {"en": "english", "de": "german", "fr": "french"}

#: Characters of a word that count; longer ones are no words.
LONGEST = 64
#: Runs of letters and digits, with the signs that hold numbers and identifiers together.
_TOKEN = re.compile(r"\w+(?:[-./'’,:]\w+)*")
_PART = re.compile(r"[^\W_]+")
#: French and Italian elision: the article clings to the word.
_ELISION = re.compile(r"^(?:l|d|j|m|t|s|c|n|qu|jusqu|lorsqu|puisqu|quelqu)['’](?=\w)", re.IGNORECASE)

_STOP_WORDS = {
    "en": (
        "a an and any are as at be been but by can could did do does for from had has have he her his how i "
        "if in into is it its may me my no not of on or our she should so some such than that the their "
        "them then there these they this those to was we were what when where which who whom whose why "
        "will with would you your"
    ),
    "de": (
        "aber als am an auch auf aus bei bin bis da das dass dem den der des die dies diese diesem diesen "
        "dieser dieses doch du durch ein eine einem einen einer eines er es euer für gegen hat hatte "
        "haben ich ihr ihre ihrem ihren ihrer im in ist ja kann kein keine man mein mit nach nicht noch "
        "nur ob oder ohne sein seine sich sie sind so soll über um und uns unser unter vom von vor war "
        "waren was welche welchem welchen welcher welches wann warum wem wen wer werden wie wieso wird "
        "wo wurde wurden zu zum zur"
    ),
    "fr": (
        "a à ai as au aux avec c ce ces cet cette d dans de des donc du elle elles en est et été être eu "
        "fait il ils j je l la le les leur leurs lui m ma mais me même mes mon n ne nos notre nous on "
        "ont ou où par pas peut plus pour qu quand que quel quelle quelles quels qui quoi s sa sans se "
        "ses si son sont sur t ta te tes toi ton tu un une vos votre vous y comment combien pourquoi"
    ),
}


@cache
def stop_words(language: str | None) -> frozenset[str]:
    """Folded words that say nothing about a text; of all three languages where it is not one of them."""
    lists = [_STOP_WORDS[language]] if language in _STOP_WORDS else list(_STOP_WORDS.values())
    return frozenset(folded(word) for words in lists for word in words.split())


def folded(word: str) -> str:
    """Lower case without accents: `Prénom` and `prenom` are one, `Straße` is `strasse`."""
    decomposed = unicodedata.normalize("NFKD", word.casefold())
    return "".join(sign for sign in decomposed if not unicodedata.combining(sign))


def terms(text: str, language: str | None, also: frozenset[str] = frozenset()) -> list[str]:
    """The terms of `text` in order, repeats included; `language` is ISO 639-1, or None where unknown.

    The folded words `also` are left out as the language's own stop words are.
    """
    found: list[str] = []
    stops = stop_words(language) | also
    for match in _TOKEN.finditer(text):
        token = _ELISION.sub("", match.group())
        if token.isalpha():
            term = stem(token, language)
            if term not in stops and folded(token) not in stops:
                found.append(term)
            continue
        parts = _PART.findall(token)
        found += [term for part in parts if (term := stem(part, language)) not in stops]
        if len(parts) > 1 and any(sign.isdigit() for sign in token):
            found.append(folded("".join(parts))[:LONGEST])
    return found


@lru_cache(maxsize=200_000)
def stem(word: str, language: str | None) -> str:
    """One word as a term: stemmed where the language has a stemmer, folded in any case."""
    stemmer = _stemmer(language)
    if stemmer is None or not word.isalpha():
        return folded(word)[:LONGEST]
    return folded(stemmer.stemWord(word.casefold()))[:LONGEST]


@cache
def _stemmer(language: str | None) -> Any:
    import snowballstemmer

    return snowballstemmer.stemmer(_SNOWBALL[language]) if language in _SNOWBALL else None


@lru_cache(maxsize=50_000)
def grams(term: str, size: int = 4) -> frozenset[str]:
    """The substrings of `size` letters of a term; the term itself where it is shorter."""
    if len(term) <= size:
        return frozenset((term,))
    return frozenset(term[place : place + size] for place in range(len(term) - size + 1))
