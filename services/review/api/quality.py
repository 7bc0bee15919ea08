"""`/v1/quality`: how good the machine is, measured on what people said afterwards."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Depends

from services.review import quality
from services.review.acceptance import Threshold
from services.review.quality import ClassObservation, FieldObservation
from services.review.settings import settings
from services.review.tables.decided import current_thresholds, decisions, settle_waiting
from services.review.tables.stated import class_observations, field_observations
from shared.access import Caller
from shared.desk import Desk
from shared.http import desk, reader

router = APIRouter(prefix="/v1", tags=["review"])


@router.get("/quality")
def measured(caller: Caller = Depends(reader), desk: Desk = Depends(desk)) -> dict[str, Any]:
    """Precision, recall and coverage per class and field on held-out human labels, with counts and intervals.

    Shares below `measured_from` observations are counts, not figures. `coverage` is the share of judged statements
    that would pass without a person.
    """
    policy = settings()
    with desk.transaction() as transaction:
        settle_waiting(transaction, caller.workspace, policy)
        thresholds = current_thresholds(transaction, caller.workspace, policy)
        classes = class_observations(transaction, caller.workspace)
        fields = field_observations(transaction, caller.workspace)
        documents = decisions(transaction, caller.workspace)
    return {
        "target": policy.target,
        "probability": policy.probability,
        "measured_from": quality.MEASURED_FROM,
        "wanted": thresholds[""].wanted,
        "documents": documents,
        "classes": _classes(classes, thresholds[""]),
        "fields": _fields(fields, thresholds),
    }


def _classes(seen: Sequence[ClassObservation], threshold: Threshold) -> dict[str, Any]:
    depth = max((len(one.expected) for one in seen), default=0)
    precision, recall = quality.precision_by_class(seen), quality.recall_by_class(seen)
    nothing = quality.share(0, 0)
    bins = quality.calibration([(one.confidence, one.right) for one in seen if one.confidence is not None])
    return {
        "judged": len(seen),
        "levels": [asdict(share) for share in quality.level_shares(seen, depth)],
        "threshold": asdict(threshold),
        "coverage": asdict(quality.coverage([one.confidence for one in seen], threshold.value)),
        "calibration": [asdict(one) for one in bins],
        "calibration_error": quality.calibration_error(bins),
        "confusions": [
            {"stated": stated, "expected": expected, "count": count}
            for stated, expected, count in quality.confusions(seen)
        ],
        "items": [
            {
                "path": path,
                "precision": asdict(precision.get(path, nothing)),
                "recall": asdict(recall.get(path, nothing)),
            }
            for path in sorted(precision.keys() | recall.keys())
        ],
    }


def _fields(seen: Sequence[FieldObservation], thresholds: dict[str, Threshold]) -> list[dict[str, Any]]:
    by_name: dict[str, list[FieldObservation]] = defaultdict(list)
    for one in seen:
        by_name[one.name].append(one)
    unjudged = Threshold(None, 0, thresholds[""].wanted)
    rows = []
    for name, observations in sorted(by_name.items()):
        threshold = thresholds.get(name, unjudged)
        confidences = [one.confidence for one in observations if one.stated is not None]
        rows.append(
            {
                "name": name,
                "precision": asdict(quality.field_precision(observations)),
                "recall": asdict(quality.field_recall(observations)),
                "threshold": asdict(threshold),
                "coverage": asdict(quality.coverage(confidences, threshold.value)),
            }
        )
    return rows
