"""Answers made of known values: each value with its proof, its document, and who vouches for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.chat.answering import Answer
from services.chat.citations import Quoting, Source
from services.chat.known import Fact, Match
from services.chat.questions import language_of
from shared.documents import Reading

#: Different values that one answer shows, and documents that are cited for one value.
MOST_VALUES, MOST_PROOFS = 5, 3

_CONFIRMED = {"en": "confirmed by a person", "fr": "confirmé par une personne", "de": "von einem Menschen bestätigt"}
_UNCHECKED = {"en": "not checked by a person", "fr": "non vérifié par une personne", "de": "noch nicht geprüft"}
_SURE = {"en": "{} % sure", "fr": "sûr à {} %", "de": "zu {} % sicher"}
_MORE = {
    "en": "{} more documents fit as well. Name the one that you mean.",
    "fr": "{} autres documents conviennent aussi. Précisez lequel.",
    "de": "{} weitere Dokumente passen ebenso. Nennen Sie das gemeinte.",
}


def stated(question: str, matches: Sequence[Match], readings: Mapping[str, Reading]) -> Answer | None:
    """The values of the matches, best first, one line for each; None where none has its proof in `readings`.

    Documents that say the same are one line. `short` is the best value as printed.
    """
    language = language_of(question)
    proved = [match for match in matches if _is_proved(match.fact, readings)]
    if not proved:
        return None
    groups: dict[str, list[Match]] = {}
    for match in proved:
        groups.setdefault(_plain(match.fact.text), []).append(match)
    shown = list(groups.values())[:MOST_VALUES]
    writer = Quoting()
    for number, group in enumerate(shown):
        writer.write("\n" if number else "")
        _write_value(writer, group, readings, language)
    left = sum(len(group) for group in list(groups.values())[MOST_VALUES:])
    if left:
        writer.write(f"\n\n{_MORE[language].format(left)}")
    return Answer("facts", "facts", writer.content, proved[0].fact.text, citations=writer.citations)


def _write_value(writer: Quoting, group: Sequence[Match], readings: Mapping[str, Reading], language: str) -> None:
    """`value`, and in brackets what it is, of which documents, and how far it can be trusted."""
    best = group[0]
    content_start = len(writer.content)
    for number, match in enumerate(group[:MOST_PROOFS]):
        fact = match.fact
        source = Source(fact.document, fact.document_name, readings[fact.document])
        span = (fact.evidence.start, fact.evidence.end)
        if number == 0:
            writer.quote(source, span)
        elif fact.text == best.fact.text:
            writer.cite(source, span, content_start)
    names = ", ".join(dict.fromkeys(match.fact.document_name for match in group[:MOST_PROOFS]))
    what = [_label(best), *best.fact.path[-1:], names, _trust(best.fact, language)]
    writer.write(f" ({' · '.join(what)})")


def _label(match: Match) -> str:
    """The field's name in the question's words where the schema has them, else its name."""
    name, description = match.fact.labels[0], match.fact.labels[1:2]
    label = name if (match.label,) == description else match.label
    return label[:1].upper() + label[1:]


def _trust(fact: Fact, language: str) -> str:
    if fact.stated_by is not None:
        return _CONFIRMED[language]
    if fact.confidence is None:
        return _UNCHECKED[language]
    return f"{_UNCHECKED[language]}, {_SURE[language].format(round(100 * fact.confidence))}"


def _is_proved(fact: Fact, readings: Mapping[str, Reading]) -> bool:
    """Whether the quote still stands where the evidence says: the document may have been read anew in this moment."""
    reading = readings.get(fact.document)
    return reading is not None and reading.text[fact.evidence.start : fact.evidence.end] == fact.evidence.quote


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()
