"""The engine end to end on real vectors: cold, with a few labels, with many, and what it does not know."""

from collections.abc import Callable

import numpy as np
import pytest

from services.classify.learning import Example, learn, words_of
from services.classify.storing import loaded, saved
from services.classify.taxonomy import Taxonomy, from_paths, from_yaml
from shared.encoder import Encoder
from shared.errors import Refused, Unavailable

Letters = Callable[[int], list[Example]]


def test_without_labels_it_goes_by_the_words_of_the_taxonomy_and_claims_no_confidence(
    tree: Taxonomy, encoder: Encoder, letters: Letters
) -> None:
    model = learn(tree, [], encoder).model
    asked = letters(4)
    answers = model.predict([one.text for one in asked], encoder)
    hits = [answer.path in one.accepted for answer, one in zip(answers, asked, strict=True)]
    assert np.mean(hits) >= 0.7
    assert {value for answer in answers for value in answer.confidence} == {None}
    assert all(answer.in_scope and answer.alternatives[0].path == answer.path for answer in answers)


def test_each_sentence_of_a_description_is_compared_by_itself_those_of_inner_classes_too() -> None:
    tree = from_yaml(
        "levels: [a, b]\nnodes:\n- {name: damage, description: 'A loss. FR: sinistre', children: [{name: flood}]}"
    )
    assert words_of(tree) == [
        (("damage",), "damage"),
        (("damage",), "A loss."),
        (("damage",), "FR: sinistre"),
        (("damage", "flood"), "flood. damage"),
    ]


def test_labels_improve_it_and_bring_confidence(tree: Taxonomy, encoder: Encoder, letters: Letters) -> None:
    written = letters(24)
    learned = learn(tree, written[:80], encoder)
    answers = learned.model.predict([one.text for one in written[80:]], encoder)
    assert [answer.path for answer in answers] == [one.accepted[0] for one in written[80:]]
    for answer in answers:
        assert len(answer.confidence) == len(answer.path)
        values = [value for value in answer.confidence if value is not None]
        assert len(values) == len(answer.path)
        assert values == sorted(values, reverse=True)
        assert 0.5 < values[-1] < 1
    assert learned.metrics["full_path_accuracy"] > 0.9


def test_left_out_answers_do_not_know_their_own_label(tree: Taxonomy, encoder: Encoder, letters: Letters) -> None:
    written = letters(8)
    lie = Example(written[0].text, (("money", "invoice"),))
    learned = learn(tree, [lie, *written[1:]], encoder)
    assert learned.left_out[0].path == ("claims", "motor accident")


def test_what_people_said_fits_nowhere_is_recognised(tree: Taxonomy, encoder: Encoder, letters: Letters) -> None:
    dishes = ["pasta", "rice", "soup", "cake", "bread", "salad", "curry", "stew", "pizza", "omelette"]
    recipes = [
        f"Recipe number {n} for {dish}: boil, stir, add salt and serve hot." for n in range(3) for dish in dishes
    ]
    outside = [Example(text, ((),)) for text in recipes[:24]]
    written = letters(30)
    model = learn(tree, [*written[:120], *outside], encoder).model
    assert not any(answer.in_scope for answer in model.predict(recipes[24:], encoder))
    assert np.mean([answer.in_scope for answer in model.predict([one.text for one in written[120:]], encoder)]) > 0.9


def test_a_stored_model_gives_the_same_answers(tree: Taxonomy, encoder: Encoder, letters: Letters) -> None:
    written = letters(24)
    model = learn(tree, written[:100], encoder).model
    texts = [*(one.text for one in written[100:]), "", "\n", "\ud800 broken"]
    stored = saved(model)
    assert loaded(stored).predict(texts, encoder) == model.predict(texts, encoder)
    assert saved(loaded(stored)) == stored


def test_the_same_labels_give_the_same_model(tree: Taxonomy, encoder: Encoder, letters: Letters) -> None:
    assert saved(learn(tree, letters(4), encoder).model) == saved(learn(tree, letters(4), encoder).model)


@pytest.mark.parametrize("broken", [b"", b"not a model", b"\x10\x00\x00\x00\x00\x00\x00\x00{}              "])
def test_other_bytes_are_no_model(broken: bytes) -> None:
    with pytest.raises(Unavailable, match="cannot be read"):
        loaded(broken)


def test_a_model_of_another_encoder_is_not_asked(tree: Taxonomy, encoder: Encoder) -> None:
    class Renamed:
        name = "other@123"
        encode_deep_and_middle = encoder.encode_deep_and_middle
        understood = encoder.understood

    model = learn(tree, [], encoder).model
    with pytest.raises(Unavailable, match="other@123"):
        model.predict(["text"], Renamed())


def test_an_empty_taxonomy_is_refused(encoder: Encoder) -> None:
    with pytest.raises(Refused, match="no classes"):
        learn(Taxonomy(), [], encoder)


def test_a_single_class_and_a_single_label_are_enough_to_answer(encoder: Encoder) -> None:
    model = learn(from_paths([("only",)]), [Example("a text", (("only",),))], encoder).model
    assert model.predict(["anything"], encoder)[0].path == ("only",)
