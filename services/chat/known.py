"""Answers from what is already known: the fields that were extracted from the documents, or stated by people.

Who asks for the total of the glazier's invoice asks for a field of a class of documents. Half of the question names the
field, in the words of its schema; the other half says which documents are meant, in the words of their class, their
name, their values or their text. Where both halves meet, the value is the answer, and its evidence the citation.

Nothing is read here that was not extracted; a question that asks for no field gets none.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from services.chat.questions import Kind, kind_of, language_of
from services.chat.retrieval import FEW_PASSAGES, Question, Ranked, Statistics
from services.chat.terms import folded, grams, stop_words, terms
from shared.documents import Evidence

#: Questions that no single value answers.
NEVER: frozenset[Kind] = frozenset(("yes_no", "manner", "reason", "definition"))
#: The types of field that a kind of question wants.
WANTED: dict[Kind, frozenset[str]] = {
    "date": frozenset(("date",)),
    "number": frozenset(("amount", "number", "duration", "list")),
    "name": frozenset(("party", "text")),
    "place": frozenset(("address", "text")),
}
#: How far a field's words must meet the question's, and the document's the rest of them, for a value to be an answer.
LEAST_FIELD, LEAST_DOCUMENT = 0.5, 0.7
#: What half the nearness in meaning and the wrong type of field count, beside words that are the same (at most 1).
MEANING_WEIGHT, WRONG_TYPE = 0.4, 0.5
#: What a word weighs that is no name, number or word for a class; distinction of words that leaves half a doubt.
FILLING, ENOUGH = 0.3, 0.5
#: What a word counts that the kind of question implies and nobody said.
UNSAID = 0.3
#: Documents that fit as well as the best one but for this share are answers as well.
TIE = 0.02
#: Words that a kind of question implies: "when" asks for a date.
_IMPLIED: dict[Kind, str] = {"date": "date day datum tag jour", "place": "place address ort adresse lieu"}
#: Types of field whose values name somebody or something.
_NAMING = frozenset(("party", "identifier", "address"))
#: Asks for a number that counts nothing: an identifier.
_NUMBERING = re.compile(r"\b(number|no|numero|\w*nummer|nr|reference|referenz)\b")
_WORD = re.compile(r"\w{2,}")
#: Words that begin with a capital within the question, and words with digits.
_NAMES = re.compile(r"(?<=\s)[^\W\d_a-zà-öø-ÿ][\w'’-]*|\w*\d[\w./-]*")


@dataclass(frozen=True)
class Fact:
    """One value of one document, with its proof.

    `labels` are the words for the field: its name, its description, and what is printed beside it, in any language.
    `text` is the value as printed. `stated_by` names the person who gave or confirmed it, None for a machine's word.
    """

    document: str
    document_name: str
    path: tuple[str, ...]
    field: str
    type: str
    labels: tuple[str, ...]
    text: str
    evidence: Evidence
    confidence: float | None = None
    stated_by: str | None = None


@dataclass(frozen=True)
class Match:
    """A fact that answers; `label` is the word for its field that the question comes nearest to. `score`: 0..1.4."""

    fact: Fact
    label: str
    score: float


@dataclass(frozen=True)
class _Fit:
    """How well a field is meant, by which of its labels, and the question's terms that name it."""

    score: float
    label: str
    terms: frozenset[str]


def core(question: Question, facts: Sequence[Fact]) -> str:
    """The question without the names and numbers that are values of the facts: what is left asks.

    "When does the policy of Grace Okafor start?" is nearer in meaning to "start of cover" without the name.
    """
    named = set(_named(question, facts))
    return " ".join(_NAMES.sub(lambda name: "" if name.group() in named else name.group(), question.text).split())


def _named(question: Question, facts: Sequence[Fact]) -> list[str]:
    """The names and numbers in the question that are values, or parts of values, of the facts."""
    values = {word for fact in facts if fact.type in _NAMING for word in _WORD.findall(folded(fact.text))}
    return [name for name in _NAMES.findall(question.text) if values.issuperset(_WORD.findall(folded(name)))]


def matching(
    question: Question,
    facts: Sequence[Fact],
    words_of_class: Mapping[tuple[str, ...], str],
    found: Sequence[Ranked],
    statistics: Statistics,
    nearness: Mapping[str, float],
) -> list[Match]:
    """The facts that answer the question, best document first; [] where none does.

    `words_of_class` describes each node of the taxonomy, `nearness` has the cosine between the question's core and each
    label that is to be compared in meaning. All matches are about as good as the first, and of one field.
    """
    if kind_of(question.text) in NEVER or not facts:
        return []
    asked = _Asked(question, facts, words_of_class, statistics)
    fits = {fact.labels: asked.fit(fact, nearness) for fact in facts}
    known = _words_by_document(asked, facts, words_of_class, found)
    matches = []
    for fact in facts:
        fit = fits[fact.labels]
        if asked.has(fact.text):
            continue  # nobody asks for what the question says
        share = asked.share(fit.terms, known[fact.document])
        if fit.score >= LEAST_FIELD and share >= LEAST_DOCUMENT:
            matches.append(Match(fact, fit.label, fit.score * share))
    matches.sort(key=lambda match: -match.score)
    return [
        one for one in matches if one.score >= (1 - TIE) * matches[0].score and one.fact.field == matches[0].fact.field
    ]


def named_classes(question: Question, words_of_class: Mapping[tuple[str, ...], str]) -> list[tuple[str, ...]]:
    """The classes whose own name or description has a word of the question: their documents may be meant."""
    language = language_of(question.text)
    asked = question.terms(language)
    return [path for path, words in words_of_class.items() if _met(asked, _terms(language, f"{path[-1]} {words}"))]


class _Asked:
    """A question's terms, and what each of them weighs: beside a field's words, and beside a document's."""

    def __init__(
        self,
        question: Question,
        facts: Sequence[Fact],
        words_of_class: Mapping[tuple[str, ...], str],
        statistics: Statistics,
    ) -> None:
        self.language = language_of(question.text)
        self.terms = question.terms(self.language)
        self._labels = {label: _terms(self.language, label) for fact in facts for label in fact.labels}
        self._fields: Counter[str] = Counter()
        for labels in {fact.labels for fact in facts}:
            self._fields.update(frozenset().union(*(self._labels[label] for label in labels)))
        self._most = len({fact.labels for fact in facts})
        self._statistics = replace(statistics, passages=max(statistics.passages, FEW_PASSAGES))
        self._classes = _terms(self.language, " ".join(path[-1] for path in words_of_class))
        described = _terms(self.language, " ".join(words_of_class.values()))
        self._naming = self._classes | described | _terms(self.language, " ".join(_NAMES.findall(question.text)))
        self._wanted = _wanted(question.text)
        self._named = _terms(self.language, " ".join(_named(question, facts)))
        self._meant = frozenset(self.terms) | _terms(self.language, _IMPLIED.get(kind_of(question.text), ""))

    def has(self, text: str) -> bool:
        """Whether the question says all of the text itself."""
        return _terms(self.language, text) <= set(self.terms)

    def fit(self, fact: Fact, nearness: Mapping[str, float]) -> _Fit:
        """How well the question's words name the fact's field."""
        best = _Fit(0.0, fact.labels[0], frozenset())
        for label in fact.labels:
            own = self._labels[label]
            met = _met(own, self._meant)
            if not met:
                continue
            share = sum(self._distinction(term) for term in met) / sum(self._distinction(term) for term in own)
            # "Invoice" names what kind of document is meant before it names a field of it.
            weight = sum(self._distinction(term) * (0.5 if term in self._classes else 1) for term in met)
            score = math.sqrt(share) * (1 - 0.5 ** (weight / ENOUGH))
            if score > best.score:
                best = _Fit(score, label, _met(self.terms, own))
        meaning = max((nearness.get(label, 0.0) for label in fact.labels), default=0.0)
        score = best.score + MEANING_WEIGHT * max(meaning, 0.0)
        if self._wanted and fact.type not in self._wanted:
            score *= WRONG_TYPE
        return replace(best, score=score)

    def share(self, named: frozenset[str], known: frozenset[str]) -> float:
        """The share, 0..1, of the terms beside those that name the field, that are known of a document.

        A document that lacks a name or number which the question gives is not meant: 0.
        """
        if not self._named - named <= known:
            return 0.0
        rest = set(self.terms) - named
        total = sum(self._weight(term) for term in rest)
        return sum(self._weight(term) for term in _met(rest, known)) / total if total else 1.0

    def _distinction(self, term: str) -> float:
        """How much a word tells one field from the others, 0..1: "date" little, "deductible" much; less if unsaid."""
        said = 1.0 if term in self.terms or term not in self._meant else UNSAID
        return said * math.log(1 + self._most / max(self._fields[term], 1)) / math.log(1 + self._most)

    def _weight(self, term: str) -> float:
        """Names, numbers and words for classes tell documents apart; of the rest, most only make the sentence."""
        return self._statistics.rarity(term) * (1.0 if term in self._naming else FILLING)


def _wanted(question: str) -> frozenset[str]:
    """The types of field that the question can mean; empty where it says nothing of that."""
    kind = kind_of(question)
    if kind in ("number", "thing") and _NUMBERING.search(folded(question)):
        return frozenset(("identifier",))
    return WANTED.get(kind, frozenset())


def _words_by_document(
    asked: _Asked,
    facts: Sequence[Fact],
    words_of_class: Mapping[tuple[str, ...], str],
    found: Sequence[Ranked],
) -> dict[str, frozenset[str]]:
    """For each document the terms that tell it from others: of its class, its name, its values, its passages."""
    words: dict[str, list[str]] = {}
    for fact in facts:
        if fact.document not in words:
            nodes = [fact.path[:depth] for depth in range(1, len(fact.path) + 1)]
            words[fact.document] = [fact.document_name, *fact.path, *(words_of_class.get(node, "") for node in nodes)]
        words[fact.document].append(fact.text)
    for one in found:
        if one.passage.document in words:
            words[one.passage.document].append(one.passage.text)
    return {document: _terms(asked.language, "\n".join(texts)) for document, texts in words.items()}


def _terms(language: str, text: str) -> frozenset[str]:
    """A text's terms as the question's language stems them, so that equal words are equal terms."""
    return frozenset(terms(text, language, stop_words(None)))


def _met(asked: Iterable[str], known: Iterable[str]) -> frozenset[str]:
    """The asked terms that are known, or parts or wholes of known compounds."""
    known = frozenset(known)
    long = [term for term in known if len(term) >= 6 and term.isalpha()]
    return frozenset(term for term in asked if term in known or _in_compound(term, long))


def _in_compound(term: str, known: Sequence[str]) -> bool:
    if len(term) < 6 or not term.isalpha():
        return False
    own = grams(term)
    return any(len(own & grams(other)) >= 0.75 * min(len(own), len(grams(other))) for other in known)
