"""The schema studio: what a field that is being made would find in some documents, before anything is saved.

A person points at the field in two or three documents. What stands beside those places becomes the field's labels;
from `fitting.LEAST_DOCUMENTS` pointed documents on, a ranker is learned from them. How good that is, is judged on the
pointed documents alone, each by what the others taught. Nothing is stored and no other field is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.extract.candidates import Candidate
from services.extract.extraction import Value, values_in
from services.extract.fitting import LEAST_DOCUMENTS, Labelled, fit
from services.extract.schema import FieldSpec
from services.extract.searched import Searched
from services.extract.values import comparable
from shared.documents import Reading

#: Words of a label that are kept: "Date of the loss" is four.
_LABEL_WORDS = 4


@dataclass(frozen=True)
class Pointed:
    """What a person said of one document: the values, () where it has none, and `text[start:end]` of the first.

    `place` is None where the value was typed, not pointed at.
    """

    values: tuple[str, ...]
    place: tuple[int, int] | None = None


@dataclass(frozen=True)
class Preview:
    """What the field finds: values by document, and how that did on the pointed documents.

    `right` of the `given` values were what people said, of `wanted` in all. All 0 where nothing could be judged.
    `anchors` are the words found beside the pointed places.
    """

    values: dict[str, list[Value]]
    anchors: tuple[str, ...]
    given: int
    right: int
    wanted: int

    @property
    def precision(self) -> float | None:
        """The share of given values that were right; None where none was given."""
        return self.right / self.given if self.given else None

    @property
    def coverage(self) -> float | None:
        """The share of wanted values for which any was given; None where none is wanted."""
        return min(1.0, self.given / self.wanted) if self.wanted else None


def previewed(field: FieldSpec, readings: Mapping[str, Reading], said: Mapping[str, Pointed]) -> Preview:
    """The values of `field` in `readings`, learned from what was `said` of some of them; both by document."""
    known = {document: pointed for document, pointed in said.items() if document in readings}
    taught = taught_field(field, readings, known)
    labelled = [Labelled(Searched.of(readings[one]), {field.name: list(known[one].values)}) for one in known]
    ranker = fit([taught], labelled) if sum(bool(one.values) for one in known.values()) >= LEAST_DOCUMENTS else None
    learned = ranker is not None and ranker.knows(taught)
    values = {
        document: values_in(reading, document, [taught], ranker if learned else None, "preview")
        for document, reading in readings.items()
    }
    if ranker is not None and learned:
        measured = next(iter(ranker.models.values())).measured
        return Preview(values, taught.anchors, measured.given, measured.right, measured.values)
    return Preview(values, taught.anchors, *_judged_by_the_others(field, readings, known))


def taught_field(field: FieldSpec, readings: Mapping[str, Reading], said: Mapping[str, Pointed]) -> FieldSpec:
    """`field` with the words that stand beside the pointed places added to its anchors."""
    found = list(field.anchors)
    for document, pointed in said.items():
        if pointed.place is not None:
            label = _label_beside(readings[document], pointed.place)
            if label and label not in found:
                found.append(label)
    return field.model_copy(update={"anchors": tuple(found)})


def _judged_by_the_others(
    field: FieldSpec, readings: Mapping[str, Reading], said: Mapping[str, Pointed]
) -> tuple[int, int, int]:
    """Given, right and wanted values, each pointed document judged by the anchors that the others taught."""
    given = right = wanted = 0
    if len(said) < 2:
        return 0, 0, 0
    for document, pointed in said.items():
        taught = taught_field(field, readings, {other: one for other, one in said.items() if other != document})
        found = {comparable(value.value, field.type) for value in values_in(readings[document], "", [taught], None)}
        truth = {comparable(value, field.type) for value in pointed.values}
        given, right, wanted = given + len(found), right + len(found & truth), wanted + len(truth)
    return given, right, wanted


def _label_beside(reading: Reading, place: tuple[int, int]) -> str:
    """The words on the left of `text[start:end]` in its row, else those above it; "" where nothing stands there."""
    surroundings = Searched.of(reading).surroundings
    first, last = surroundings.sheet.tokens_of(*place)
    if first >= last:
        return ""
    pointed = Candidate(*place, first, last, "", "", "part", (place,))
    words: Sequence[str] = surroundings.left_words(pointed)[-_LABEL_WORDS:]
    words = words or surroundings.above_words(pointed)[:_LABEL_WORDS]
    return " ".join(word for word in words if any(map(str.isalpha, word)))
