"""Questions whose answer is one step away from a table: a change, a percentage change, an average, a sum of figures.

The figures are quoted like any other answer; the result is computed from them and the formula is shown. Only one row
and the periods that the question names are ever used: where they are not all found, nothing is calculated.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from services.chat.questions import language_of
from services.chat.retrieval import Question, Ranked, Statistics
from services.chat.sentences import sentences
from services.chat.tabular import Span, cells, heads, is_row
from services.chat.terms import folded, terms

Operation = Literal["percentage_change", "change", "difference", "average", "sum"]

#: Below this share of the question's words by rarity, a row's label has nothing to do with the question.
LEAST_LABEL = 0.3

_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
_RANGE = re.compile(r"\b((?:19|20)\d\d)\s*(?:-|–|to|through|bis|a)\s*((?:19|20)\d\d)\b")
#: Tried in this order on the folded question.
_OPERATIONS: tuple[tuple[Operation, re.Pattern[str]], ...] = (
    (
        "percentage_change",
        re.compile(
            r"percent\w* (change|increase|decrease|growth|decline)|prozentuale\w* (anderung|veranderung|anstieg)|"
            r"(change|increase|decrease) by percent|um wie ?viel prozent|"
            r"de combien de pour ?cent|(variation|evolution|hausse|baisse) en (%|pourcentage)"
        ),
    ),
    ("difference", re.compile(r"\b(difference|unterschied|differenz)\b")),
    (
        "change",
        re.compile(r"\b(change|increase|decrease|veranderung|anderung|anstieg|variation|evolution|hausse|baisse)\b"),
    ),
    ("average", re.compile(r"\b(average|mean|durchschnitt\w*|mittelwert|moyenne?)\b")),
    ("sum", re.compile(r"\b(sum|total|altogether|combined|summe|insgesamt|zusammen|somme|au total)\b")),
)
_ITS_WORDS = frozenset(
    ("percentage", "percent", "change", "increase", "decrease", "difference", "average", "sum", "total", "altogether",
     "combined", "year", "fiscal", "respective", "prozentuale", "veranderung", "anderung", "unterschied",
     "durchschnitt", "summe", "insgesamt", "variation", "evolution", "hausse", "baisse", "moyenne", "somme")
)  # fmt: skip


@dataclass(frozen=True)
class Calculation:
    """`result` and `formula` in the notation of the question's language; `figures` stand in `row` of passage `rank`.

    `row` and `figures` are spans of its document's text; the figures are in the order of their years.
    """

    operation: Operation
    result: str
    formula: str
    rank: int
    row: Span
    figures: list[Span]


def calculated(
    question: Question, found: Sequence[Ranked], texts: Sequence[str], statistics: Statistics
) -> Calculation | None:
    """The calculation that a question asks for; None where it asks for none, or the figures are not all there."""
    operation = _operation(question.text)
    years = _years(question.text)
    if operation is None or not _fits(operation, years):
        return None
    best: tuple[float, int, Span, list[Span]] | None = None
    for rank, (one, text) in enumerate(zip(found, texts, strict=False)):
        asked = {
            term: statistics.rarity(term)
            for word in re.findall(r"\w+", question.text)
            if folded(word) not in _ITS_WORDS and not _YEAR.fullmatch(word)
            for term in terms(word, one.passage.language)
        }
        for row in sentences(text, one.passage.start, one.passage.end):
            if is_row(text, row):
                worth = _label_worth(text, row, asked, one.passage.language)
                figures = _figures(text, row, years) if worth >= LEAST_LABEL else None
                if figures and (best is None or worth > best[0]):
                    best = (worth, rank, row, figures)
    if best is None:
        return None
    _, rank, row, figures = best
    values = [figure_value(texts[rank][start:end]) for start, end in figures]
    result = _result(operation, question.text, [value for value in values if value is not None])
    return None if result is None else Calculation(operation, *result, rank, row, figures)


def _operation(question: str) -> Operation | None:
    plain = folded(question)
    return next((operation for operation, pattern in _OPERATIONS if pattern.search(plain)), None)


def _fits(operation: Operation, years: list[int]) -> bool:
    """Whether the years are as many as the operation takes; an average without any is that of the whole row."""
    if operation == "average":
        return len(years) != 1
    return len(years) >= 2 if operation == "sum" else len(years) == 2


def _years(question: str) -> list[int]:
    """The years that the question names, oldest first; a range means all of its years."""
    years = {int(year) for year in _YEAR.findall(question)}
    for first, last in _RANGE.findall(folded(question)):
        # "from 2018 to 2019" names both ends anyway; a longer range counts where an average or sum is wanted.
        if 0 < int(last) - int(first) < 10 and _operation(question) in ("average", "sum"):
            years |= set(range(int(first), int(last) + 1))
    return sorted(years)


def _label_worth(text: str, row: Span, asked: dict[str, float], language: str | None) -> float:
    """How well a row's label is what the question asks about: harmonic mean of both coverages, 0..1."""
    label = set(terms(text[slice(*cells(text, row)[0])], language))
    met = sum(asked[term] for term in label if term in asked)
    total = sum(asked.values())
    if not met or not total:
        return 0.0
    recall = met / total
    precision = sum(term in asked for term in label) / len(label)
    return 2 * recall * precision / (recall + precision)


def _figures(text: str, row: Span, years: list[int]) -> list[Span] | None:
    """The row's figure for each year (none given: for each over the row); None where one is missing."""
    spans = cells(text, row)
    over = [heads(text, row, column) for column in range(len(spans))]
    years = years or sorted({int(year) for head in over for year in _YEAR.findall(head)})
    if len(years) < 2:
        return None
    chosen = []
    for year in years:
        fitting = [
            span
            for span, head in zip(spans[1:], over[1:], strict=True)
            if str(year) in _YEAR.findall(head) and figure_value(text[slice(*span)]) is not None
        ]
        if not fitting:
            return None
        chosen.append(fitting[0])
    return chosen


def figure_value(text: str) -> float | None:
    """A printed figure as a number: brackets and dashes are minus, a lone dash is 0; None where it is no figure."""
    bare = re.sub(r"[\s$€£%'’\u00a0]|EUR|USD|CHF", "", text)
    if bare in ("-", "–", "—"):
        return 0.0
    negative = bare.startswith(("(", "-", "–", "−"))
    digits = bare.strip("()-–−")
    if re.fullmatch(r"\d{1,3}(\.\d{3})+(,\d+)?|\d+,\d{1,2}", digits):
        digits = digits.replace(".", "").replace(",", ".")
    digits = digits.replace(",", "")
    if not re.fullmatch(r"\d+(\.\d+)?", digits):
        return None
    return -float(digits) if negative else float(digits)


def _result(operation: Operation, question: str, values: Sequence[float]) -> tuple[str, str] | None:
    """The result and its formula; None where it would divide by zero."""
    shown = [_written(value, question) for value in values]
    first, last = values[0], values[-1]
    if operation == "percentage_change":
        if first == 0:
            return None
        percent = "%" if language_of(question) == "en" else "\u00a0%"
        result = _written(100 * (last - first) / abs(first), question) + percent
        return result, f"({shown[-1]} − {shown[0]}) ÷ {shown[0]}"
    if operation == "average":
        value, formula = sum(values) / len(values), f"({' + '.join(shown)}) ÷ {len(values)}"
    elif operation == "sum":
        value, formula = sum(values), " + ".join(shown)
    elif operation == "difference" and last < first:
        value, formula = first - last, f"{shown[0]} − {shown[-1]}"
    else:
        value, formula = last - first, f"{shown[-1]} − {shown[0]}"
    return _written(value, question), formula


def _written(value: float, question: str) -> str:
    """A number as the question's language writes it: 1,234.5 or 1.234,5 or 1 234,5; two decimals, four below 1."""
    value = round(value, 2 if abs(value) >= 1 else 4)
    text = f"{value:,.4f}".rstrip("0").rstrip(".") if value % 1 else f"{value:,.0f}"
    signs = {"de": {",": ".", ".": ","}, "fr": {",": "\u202f", ".": ","}}.get(language_of(question), {})
    return "".join(signs.get(sign, sign) for sign in text)
