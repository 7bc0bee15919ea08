"""What to label next: unsure documents, never two that say the same, nothing that a label speaks for already."""

import numpy as np

from services.classify.proposing import proposals_from


def unit(*angles: float) -> np.ndarray:
    return np.array([[np.cos(angle), np.sin(angle)] for angle in angles], np.float32)


def test_the_document_that_speaks_for_most_unsure_ones_comes_first_and_then_another_kind() -> None:
    vectors = unit(0.0, 0.1, 0.2, 2.0)  # three alike, one of its own
    chosen = proposals_from(vectors, np.ones(4, np.float32), np.zeros((0, 2), np.float32), 2)
    assert [one.place for one in chosen] == [1, 3]
    assert chosen[0].speaks_for == 3
    assert chosen[0].gain > chosen[1].gain > 0


def test_what_the_machine_is_sure_of_is_not_asked() -> None:
    chosen = proposals_from(unit(0.0, 2.0), np.array([0.0, 0.9], np.float32), np.zeros((0, 2), np.float32), 5)
    assert [one.place for one in chosen] == [1]


def test_a_twin_of_a_labelled_document_is_not_asked() -> None:
    chosen = proposals_from(unit(0.0, 2.0), np.ones(2, np.float32), unit(0.0), 5)
    assert [one.place for one in chosen] == [1]


def test_nothing_is_proposed_twice_and_no_more_than_there_are() -> None:
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(30, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    chosen = proposals_from(vectors, rng.uniform(0.1, 1, 30).astype(np.float32), vectors[:0], 50)
    places = [one.place for one in chosen]
    assert len(set(places)) == len(places) <= 30
    gains = [one.gain for one in chosen]
    assert gains == sorted(gains, reverse=True)
