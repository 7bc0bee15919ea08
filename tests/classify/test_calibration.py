"""Calibrated confidences keep their word, and lean on what held elsewhere while little is known."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.classify.calibration import calibrated, expected_error


def test_without_outcomes_a_score_is_believed_as_far_as_elsewhere_and_outcomes_change_that() -> None:
    before = calibrated(np.zeros(0), np.zeros(0, bool))
    scores = np.full(60, 0.7)
    wrong, right = calibrated(scores, np.zeros(60, bool)), calibrated(scores, np.ones(60, bool))
    assert wrong(scores)[0] < 0.3 < before(scores)[0] < right(scores)[0] < 1


def test_overconfident_scores_are_corrected_on_new_answers() -> None:
    rng = np.random.default_rng(3)
    scores = rng.uniform(0, 1, 4000)
    right = rng.uniform(0, 1, 4000) < scores**2
    calibration = calibrated(scores[:2000], right[:2000])
    assert expected_error(scores[2000:], right[2000:]) > 0.1
    assert expected_error(calibration(scores[2000:]), right[2000:]) < 0.05


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=0, max_size=120))
def test_confidence_rises_with_the_score_and_is_never_certain(outcomes: list[tuple[float, bool]]) -> None:
    calibration = calibrated(np.array([s for s, _ in outcomes]), np.array([r for _, r in outcomes], bool))
    confidences = calibration(np.linspace(0, 1, 50))
    assert np.all(np.diff(confidences) >= -1e-12)
    assert confidences.min() > 0
    assert confidences.max() < 1
