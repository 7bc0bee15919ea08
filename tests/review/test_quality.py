from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.review.quality import (
    ClassObservation,
    calibration,
    calibration_error,
    compared,
    confusions,
    coverage,
    field_precision,
    field_recall,
    heldout,
    level_shares,
    precision_by_class,
    recall_by_class,
    same_value,
    share,
)

REPORT, INVOICE, LETTER = (
    ("Claims", "Motor", "Report"),
    ("Claims", "Motor", "Invoice"),
    ("Mail", "In", "Letter"),
)


def test_the_interval_of_eight_in_ten_is_the_textbook_one() -> None:
    measured = share(8, 10)
    assert measured.value == 0.8
    assert (measured.low, measured.high) == (pytest.approx(0.4439, abs=1e-4), pytest.approx(0.9748, abs=1e-4))


@given(st.integers(1, 500), st.data())
def test_the_interval_holds_the_share_and_stays_inside_of_zero_and_one(of: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, of))
    measured = share(right, of)
    assert measured.low is not None
    assert measured.value is not None
    assert measured.high is not None
    assert 0 <= measured.low <= measured.value <= measured.high <= 1


def test_nothing_measured_has_no_value() -> None:
    assert share(0, 0).value is None


def test_three_of_three_is_not_perfection() -> None:
    low = share(3, 3).low
    assert low is not None
    assert low < 0.3


@pytest.mark.parametrize("other", ["müller  gmbh", " Müller GmbH ", "Mu\u0308ller GmbH", "MÜLLER\u00a0GMBH"])
def test_values_that_differ_only_in_form_are_the_same(other: str) -> None:
    assert same_value("Müller GmbH", other)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2348.50", "2348.5", True),
        ("2348.00", "2348", True),
        ("100", "1", False),
        ("007", "7", False),
        ("LU28 0019", "lu280019", True),
        ("2026-11-03", "2026-11-30", False),
        ("0.0", "0", True),
    ],
)
def test_amounts_compare_as_numbers_and_identifiers_without_blanks(one: str, other: str, same: bool):
    assert same_value(one, other) is same


def test_a_value_stated_twice_is_right_once() -> None:
    seen = compared("iban", [("LU28", 0.9), ("LU28", 0.8)], ["LU28"])
    assert [one.right for one in seen] == [True, False]


def test_missed_values_count_against_recall_and_invented_ones_against_precision() -> None:
    seen = compared("amount", [("10.00", 0.9), ("99.00", 0.4)], ["10.00", "20.00"])
    assert (field_precision(seen).right, field_precision(seen).of) == (1, 2)
    assert (field_recall(seen).right, field_recall(seen).of) == (1, 2)


@given(st.lists(st.text(max_size=3), max_size=6), st.lists(st.text(max_size=3), max_size=6))
def test_every_stated_and_every_expected_value_is_counted_once(stated: list[str], expected: list[str]) -> None:
    seen = compared("field", [(value, None) for value in stated], expected)
    assert sum(one.stated is not None for one in seen) == len(stated)
    assert sum(one.expected is not None for one in seen) == len(expected)


def test_each_level_is_measured_by_itself() -> None:
    seen = [ClassObservation(REPORT, REPORT, 0.9), ClassObservation(REPORT, INVOICE, 0.8)]
    assert [level.value for level in level_shares(seen, 3)] == [1.0, 1.0, 0.5]


def test_precision_asks_about_stated_classes_and_recall_about_expected_ones() -> None:
    seen = [
        ClassObservation(REPORT, REPORT, 0.9),
        ClassObservation(REPORT, INVOICE, 0.8),
        ClassObservation((), LETTER, None),
    ]
    assert precision_by_class(seen)[REPORT].value == 0.5
    assert recall_by_class(seen)[INVOICE].value == 0.0
    assert confusions(seen)[0] == (REPORT, INVOICE, 1)


def test_without_a_threshold_nothing_is_covered() -> None:
    assert coverage([0.9, None], None).value == 0.0
    assert coverage([0.9, 0.5, None, 0.8], 0.8).value == 0.5


def test_a_machine_as_right_as_it_is_sure_has_no_calibration_error() -> None:
    judged = [(0.75, True)] * 3 + [(0.75, False)]
    assert calibration_error(calibration(judged)) == pytest.approx(0.0)


def test_full_confidence_falls_into_the_last_bin_and_overconfidence_shows() -> None:
    judged = [(1.0, False)] * 4
    assert [one.share.of for one in calibration(judged)] == [4]
    assert calibration_error(calibration(judged)) == 1.0
    assert calibration_error([]) is None


def test_a_model_is_never_judged_by_a_label_it_may_have_learned_from() -> None:
    noon = datetime(2026, 11, 1, 12, tzinfo=UTC)
    assert heldout(noon, None)
    assert heldout(noon, noon - timedelta(seconds=1))
    assert not heldout(noon, noon)
    assert not heldout(noon, noon + timedelta(days=1))
