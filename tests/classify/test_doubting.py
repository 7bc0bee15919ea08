"""Wrong labels are found among right ones, and classes that nobody can tell apart are named."""

from collections.abc import Callable

import numpy as np

from services.classify.doubting import alike_from, doubts_from
from services.classify.learning import Example, learn
from services.classify.taxonomy import Taxonomy
from shared.encoder import Encoder

LEAVES = (("a",), ("b",), ("c",))


def test_a_label_that_contradicts_its_fellows_is_doubted_first(
    tree: Taxonomy, encoder: Encoder, letters: Callable[[int], list[Example]]
) -> None:
    written = letters(12)
    wrong = [3, 21, 40]
    for place in wrong:
        other = ("money", "invoice") if written[place].accepted[0] != ("money", "invoice") else ("money", "reminder")
        written[place] = Example(written[place].text, (other,))
    learned = learn(tree, written, encoder)
    _, right = learned.model.tree.targets([[*one.accepted] for one in written])
    doubts = doubts_from(learned.model.tree.leaves, learned.probabilities, right)
    assert {doubt.place for doubt in doubts[:3]} == set(wrong)
    assert all(doubt.chance > doubt.said_chance for doubt in doubts)


def test_right_labels_of_a_model_that_is_sure_are_not_doubted() -> None:
    probabilities = np.array([[0.9, 0.05, 0.05], [0.1, 0.8, 0.1], [0.0, 0.1, 0.9]], np.float32)
    assert doubts_from(LEAVES, probabilities, np.eye(3, dtype=bool)) == []


def test_two_classes_that_are_mixed_up_are_named_with_how_often() -> None:
    right = np.zeros((12, 3), bool)
    right[:4, 0], right[4:8, 1], right[8:, 2] = True, True, True
    probabilities = np.where(right, 0.8, 0.1).astype(np.float32)
    probabilities[[0, 1]] = [0.1, 0.8, 0.1]
    probabilities[4] = [0.8, 0.1, 0.1]
    probabilities[8] = [0.8, 0.1, 0.1]
    [pair] = alike_from(LEAVES, probabilities, right)
    assert (pair.first, pair.second, pair.mixed, pair.documents) == (("a",), ("b",), 3, 8)
