from __future__ import annotations

import pytest

pytestmark = pytest.mark.usefixtures("fine_tuning")


@pytest.fixture
def tokenizer(base):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(base)


@pytest.fixture
def examples(records, tokenizer):
    from services.train.instructions import examples_from

    return examples_from(records, tokenizer, 256)


def test_only_what_the_assistant_says_carries_the_loss(examples, records, tokenizer):
    from services.train.instructions import NO_LABEL

    for example, record in zip(examples, records, strict=True):
        learned = [label for label in example.labels if label != NO_LABEL]
        assert tokenizer.decode(learned) == record["messages"][1]["content"] + "</s>"
        assert tokenizer.decode(example.ids) == tokenizer.apply_chat_template(record["messages"], tokenize=False)


def test_every_turn_of_the_assistant_is_learned(tokenizer):
    from services.train.instructions import NO_LABEL, examples_from

    turns = [("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")]
    [example] = examples_from([{"messages": [{"role": role, "content": text} for role, text in turns]}], tokenizer, 64)
    assert tokenizer.decode([label for label in example.labels if label != NO_LABEL]) == "b</s>d</s>"


def test_a_record_with_nothing_left_to_learn_is_refused_by_number(records, tokenizer):
    from services.train.instructions import examples_from
    from shared.errors import Refused

    records[4]["messages"][0]["content"] *= 20
    with pytest.raises(Refused, match=r"1 of 12 records .* record 5") as refused:
        examples_from(records, tokenizer, 128)
    assert refused.value.code == "no_label_tokens"


def test_a_record_without_messages_is_refused(tokenizer):
    from services.train.instructions import examples_from
    from shared.errors import Refused

    with pytest.raises(Refused, match="Record 1 has no messages"):
        examples_from([{"prompt": "x"}], tokenizer, 64)


def test_packs_hold_every_example_once_and_follow_from_the_seed(examples):
    from services.train.instructions import packs_from

    packs = packs_from(examples, 128, seed=1)
    assert all(pack.ids.shape[1] <= 128 for pack in packs)
    assert len(packs) < len(examples)
    packed = sorted(token for pack in packs for token in pack.ids[0].tolist())
    assert packed == sorted(token for example in examples for token in example.ids)
    again, other = packs_from(examples, 128, seed=1), packs_from(examples, 128, seed=2)
    assert [pack.ids.tolist() for pack in again] == [pack.ids.tolist() for pack in packs]
    assert [pack.ids.tolist() for pack in other] != [pack.ids.tolist() for pack in packs]


def test_packed_records_do_not_see_each_other(examples, base):
    import torch
    from transformers import AutoModelForCausalLM

    from services.train.instructions import pack_of
    from services.train.qlora import loss_of

    model = AutoModelForCausalLM.from_pretrained(base).eval()
    with torch.inference_mode():
        together = loss_of(model, pack_of(examples[:4]), "cpu")
        apart = sum(loss_of(model, pack_of([example]), "cpu") for example in examples[:4])
    torch.testing.assert_close(together, apart, rtol=1e-5, atol=1e-5)
