"""The closed form against the definition: leaving a row out equals solving without it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from services.classify.kernel import fitted, lexical_part, mixed, near_part
from services.classify.lexical import gram, learned_from, similarities


@settings(max_examples=25, deadline=None)
@given(st.integers(3, 12), st.integers(1, 4), st.sampled_from([0.1, 0.3, 1.0]), st.integers(0, 10_000))
def test_left_out_answers_are_those_of_a_model_without_the_row(
    rows: int, columns: int, penalty: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(rows, 4)).astype(np.float32)
    kernel = np.exp(-((points[:, None] - points[None]) ** 2).sum(-1))
    targets = rng.normal(size=(rows, columns)).astype(np.float32)
    _, left_out = fitted(kernel, targets, penalty)
    for row in range(rows):
        rest = [place for place in range(rows) if place != row]
        coefficients, _ = fitted(kernel[np.ix_(rest, rest)], targets[rest], penalty)
        assert np.allclose(left_out[row], kernel[row, rest] @ coefficients, atol=2e-3)


def test_rows_of_one_source_are_left_out_together() -> None:
    rng = np.random.default_rng(5)
    points = rng.normal(size=(9, 3)).astype(np.float32)
    kernel = np.exp(-((points[:, None] - points[None]) ** 2).sum(-1))
    targets = rng.normal(size=(9, 2)).astype(np.float32)
    group, rest = [1, 4, 6], [0, 2, 3, 5, 7, 8]
    _, left_out = fitted(kernel, targets, 0.3, [group])
    coefficients, _ = fitted(kernel[np.ix_(rest, rest)], targets[rest], 0.3)
    assert np.allclose(left_out[group], kernel[np.ix_(group, rest)] @ coefficients, atol=1e-3)


def test_a_kernel_that_is_none_is_an_error() -> None:
    with pytest.raises(ValueError, match="positive definite"):
        fitted(np.array([[1, 5], [5, 1]], np.float32), np.zeros((2, 1), np.float32), 0.1)


def test_equal_texts_are_alike_and_the_parts_add_up() -> None:
    one, third, all_of_it = np.ones((1, 1), np.float32), np.full(1, 0.3, np.float32), np.ones(1, np.float32)
    assert mixed(lexical_part(one, one), near_part(one), third, third) == pytest.approx(1)
    assert mixed(lexical_part(one * 0, one * 0), near_part(-one), third, third) < 0.02
    assert mixed(lexical_part(one, one * 0), near_part(-one), all_of_it, all_of_it) == pytest.approx(0.5)


def test_frequent_terms_in_dense_blocks_give_the_plain_product() -> None:
    rows = sparse.random(300, 50, density=0.4, format="csr", dtype=np.float32, random_state=1)
    assert np.allclose(gram(rows), similarities(rows, rows), atol=1e-4)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(max_size=30), min_size=1, max_size=6))
def test_any_texts_make_a_lexicon_and_rows_of_length_one_or_zero(texts: list[str]) -> None:
    lexicon, words, letters = learned_from(texts)
    for rows, learned in zip(lexicon.rows(texts), (words, letters), strict=True):
        assert abs(rows - learned).max() < 1e-6
        lengths = np.sqrt(rows.multiply(rows).sum(axis=1))
        assert np.all(np.isclose(lengths, 1, atol=1e-4) | (lengths == 0))
