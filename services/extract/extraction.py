"""From a reading to values: the engines in order, and each value with its place.

What the file itself states comes first, then what the ranker learned, then the anchors. Agreement counts: a stated
value that the ranker also chose carries the ranker's confidence, one that is not printed is flagged. Then the schema's
constraints choose among candidates and flag. Acceptance and people's corrections are decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from services.extract.candidates import Candidate
from services.extract.cold import cold_choices
from services.extract.consistency import MOST_TRIED, Flag, Option, broken, reconciled
from services.extract.embedded import Stated, stated_in
from services.extract.generated import Corrected, Generated, generated_in
from services.extract.line_items import Row, gaps_in, line_items_in
from services.extract.ranker import Ranked, Ranker
from services.extract.schema import Constraint, FieldSpec, Schema
from services.extract.searched import Searched
from services.extract.spelling import Spelling
from services.extract.values import comparable
from shared.documents import Evidence, Reading, evidence_for
from shared.generation import Generator

#: What made a value where no version of the registry did.
EMBEDDED_MODEL, ANCHORS_MODEL = "embedded-1", "anchors-1"


@dataclass(frozen=True)
class Value:
    """One value of one field of one document.

    `position` counts the values of the field from 0. `value` is the normal form (`values.py`), `text` what is
    printed, or stated in the file. `confidence` is the calibrated probability that the value is right, None where
    that was not measured. `evidence` is None where the value is not printed: it can never be accepted unseen. A
    value printed in several columns is tied to its first line. `engine` is "embedded", "candidates" or "generated",
    `model` the version that chose.
    """

    name: str
    type: str
    position: int
    value: str
    text: str
    confidence: float | None
    evidence: Evidence | None
    engine: str
    model: str


@dataclass(frozen=True)
class Extraction:
    """All that was found in one document: values, rows of its table, and flags about both.

    `generated` is all that the generated engine said, by field, for learning how far its agreement is to be trusted;
    None where it was not asked.
    """

    values: list[Value]
    rows: list[Row]
    flags: list[Flag]
    generated: dict[str, list[str]] | None = None


def extraction_of(
    reading: Reading,
    document: str,
    schema: Schema,
    ranker: Ranker | None,
    ranker_model: str = "",
    known: Mapping[str, frozenset[str]] | None = None,
    generator: Generator | None = None,
    corrected: Sequence[Corrected] = (),
) -> Extraction:
    """Everything that `schema` asks for in `reading`.

    `known`: casefolded values of other documents by field, for constraints of that kind; None leaves them unjudged.
    `generator` None leaves the generated engine out; `corrected` are documents to show it as examples. Raises
    Unavailable where the generation server cannot answer.
    """
    searched = Searched.of(reading)
    said = generated_in(searched, schema.fields, generator, corrected) if generator is not None else {}
    values = _values(searched, reading, document, schema.fields, ranker, ranker_model, said)
    chooser = _Chooser(reading, document, searched)
    if generator is not None:
        values = chooser.with_generated(values, schema.fields, said, generator.model)
    flags = _not_printed(values)
    for rule in schema.constraints:
        values = _reconciled(values, rule, schema, chooser, ranker, ranker_model)
        single = {value.name: value.value for value in values if value.position == 0}
        if (flag := broken(single, rule, known)) is not None:
            flags.append(flag)
    rows = line_items_in(searched.surroundings.sheet, schema.line_items) if schema.line_items else []
    gaps = gaps_in(rows, schema.line_items, _totals(values)) if rows else []
    flags += [Flag(gap.code, gap.message, ()) for gap in gaps]
    heard = {name: [one.value for one in listed] for name, listed in said.items()}
    return Extraction(
        _unsure(values, {name for flag in flags for name in flag.fields}), rows, flags, heard if generator else None
    )


def values_in(
    reading: Reading, document: str, fields: Sequence[FieldSpec], ranker: Ranker | None, ranker_model: str = ""
) -> list[Value]:
    """Every value of `fields` found in `reading`, in the order of the fields, best first within one.

    `ranker` None means that nothing was learned yet. `ranker_model` is the version's id.
    """
    return _values(Searched.of(reading), reading, document, fields, ranker, ranker_model, {})


def _values(
    searched: Searched,
    reading: Reading,
    document: str,
    fields: Sequence[FieldSpec],
    ranker: Ranker | None,
    ranker_model: str,
    said: Mapping[str, Sequence[Generated]],
) -> list[Value]:
    chooser = _Chooser(reading, document, searched)
    cold = [field for field in fields if ranker is None or not ranker.knows(field)]
    by_anchor = cold_choices(searched, cold)
    values: list[Value] = []
    for field in fields:
        stated = stated_in(searched, reading.embedded, field)
        heard = frozenset(comparable(one.value, field.type) for one in said[field.name]) if field.name in said else None
        ranked = ranker.rank(searched, field, heard) if ranker is not None and ranker.knows(field) else []
        if stated:
            values += [chooser.stated(field, place, one, ranked) for place, one in enumerate(stated)]
        elif ranked:
            values += [chooser.ranked(field, place, one, ranker_model) for place, one in enumerate(ranked)]
        else:
            values += [chooser.cold(field, place, one) for place, one in enumerate(by_anchor.get(field.name, []))]
    return values


def _not_printed(values: Sequence[Value]) -> list[Flag]:
    """What the file or the model states and no page shows."""
    who = {"embedded": "The file", "generated": "The model"}
    return [
        Flag(
            "not_printed",
            f"{who[value.engine]} states {value.name} {value.value!r}, which no page prints.",
            (value.name,),
        )
        for value in values
        if value.engine in who and value.evidence is None
    ]


def _reconciled(
    values: list[Value],
    rule: Constraint,
    schema: Schema,
    chooser: _Chooser,
    ranker: Ranker | None,
    model: str,
) -> list[Value]:
    """`values`, or other candidates in place of some of them where those keep `rule`.

    What a rule chose was not measured, so its confidence is None.
    """
    fields = {field.name: field for field in schema.fields if field.name in rule.fields and not field.takes_many}
    chosen = {value.name: value for value in values if value.name in fields}
    if ranker is None or set(chosen) != set(rule.fields):
        return values
    if broken({name: value.value for name, value in chosen.items()}, rule) is None:
        return values
    ranked: dict[str, list[Ranked]] = {}
    options: dict[str, list[Option]] = {}
    for name, value in chosen.items():
        open_ = ranker.knows(fields[name]) and value.engine == "candidates"
        others = ranker.options(chooser.searched, fields[name], MOST_TRIED) if open_ else []
        ranked[name] = [one for one in others if one.value != value.value]
        options[name] = [Option(value.value, value.confidence or 0.5)]
        options[name] += [Option(one.value, one.confidence) for one in ranked[name]]
    taken = reconciled(options, rule) or {}
    better = {
        name: replace(chooser.ranked(fields[name], 0, ranked[name][place - 1], model), confidence=None)
        for name, place in taken.items()
        if place > 0
    }
    return [better.get(value.name, value) for value in values]


def _totals(values: Sequence[Value]) -> list[str]:
    """The printed amounts that the rows of a table may add up to."""
    return [value.value for value in values if value.type == "amount" and value.position == 0]


def _unsure(values: Sequence[Value], flagged: set[str]) -> list[Value]:
    """A value that breaks a rule is not what its confidence was measured on."""
    return [replace(value, confidence=None) if value.name in flagged else value for value in values]


@dataclass(frozen=True)
class _Chooser:
    """Makes values of one document."""

    reading: Reading
    document: str
    searched: Searched

    def stated(self, field: FieldSpec, position: int, stated: Stated, ranked: Sequence[Ranked]) -> Value:
        wanted = comparable(stated.value, field.type)
        agreed = next((one for one in ranked if comparable(one.value, field.type) == wanted), None)
        if agreed is not None:
            place: tuple[int, int] | None = (agreed.candidate.start, agreed.candidate.end)
        else:
            place = stated.place
        return Value(
            field.name,
            field.type,
            position,
            stated.value,
            stated.text if place is None else self.reading.text[place[0] : place[1]],
            None if agreed is None else agreed.confidence,
            self._evidence(place),
            "embedded",
            EMBEDDED_MODEL,
        )

    def ranked(self, field: FieldSpec, position: int, ranked: Ranked, model: str) -> Value:
        return self._of_candidate(field, position, ranked.candidate, ranked.value, ranked.confidence, model)

    def cold(self, field: FieldSpec, position: int, candidate: Candidate) -> Value:
        # Nobody has said yet how lines are to be joined: commas between the lines of an address, blanks elsewhere.
        value = Spelling(comma_between_lines=field.type == "address")(candidate.value)
        return self._of_candidate(field, position, candidate, value, None, ANCHORS_MODEL)

    def with_generated(
        self, values: list[Value], fields: Sequence[FieldSpec], said: Mapping[str, Sequence[Generated]], model: str
    ) -> list[Value]:
        """`values`, and what the generated engine said where neither the file nor the ranker says anything.

        A grounded answer outranks the anchors, which never learned anything either.
        """
        merged: list[Value] = []
        for field in fields:
            mine = [value for value in values if value.name == field.name]
            heard = said.get(field.name, ())
            guessed = all(value.model == ANCHORS_MODEL for value in mine)
            if heard and guessed and (not mine or heard[0].place is not None):
                mine = [self._generated(field, place, one, model) for place, one in enumerate(heard)]
            merged += mine
        return merged

    def _generated(self, field: FieldSpec, position: int, said: Generated, model: str) -> Value:
        printed = said.value if said.place is None else self.reading.text[slice(*said.place)]
        evidence = self._evidence(said.place)
        return Value(field.name, field.type, position, said.value, printed, None, evidence, "generated", model)

    def _of_candidate(
        self,
        field: FieldSpec,
        position: int,
        candidate: Candidate,
        value: str,
        confidence: float | None,
        model: str,
    ) -> Value:
        printed = "\n".join(self.reading.text[start:end] for start, end in candidate.parts)
        evidence = self._evidence((candidate.start, candidate.end))
        return Value(field.name, field.type, position, value, printed, confidence, evidence, "candidates", model)

    def _evidence(self, place: tuple[int, int] | None) -> Evidence | None:
        return None if place is None else evidence_for(self.reading, self.document, *place)
