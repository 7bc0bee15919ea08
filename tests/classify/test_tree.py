"""Probabilities over the tree never contradict each other."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.classify.tree import Tree, default_weights, fitted_weights, folded, softmax

LEAVES = Tree((("a", "x"), ("a", "y"), ("b", "x"), ("c",)))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.floats(-30, 30), min_size=4, max_size=4), min_size=1, max_size=5))
def test_children_sum_to_their_parent(scores: list[list[float]]) -> None:
    leaves = softmax(np.array(scores, np.float32))
    top, deepest = LEAVES.above(leaves, 0), LEAVES.above(leaves, 1)
    assert np.allclose(top[:, 0], leaves[:, 0] + leaves[:, 1], atol=1e-5)
    assert np.allclose(top.sum(axis=1), 1, atol=1e-5)
    assert np.allclose(deepest, leaves, atol=1e-6)


def test_a_label_teaches_every_class_on_its_path() -> None:
    targets, right = LEAVES.targets([[("a", "y")], [("c",)]])
    assert targets.tolist() == [[1, 0, 0, 0, 1, 0, 0], [0, 0, 1, 0, 0, 0, 1]]
    assert right.tolist() == [[False, True, False, False], [False, False, False, True]]


def test_a_label_above_the_leaves_leaves_open_which_of_them() -> None:
    targets, right = LEAVES.targets([[("a",)]])
    assert targets.tolist() == [[1, 0, 0, 0.5, 0.5, 0, 0]]
    assert right.tolist() == [[True, True, False, False]]


def test_a_label_that_left_the_taxonomy_teaches_nothing() -> None:
    targets, right = LEAVES.targets([[("gone", "x")], [()]])
    assert not targets.any()
    assert not right.any()


def test_weights_follow_the_level_that_tells_the_truth() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, size=400)
    right = np.eye(4, dtype=bool)[truth]
    telling = right.astype(np.float32) + rng.normal(0, 0.3, (400, 4)).astype(np.float32)
    noise = rng.normal(0, 1, (400, 4)).astype(np.float32)
    weights = fitted_weights([noise, telling], right)
    assert weights[1] > 5 > 1 > weights[0]
    assert (folded([noise, telling], weights).argmax(axis=1) == truth).mean() > 0.9


def test_without_a_right_row_the_weights_are_the_defaults() -> None:
    nothing = np.zeros((3, 4), np.float32)
    assert np.allclose(fitted_weights([nothing, nothing], np.zeros((3, 4), bool)), default_weights(2), atol=1e-3)
