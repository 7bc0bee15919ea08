"""What kind of answer a question wants, and in which language it was asked: French, German, English."""

from __future__ import annotations

import re
from typing import Literal

from services.chat.terms import LANGUAGES, folded, stop_words

Kind = Literal["date", "number", "name", "place", "reason", "yes_no", "manner", "definition", "thing"]
KINDS: tuple[Kind, ...] = (
    "date", "number", "name", "place", "reason", "yes_no", "manner", "definition", "thing",
)  # fmt: skip

#: Where a question may begin: at its start, after a title or a clause, or behind a preposition.
_PREPOSITIONS = (
    "in|on|at|by|to|for|from|since|until|as of|mit|von|bis|seit|an|auf|aus|zu|a|de|depuis|par|en|dans|pour|sur"
)
_BEGIN = rf"(?:^|[:,;?] )(?:(?:{_PREPOSITIONS}) )?"

#: Per language, tried in this order on the folded question (lower case, no accents).
_PATTERNS: dict[str, tuple[tuple[Kind, str], ...]] = {
    "en": (
        (
            "yes_no",
            r"^(is|are|was|were|do|does|did|can|could|will|would|has|have|had|may|must|should)\b",
        ),
        ("date", rf"{_BEGIN}when\b|\b(what|which) (\w+ )?(year|date|day|month|century|decade)\b"),
        (
            "number",
            r"\bhow (many|much|long|old|far|high|large|big|tall|fast|often|wide|deep)\b|"
            r"\b(what|which) (\w+ ){0,4}(percentage|percent|proportion|amount|number|rate|price|cost|total|sum|premium|"
            r"deductible|average|ratio|balance|value|fee|size|population|age|length|height|temperature)s?\b|"
            r"\b(change|increase|decrease|difference) (in|of|between)\b",
        ),
        ("name", rf"{_BEGIN}(who|whom|whose)\b"),
        ("place", rf"{_BEGIN}where\b"),
        ("reason", rf"{_BEGIN}(why|what reason)\b"),
        ("definition", r"^what (is|are|does) [^?]*(mean|definition|called|stand for)\b"),
        ("manner", rf"{_BEGIN}how\b"),
    ),
    "de": (
        ("yes_no", r"^(ist|sind|hat|haben|kann|konnen|darf|durfen|muss|mussen|wird|werden|gibt|gilt|soll|sollen)\b"),
        ("date", rf"{_BEGIN}wann\b|\b(welche\w*|was fur ein\w*) (jahr|datum|tag|monat|jahrhundert|jahrzehnt)\w*"),
        (
            "number",
            r"\bwie (viel\w*|hoch|lang\w*|alt|weit|gross|oft|schnell|schwer|tief|breit)\b|"
            r"\bwelche[rsnm]? (anteil|betrag|summe|anzahl|prozent\w*|hohe|preis|pramie|selbst\w*)",
        ),
        ("name", rf"{_BEGIN}(wer|wem|wen|wessen)\b"),
        ("place", rf"{_BEGIN}(wo|woher|wohin|worin)\b"),
        ("reason", rf"{_BEGIN}(warum|weshalb|wieso|welche\w* grund)"),
        ("definition", r"^was (ist|sind|bedeutet|versteht)\b"),
        ("manner", rf"{_BEGIN}wie\b(?! (lautet|lauten|heiss|ist|sind|war|waren)\w*)"),
    ),
    "fr": (
        (
            "yes_no",
            rf"{_BEGIN}(est-ce que|est-il|peut-on|faut-il|doit-on|a-t-on|puis-je|dois-je)\b|\w+-t?-?(il|elle|on|je) ",
        ),
        ("date", rf"{_BEGIN}quand\b|\bquel(le)? (est la )?(date|annee|jour|mois|siecle)\b"),
        (
            "number",
            r"\bcombien\b|\bquel(le)?s? (\w+ ){0,3}(montant|pourcentage|nombre|taux|prix|cout|prime|franchise|somme|"
            r"part|proportion|duree|age|delai|tarif|total)s?\b",
        ),
        ("name", rf"{_BEGIN}qui\b"),
        ("place", rf"{_BEGIN}ou (se|est|sont|puis|peut|a|faut|trouver|faire)\b|\bd.ou\b"),
        ("reason", r"\bpourquoi\b"),
        ("definition", r"qu.est.ce qu|c.est quoi|que signifie"),
        ("manner", r"\bcomment\b|\bque faire\b"),
    ),
}
#: Words that only one of the languages uses; a question has few words, so these decide.
_MARKS = {
    language: stop_words(language) - frozenset().union(*(stop_words(other) for other in LANGUAGES if other != language))
    for language in LANGUAGES
}


def kind_of(question: str) -> Kind:
    """The kind of answer that the question's words call for; "thing" where they say nothing special."""
    plain = folded(question).replace("’", "'").strip()
    for kind, pattern in _PATTERNS[language_of(question)]:
        if re.search(pattern, plain):
            return kind
    return "thing"


def asks_for_year(question: str) -> bool:
    """Whether a year is wanted rather than a day."""
    return re.search(r"\b(year|jahr|annee|decade|century|jahrhundert|siecle)", folded(question)) is not None


def language_of(question: str) -> str:
    """ISO 639-1 of the language the question was asked in; "en" where it cannot be told."""
    words = re.findall(r"\w+", folded(question))
    return max(LANGUAGES, key=lambda language: sum(word in _MARKS[language] for word in words))
