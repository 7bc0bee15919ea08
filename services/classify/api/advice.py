"""HTTP in: why a document has its class, what to label next, and what the labels look wrong about."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, Query
from numpy.typing import NDArray

from services.classify import serving, tables
from services.classify.explaining import explained
from services.classify.proposing import proposals_from
from services.classify.settings import encoder
from shared import facts, registry
from shared.access import Caller
from shared.desk import Desk
from shared.errors import NotFound, Refused
from shared.http import desk, reader

router = APIRouter()

#: Unlabelled documents among which the next ones are chosen: the least sure of them.
MOST_CANDIDATES = 2_000
#: With fewer labels a class is told mostly by its description.
FEW_LABELS = 5


@router.get("/documents/{document}/classes/explanation")
def explanation(
    document: str,
    path: Annotated[list[str] | None, Query()] = None,
    caller: Caller = Depends(reader),
    desk: Desk = Depends(desk),
) -> dict[str, Any]:
    """The words and sentences that speak for the document's class, or for the one at `?path=…&path=…`, with spans.

    Answered by the model in use now, which may be another than the one that gave the class.
    """
    with desk.engine.connect() as connection:
        facts.in_workspace(connection, caller.workspace, document)
        text = facts.reading(connection, desk.store, document).text
        _, taxonomy = tables.taxonomy_of(connection, caller.workspace)
        if not taxonomy.leaves():
            raise NotFound("There is no taxonomy yet.", action="Add a class, or import a taxonomy.")
        embedder = encoder(desk.cache)
        promoted = registry.promoted(connection, caller.workspace, "classifier")
        moves = tables.moves_of(connection, caller.workspace)
    name, model = serving.in_use(promoted, desk.store, taxonomy, moves, embedder)
    chosen = tuple(path) if path else model.predict([text], embedder)[0].path
    if chosen not in model.tree.leaves:
        raise Refused(
            f"The model {name} does not know the class {' / '.join(chosen)}.",
            action="Choose one of the taxonomy's leaves; learn again where the taxonomy is newer than the model.",
        )
    return {"model": name, **asdict(explained(model, text, chosen, embedder))}


@router.get("/labels/proposals")
def proposals(
    limit: int = Query(10, ge=1, le=50), caller: Caller = Depends(reader), desk: Desk = Depends(desk)
) -> dict[str, Any]:
    """The documents whose class labels would teach most, the most useful first.

    `gain` is the expected number of wrong answers among the documents that a label would speak for.
    """
    with desk.engine.connect() as connection:
        waiting = tables.unlabelled(connection, caller.workspace, MOST_CANDIDATES)
        labelled = tables.labelled_vectors(connection, caller.workspace)
    if not waiting:
        return {"items": [], "next_cursor": None}
    vectors = _vectors([row.vector for row in waiting])
    unsure = np.array([1.0 if row.sure is None else 1 - row.sure for row in waiting], np.float32)
    chosen = proposals_from(vectors, unsure, _vectors(labelled), limit)
    return {
        "items": [
            {
                "document": waiting[one.place].document_id,
                "name": waiting[one.place].name,
                "path": waiting[one.place].path,
                "confidence": waiting[one.place].sure,
                "gain": round(one.gain, 2),
                "speaks_for": one.speaks_for,
            }
            for one in chosen
        ],
        "next_cursor": None,
    }


@router.get("/taxonomy/advice")
def advice(caller: Caller = Depends(reader), desk: Desk = Depends(desk)) -> dict[str, Any]:
    """What the model in use found about its labels: which look wrong, which classes are too alike, which have few.

    `model` is null where nothing was learned yet.
    """
    with desk.engine.connect() as connection:
        promoted = registry.promoted(connection, caller.workspace, "classifier")
        _, taxonomy = tables.taxonomy_of(connection, caller.workspace)
    found = {} if promoted is None else promoted.metrics
    counts = found.get("labels_by_class", {})
    few = [path for path in taxonomy.leaves() if counts.get(" / ".join(path), 0) < FEW_LABELS]
    return {
        "model": None if promoted is None else promoted.id,
        "doubts": found.get("doubts", []),
        "alike": found.get("alike", []),
        "few_labels": [{"path": path, "labels": counts.get(" / ".join(path), 0)} for path in few],
    }


def _vectors(kept: list[bytes]) -> NDArray[np.float32]:
    if not kept:
        return np.zeros((0, 1), np.float32)
    return np.stack([np.frombuffer(one, np.float16) for one in kept]).astype(np.float32)
