"""Two rankers on the same held-out documents, field by field: what the gate decides by, and a version's figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from services.extract.extraction import values_in
from services.extract.ranker import Ranker
from services.extract.schema import FieldSpec
from services.extract.values import comparable
from shared.documents import Reading


def compared(
    document: str,
    reading: Reading,
    fields: Sequence[FieldSpec],
    typed: Mapping[str, Sequence[str]],
    candidate: Ranker,
    promoted: Ranker | None,
) -> Iterator[dict[str, str]]:
    """One pair for each labelled field: what people typed, what the candidate says, what the version in use says.

    All three in a form in which equal means right. `promoted` None stands for the anchors alone.
    """
    ours = values_in(reading, document, fields, candidate)
    theirs = values_in(reading, document, fields, promoted)
    for field in fields:
        yield {
            "document": document,
            "about": field.name,
            "truth": _form(typed[field.name], field),
            "candidate": _form([value.value for value in ours if value.name == field.name], field),
            "promoted": _form([value.value for value in theirs if value.name == field.name], field),
        }


def scored(ranker: Ranker, pairs: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """The figures of a version: share of held-out fields answered exactly, and per field what its labels gave.

    `held_out_right` is None where nothing was held out.
    """
    right = sum(pair["candidate"] == pair["truth"] for pair in pairs)
    return {
        "held_out_fields": len(pairs),
        "held_out_right": round(right / len(pairs), 4) if pairs else None,
        "fields": {
            model.field.name: {
                "documents": model.measured.documents,
                "candidate_recall": round(model.measured.ceiling, 4),
                "f1_out_of_fold": round(model.measured.f1, 4),
            }
            for model in ranker.models.values()
        },
    }


def _form(values: Sequence[str], field: FieldSpec) -> str:
    return "\n".join(sorted({comparable(value, field.type) for value in values}))
