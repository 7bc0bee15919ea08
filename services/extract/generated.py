"""The generated engine: a language model is asked for all fields at once, and believed only where the page says so.

The answer is JSON that obeys the schema (`grammar_for`): every field is required and may be null. A long document is
asked in chunks. Documents that people corrected and that are nearest to this one stand before the question as
examples. Every value is then looked for on the page (`aligned`): what is not printed is `ungrounded` and has no
place. Nothing here decides between engines or says how sure a value is.
"""

from __future__ import annotations

import difflib
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sklearn.feature_extraction.text import HashingVectorizer

from services.extract.alignment import printed_at
from services.extract.candidates import pools_of
from services.extract.matching import FREE_TYPES
from services.extract.schema import FieldSpec
from services.extract.searched import Searched
from services.extract.values import comparable, normal_form
from shared.errors import Refused
from shared.generation import Generator, JsonGrammar, Message

#: How a value was found on the page: letter by letter, by its normal form, nearly, or not at all.
Grounding = Literal["exact", "normalised", "fuzzy", "ungrounded"]

#: Characters of one question, and of them those that the next one repeats: about 1,500 tokens, and 125.
CHUNK, OVERLAP = 6_000, 500
#: A document longer than this many chunks is asked about its beginning and its end.
MOST_CHUNKS = 12
#: Examples before a question, and characters of each.
MOST_EXAMPLES, EXAMPLE_CHARACTERS = 2, 1_500
MOST_TOKENS = 1_024
#: A list longer than this in an answer is a model that repeats itself.
_MOST_VALUES = 20
#: Characters of a value that is no prose.
_LONGEST = 200
#: How alike a printed text must be to be what the model meant.
_ALIKE = 0.88

_INSTRUCTIONS = (
    "You copy facts out of a document. Answer with one JSON object. Copy every value exactly as it is printed, with"
    " its own spelling, marks and digits. Where the document does not say it, write null. Never compute or guess."
)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Corrected:
    """A document that people corrected: its text, and what they typed by field."""

    text: str
    typed: dict[str, list[str]]


@dataclass(frozen=True)
class Generated:
    """A value that the model gave: its normal form, and where it is printed as `text[start:end]`, None where not."""

    value: str
    place: tuple[int, int] | None
    grounding: Grounding


def generated_in(
    searched: Searched, fields: Sequence[FieldSpec], generator: Generator, corrected: Sequence[Corrected] = ()
) -> dict[str, list[Generated]]:
    """What the model says of each field, the best grounded first; at most one value where a field takes one.

    Raises Unavailable where the generation server cannot answer. A chunk that it refuses, or whose answer was cut
    off, is passed over.
    """
    text = searched.surroundings.sheet.text
    examples = nearest(text, corrected)
    said: dict[str, list[str]] = {field.name: [] for field in fields}
    for chunk in chunks(text):
        for name, values in _asked(chunk, fields, generator, examples).items():
            said[name] += [value for value in values if value not in said[name]]
    found = {}
    for field in fields:
        grounded = [one for value in said[field.name] if (one := aligned(searched, value, field)) is not None]
        grounded.sort(key=lambda one: _ORDER.index(one.grounding))
        distinct: dict[str, Generated] = {}
        for one in grounded:
            distinct.setdefault(comparable(one.value, field.type), one)
        found[field.name] = list(distinct.values()) if field.takes_many else grounded[:1]
    return found


def grammar_for(fields: Sequence[FieldSpec]) -> JsonGrammar:
    """The JSON schema that an answer must obey: every field required, and null where the document does not say."""
    properties = {field.name: _json_type(field) for field in fields}
    closed = {"required": list(properties), "additionalProperties": False}
    return JsonGrammar({"type": "object", "properties": properties, **closed})


def chunks(text: str) -> list[str]:
    """`text` in pieces of at most CHUNK characters that end at line breaks where they can, each repeating OVERLAP.

    Of a very long text the pieces from its beginning and its end.
    """
    pieces: list[str] = []
    start = 0
    while start < len(text):
        end = min(len(text), start + CHUNK)
        if end < len(text):
            end = max(text.rfind("\n", start + CHUNK // 2, end), start + CHUNK // 2)
        pieces.append(text[start:end])
        start = end - OVERLAP if end < len(text) else end
    if len(pieces) > MOST_CHUNKS:
        return pieces[: MOST_CHUNKS - 2] + pieces[-2:]
    return pieces


def nearest(text: str, corrected: Sequence[Corrected]) -> list[Corrected]:
    """The corrected documents whose words are most like `text`'s, the nearest last: beside the question."""
    if not corrected:
        return []
    rows = HashingVectorizer(n_features=1 << 16).transform([_bare(text), *(_bare(one.text) for one in corrected)])
    alike = (rows[1:] @ rows[0].T).toarray()[:, 0]
    best = sorted(range(len(corrected)), key=lambda place: (-alike[place], place))[:MOST_EXAMPLES]
    return [corrected[place] for place in reversed(best)]


def aligned(searched: Searched, said: str, field: FieldSpec) -> Generated | None:
    """Where the page prints what the model said, and how it was found; None where it is no value of the field.

    Where the page prints it nearly so, the value is what the page prints.
    """
    value = normal_form(said, field)
    if value is None:
        return None
    text = searched.surroundings.sheet.text
    place = printed_at(searched, value, field)
    if place is not None:
        return Generated(value, place, "exact" if text[place[0] : place[1]] == said.strip() else "normalised")
    if field.type in FREE_TYPES and (near := _nearly_printed(searched, value, field)) is not None:
        return near
    return Generated(value, None, "ungrounded")


_ORDER: tuple[Grounding, ...] = ("exact", "normalised", "fuzzy", "ungrounded")


def _nearly_printed(searched: Searched, value: str, field: FieldSpec) -> Generated | None:
    matcher = difflib.SequenceMatcher(autojunk=False)
    matcher.set_seq2(value.casefold())
    best, best_ratio = None, _ALIKE
    for candidate in searched.pool(pools_of(field)).candidates:
        if len(candidate.parts) == 1 and 0.7 < len(candidate.value) / len(value) < 1.4:
            matcher.set_seq1(" ".join(candidate.value.split()).casefold())
            if matcher.quick_ratio() > best_ratio and (ratio := matcher.ratio()) > best_ratio:
                best, best_ratio = candidate, ratio
    if best is None:
        return None
    return Generated(" ".join(best.value.split()), (best.start, best.end), "fuzzy")


def _asked(
    chunk: str, fields: Sequence[FieldSpec], generator: Generator, examples: Sequence[Corrected]
) -> dict[str, list[str]]:
    """The model's answer about one chunk, as lists by field."""
    try:
        answer = generator.generate(
            _prompt(chunk, fields, examples), max_tokens=MOST_TOKENS, grammar=grammar_for(fields), temperature=0.0
        )
        said = json.loads(answer.text)
    except Refused as refused:
        _log.warning("the generation server refuses %d characters: %s", len(chunk), refused.public)
        return {}
    except ValueError:
        _log.warning("the model's answer about %d characters is no JSON: it was cut off or runs on", len(chunk))
        return {}
    if not isinstance(said, dict):
        return {}
    return {field.name: list(_values(said.get(field.name))) for field in fields}


def _values(said: Any) -> Iterator[str]:
    for one in (said if isinstance(said, list) else [said])[:_MOST_VALUES]:
        if isinstance(one, str | int | float) and not isinstance(one, bool) and str(one).strip():
            yield str(one).strip()


def _prompt(chunk: str, fields: Sequence[FieldSpec], examples: Sequence[Corrected]) -> list[Message]:
    wanted = "\n".join(f"- {field.name} ({field.type}): {field.description or field.name}" for field in fields)
    messages = [Message("system", f"{_INSTRUCTIONS}\n\nThe fields:\n{wanted}")]
    for example in examples:
        messages.append(Message("user", example.text[:EXAMPLE_CHARACTERS]))
        messages.append(Message("assistant", _answer_of(example, fields)))
    return [*messages, Message("user", chunk)]


def _answer_of(example: Corrected, fields: Sequence[FieldSpec]) -> str:
    """What a model should have said about an example: of its typed values those that its excerpt prints."""
    shown = example.text[:EXAMPLE_CHARACTERS]
    said: dict[str, Any] = {}
    for field in fields:
        printed = [value for value in example.typed.get(field.name, []) if value in shown]
        said[field.name] = printed if field.takes_many else (printed[0] if printed else None)
    return json.dumps(said, ensure_ascii=False)


def _json_type(field: FieldSpec) -> dict[str, Any]:
    if field.takes_many:
        return {"type": "array", "items": {"type": "string"}, "maxItems": _MOST_VALUES}
    if field.type == "choice":
        return {"enum": [*field.choices, None]}
    # A bound on prose would make the server's automaton too large; elsewhere it stops a model that runs on.
    string = {"type": "string"} if field.type == "text" else {"type": "string", "maxLength": _LONGEST}
    return {"anyOf": [string, {"type": "null"}]}


def _bare(text: str) -> str:
    return text[: 2 * CHUNK].encode("utf-8", "replace").decode()
