"""HTTP in for the schema studio: a field is tried on documents before it is saved."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from services.extract.schema import FieldSpec
from services.extract.studio import Pointed, previewed
from shared import facts
from shared.access import Caller
from shared.desk import Desk
from shared.http import admin, desk

router = APIRouter()

#: Documents that a field is tried on at once: about two seconds of work.
_MOST_PREVIEWED = 40


class Said(BaseModel):
    """What a person said of a document in the studio; `values` [] means that it has none."""

    model_config = ConfigDict(extra="forbid")

    values: list[str] = Field(max_length=60)
    start: int | None = Field(default=None, ge=0)
    end: int | None = Field(default=None, ge=1)

    def pointed(self) -> Pointed:
        """As the domain takes it."""
        placed = self.start is not None and self.end is not None and self.start < self.end
        return Pointed(tuple(self.values), (self.start or 0, self.end or 0) if placed else None)


class Asked(BaseModel):
    """A field in the making, the documents to try it on, and what was said of some of them."""

    model_config = ConfigDict(extra="forbid")

    field: FieldSpec
    documents: list[str] = Field(min_length=1, max_length=_MOST_PREVIEWED)
    said: dict[str, Said] = {}


@router.post("/schemas/preview")
def preview(asked: Asked, caller: Caller = Depends(admin), desk: Desk = Depends(desk)) -> dict[str, Any]:
    """What a field would find in some documents, and how good that is; nothing is stored."""
    with desk.engine.connect() as connection:
        names = {one: facts.in_workspace(connection, caller.workspace, one) for one in asked.documents}
        readings = {document: facts.reading(connection, desk.store, document) for document in names}
    found = previewed(asked.field, readings, {document: said.pointed() for document, said in asked.said.items()})
    return {
        "documents": [
            {
                "document": document,
                "name": names[document],
                "values": [
                    {
                        "value": value.value,
                        "text": value.text,
                        "confidence": value.confidence,
                        "evidence": None if value.evidence is None else value.evidence.model_dump(mode="json"),
                    }
                    for value in values
                ],
            }
            for document, values in found.values.items()
        ],
        "anchors": list(found.anchors),
        "precision": found.precision,
        "coverage": found.coverage,
        "judged_on": found.wanted,
    }
