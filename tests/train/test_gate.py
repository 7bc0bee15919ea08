from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from services.train.gate import Pair, judge, lower_bound, mcnemar_p, pairs_from

MARGIN = 0.02


@pytest.fixture
def pairs():
    """Makes pairs of one class: how many both got right, only the candidate did, only the version in use did."""

    def make(both: int, wins: int, losses: int, about: str = "claims") -> list[Pair]:
        answers = [("yes", "yes")] * both + [("yes", "no")] * wins + [("no", "yes")] * losses
        return [
            Pair(f"{about}-{number}", about, "yes", candidate, promoted)
            for number, (candidate, promoted) in enumerate(answers)
        ]

    return make


def test_equal_answers_pass_however_few(pairs):
    verdict = judge(pairs(both=3, wins=0, losses=0), MARGIN)
    assert verdict.passed
    assert verdict.gain == 0


def test_a_candidate_that_loses_a_whole_class_is_refused_although_it_wins_overall(pairs):
    verdict = judge(pairs(40, 20, 0, "claims") + pairs(0, 0, 4, "policies"), MARGIN)
    assert not verdict.passed
    assert verdict.gain is not None
    assert verdict.gain > 0
    assert "policies" in verdict.why
    assert [row.about for row in verdict.table if row.regressed] == ["policies"]


def test_losses_spread_thinly_over_the_classes_are_refused_overall(pairs):
    thin = [pair for number in range(10) for pair in pairs(9, 0, 1, f"class {number}")]
    verdict = judge(thin, MARGIN)
    assert not any(row.regressed for row in verdict.table)
    assert not verdict.passed
    assert verdict.gain == pytest.approx(-0.1)


def test_a_small_loss_over_many_labels_is_within_the_margin(pairs):
    assert judge(pairs(both=4990, wins=4, losses=6), MARGIN).passed
    assert not judge(pairs(both=45, wins=0, losses=1), MARGIN).passed


def test_nothing_to_compare_on_is_no_reason_to_promote():
    assert not judge([], MARGIN).passed


def test_the_table_counts_as_mcnemar_does(pairs):
    [row] = judge(pairs(both=5, wins=2, losses=3), MARGIN).table
    assert (row.questions, row.wins, row.losses) == (10, 2, 3)
    assert (row.candidate, row.promoted) == (0.7, 0.8)
    assert row.p == 0.5


@given(st.integers(0, 60), st.integers(0, 60))
def test_p_is_the_exact_one_sided_binomial_of_scipy(wins: int, losses: int):
    if wins + losses:
        assert mcnemar_p(wins, losses) == pytest.approx(binomtest(losses, wins + losses, alternative="greater").pvalue)


def test_labels_of_one_document_count_as_one_witness():
    apart = [Pair(f"d{number}", "f", "a", "a" if number % 2 else "b", "a") for number in range(40)]
    together = [Pair(f"d{number // 10}", "f", "a", "b" if number >= 20 else "a", "a") for number in range(40)]
    assert lower_bound(together) < lower_bound(apart) < -0.3


def test_a_comparison_with_other_fields_is_refused_by_name():
    good = {"document": "d", "about": "a", "truth": "t", "candidate": "t", "promoted": "x"}
    assert pairs_from(json.dumps(good).encode()) == [Pair(**good)]
    with pytest.raises(ValueError, match="prediction"):
        pairs_from(json.dumps(good | {"prediction": 1}).encode())
