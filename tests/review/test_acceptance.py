import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.review.acceptance import (
    ClassStatement,
    FieldStatement,
    Threshold,
    chance_of_at_least,
    decide,
    fewest_labels,
    in_audit_sample,
    threshold_from,
)

OPEN = Threshold(value=0.8, judged=100, wanted=59)
SURE = ClassStatement(("Claims", "Motor", "Accident report"), 0.97)
AMOUNT = FieldStatement("amount", stated=True, confidence=0.95, grounded=True)


def test_fifty_nine_flawless_labels_are_the_fewest_that_promise_95_percent() -> None:
    assert fewest_labels(0.95, 0.95) == 59
    assert threshold_from([(0.99, True)] * 58, 0.95, 0.95).value is None
    assert threshold_from([(0.99, True)] * 59, 0.95, 0.95).value == 0.0


def test_a_single_mistake_among_sixty_promises_nothing() -> None:
    assert threshold_from([(0.9, True)] * 59 + [(0.9, False)], 0.95, 0.95).value is None


def test_the_threshold_stops_above_the_confidences_that_are_often_wrong() -> None:
    sure = [(0.98, True)] * 200
    unsure = [(0.6, place % 2 == 0) for place in range(100)]
    found = threshold_from(sure + unsure, 0.95, 0.95)
    assert found.value is not None
    assert 0.6 < found.value <= 0.98


def test_the_promise_is_broken_no_more_often_than_it_says() -> None:
    # Each statement is right with its confidence, so the mean confidence above a threshold is its precision.
    draw = random.Random(7)
    broken = promised = 0
    for _ in range(400):
        scores = [draw.random() ** 0.2 for _ in range(300)]
        found = threshold_from([(score, draw.random() < score) for score in scores], 0.9, 0.9).value
        if found is not None:
            promised += 1
            above = [score for score in scores if score >= found]
            broken += sum(above) / len(above) < 0.9
    assert promised > 100
    assert broken <= 0.1 * 400 + 3 * (400 * 0.1 * 0.9) ** 0.5


@given(st.integers(1, 200), st.floats(0.05, 0.99), st.data())
def test_the_tail_is_the_sum_of_the_binomial_terms(of: int, share: float, data: st.DataObject) -> None:
    from math import comb

    right = data.draw(st.integers(0, of))
    exact = sum(comb(of, k) * share**k * (1 - share) ** (of - k) for k in range(right, of + 1))
    assert chance_of_at_least(right, of, share) == pytest.approx(exact, abs=1e-9)


def test_a_certain_grounded_document_is_accepted() -> None:
    verdict = decide(SURE, [AMOUNT], OPEN, {"amount": OPEN})
    assert verdict.decision == "accepted"
    assert verdict.reasons == ()


@pytest.mark.parametrize(
    ("about", "fields", "code"),
    [
        (ClassStatement(("a", "b", "c"), 0.5), [], "class_uncertain"),
        (ClassStatement(("a", "b", "c"), None), [], "class_not_scored"),
        (ClassStatement((), 0.99, in_scope=False), [], "out_of_scope"),
        (SURE, [FieldStatement("amount", True, 0.5, grounded=True)], "field_uncertain"),
        (SURE, [FieldStatement("amount", True, None, grounded=True)], "field_not_scored"),
        (SURE, [FieldStatement("amount", True, 1.0, grounded=False)], "no_evidence"),
        (SURE, [FieldStatement("amount", False, required=True)], "required_field_missing"),
        (SURE, [FieldStatement("iban", True, 0.99, grounded=True)], "field_too_few_labels"),
    ],
)
def test_every_doubt_sends_the_document_to_a_person_with_its_reason(
    about: ClassStatement, fields: list[FieldStatement], code: str
) -> None:
    verdict = decide(about, fields, OPEN, {"amount": OPEN})
    assert verdict.decision == "needs_review"
    assert [reason.code for reason in verdict.reasons] == [code]
    assert verdict.usefulness > 0


def test_enough_labels_that_are_too_often_wrong_say_so() -> None:
    verdict = decide(SURE, [], Threshold(None, judged=80, wanted=59), {})
    assert [reason.code for reason in verdict.reasons] == ["class_below_target"]


def test_an_empty_optional_field_is_no_doubt() -> None:
    assert decide(SURE, [FieldStatement("iban", stated=False)], OPEN, {}).decision == "accepted"


def test_what_a_person_said_needs_neither_confidence_nor_evidence() -> None:
    person = ClassStatement(("a", "b", "c"), None, by_person=True)
    said = FieldStatement("amount", stated=True, by_person=True)
    assert decide(person, [said], Threshold(None, 0, 59), {}).decision == "reviewed"


def test_the_audit_sample_catches_documents_that_would_pass() -> None:
    verdict = decide(SURE, [AMOUNT], OPEN, {"amount": OPEN}, audited=True)
    assert [reason.code for reason in verdict.reasons] == ["audit_sample"]


def test_a_reviewed_document_is_not_audited_again() -> None:
    person = ClassStatement(("a", "b", "c"), None, by_person=True)
    assert decide(person, [], OPEN, {}, audited=True).decision == "reviewed"


def test_the_more_doubtful_document_comes_first() -> None:
    doubtful = decide(ClassStatement(("a",), 0.2), [], OPEN, {})
    nearly = decide(ClassStatement(("a",), 0.7), [], OPEN, {})
    assert doubtful.usefulness > nearly.usefulness


def test_the_audit_sample_is_stable_and_has_its_size() -> None:
    chosen = [in_audit_sample(f"doc_{number}", 0.05) for number in range(10_000)]
    assert chosen == [in_audit_sample(f"doc_{number}", 0.05) for number in range(10_000)]
    assert 400 < sum(chosen) < 600
    assert not any(in_audit_sample(f"doc_{number}", 0.0) for number in range(100))
