"""From a reading to values: the engines in order, and each value with its place.

What the file itself states comes first, then what the ranker learned, then the anchors. Agreement counts: a stated
value that the ranker also chose carries the ranker's confidence. Constraints, acceptance and people's corrections
are decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.extract.candidates import Candidate
from services.extract.cold import cold_choices
from services.extract.embedded import Stated, stated_in
from services.extract.ranker import Ranked, Ranker
from services.extract.schema import FieldSpec
from services.extract.searched import Searched
from services.extract.spelling import Spelling
from services.extract.values import comparable
from shared.documents import Evidence, Reading, evidence_for

#: What made a value where no version of the registry did.
EMBEDDED_MODEL, ANCHORS_MODEL = "embedded-1", "anchors-1"


@dataclass(frozen=True)
class Value:
    """One value of one field of one document.

    `position` counts the values of the field from 0. `value` is the normal form (`values.py`), `text` what is
    printed, or stated in the file. `confidence` is the calibrated probability that the value is right, None where
    that was not measured. `evidence` is None where the value is not printed: it can never be accepted unseen. A
    value printed in several columns is tied to its first line. `engine` is "embedded" or "candidates", `model` the
    version that chose.
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


def values_in(
    reading: Reading, document: str, fields: Sequence[FieldSpec], ranker: Ranker | None, ranker_model: str = ""
) -> list[Value]:
    """Every value of `fields` found in `reading`, in the order of the fields, best first within one.

    `ranker` None means that nothing was learned yet. `ranker_model` is the version's id.
    """
    searched = Searched.of(reading)
    chooser = _Chooser(reading, document, searched)
    cold = [field for field in fields if ranker is None or not ranker.knows(field)]
    by_anchor = cold_choices(searched, cold)
    values: list[Value] = []
    for field in fields:
        stated = stated_in(searched, reading.embedded, field)
        ranked = ranker.rank(searched, field) if ranker is not None and ranker.knows(field) else []
        if stated:
            values += [chooser.stated(field, place, one, ranked) for place, one in enumerate(stated)]
        elif ranked:
            values += [chooser.ranked(field, place, one, ranker_model) for place, one in enumerate(ranked)]
        else:
            values += [chooser.cold(field, place, one) for place, one in enumerate(by_anchor.get(field.name, []))]
    return values


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
