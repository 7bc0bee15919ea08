"""How good left-out answers are: the figures that a version carries from the day it was learned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from services.classify.calibration import expected_error
from services.classify.model import Prediction
from services.classify.tree import Path


def figures_of(accepted: Sequence[Sequence[Path]], answers: Sequence[Prediction]) -> dict[str, float | None]:
    """Shares in 0..1 of right answers; `accepted` are the right paths of each, () where none fits.

    None where there is nothing to count; figures about scope and calibration are left out where there is no label
    that says "none fits", or no confidence.
    """
    given = [answer.path if answer.in_scope else () for answer in answers]
    hits = np.array([_fits(answer, paths) for answer, paths in zip(given, accepted, strict=True)], bool)
    figures: dict[str, float | None] = {"full_path_accuracy": float(hits.mean()) if len(hits) else None}
    outside = np.array([() in paths for paths in accepted], bool)
    if outside.any():
        figures["out_of_scope_recall"] = float(hits[outside].mean())
        figures["in_scope_accuracy"] = float(hits[~outside].mean()) if (~outside).any() else None
    confidences = [answer.confidence[-1] for answer in answers]
    if confidences and all(value is not None for value in confidences):
        right = np.array([_fits(answer.path, paths) for answer, paths in zip(answers, accepted, strict=True)], bool)
        figures["calibration_error"] = expected_error(np.array(confidences, float), right)
    return figures


def _fits(answer: Path, accepted: Sequence[Path]) -> bool:
    """Whether `answer` is right: it, or a class above it, is what a person said."""
    return any((path == answer) if not path else answer[: len(path)] == path for path in accepted)
