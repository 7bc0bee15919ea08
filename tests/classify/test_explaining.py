"""An explanation points at real places, adds up, and speaks for the class that was answered."""

from collections.abc import Callable

import numpy as np
import pytest

from services.classify.explaining import explained
from services.classify.learning import Example, learn
from services.classify.taxonomy import Taxonomy, from_paths
from shared.encoder import Encoder

Letters = Callable[[int], list[Example]]
TEXT = "Dear Sirs,\nmy number is 4711. A pipe burst in our kitchen and the water ruined the floor.\nKind regards"


def test_words_and_sentences_that_decided_are_quoted_with_their_places(
    tree: Taxonomy, encoder: Encoder, letters: Letters
) -> None:
    model = learn(tree, letters(8), encoder).model
    found = explained(model, TEXT, ("claims", "water damage"), encoder)
    assert found.against is not None
    for place in (*found.words, *found.sentences):
        assert TEXT[place.start : place.end] == place.text
    assert {"pipe", "kitchen", "water"} & {place.text for place in found.words[:5]}
    assert found.sentences[0].text == "A pipe burst in our kitchen and the water ruined the floor."
    assert found.sentences[0].weight > 0


def test_what_speaks_for_one_class_speaks_against_its_rival(tree: Taxonomy, encoder: Encoder, letters: Letters) -> None:
    model = learn(tree, letters(8), encoder).model
    against = explained(model, TEXT, ("money", "invoice"), encoder)
    assert against.against == ("claims", "water damage")
    assert sum(place.weight for place in against.sentences) < 0


def test_the_words_together_are_all_that_the_words_of_the_document_add(
    tree: Taxonomy, encoder: Encoder, letters: Letters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.classify.explaining.MOST_WORDS", 1000)
    model = learn(tree, letters(8), encoder).model
    path = ("claims", "water damage")
    looked = model.look([TEXT], encoder)
    row = model.compared([TEXT], looked)
    kernel, without_words = row.kernel(model.rows), model.compared([""], looked).kernel(model.rows)
    others = model.probabilities(kernel)[0]
    leaf = model.tree.leaves.index(path)
    others[leaf] = 0
    direction = model.coefficients[:, leaf] - model.coefficients[:, :-1] @ (others / others.sum())
    added = float(((kernel - without_words) @ direction)[0])
    words = explained(model, TEXT, path, encoder).words
    assert sum(place.weight for place in words) == pytest.approx(added, rel=0.02)


def test_a_single_class_needs_no_explanation(encoder: Encoder) -> None:
    model = learn(from_paths([("only",)]), [Example("a text", (("only",),))], encoder).model
    found = explained(model, "anything", ("only",), encoder)
    assert (found.against, found.words, found.sentences) == (None, (), ())


def test_an_empty_document_has_no_places(tree: Taxonomy, encoder: Encoder) -> None:
    model = learn(tree, [], encoder).model
    found = explained(model, "", ("money", "invoice"), encoder)
    assert np.all([not found.words, not found.sentences])
