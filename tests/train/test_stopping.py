from __future__ import annotations

import pytest

pytestmark = [
    pytest.mark.usefixtures("fine_tuning"),
    pytest.mark.filterwarnings("ignore:.*torch.jit.script_method.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning"),
]


def test_the_score_is_the_share_of_answers_that_greedy_writing_would_give(base, records, tmp_path):
    """A model that learned six records by heart writes these and not the others; generate() agrees with the score."""
    from services.train.answering import answers_of
    from services.train.merging import merge
    from services.train.qlora import Recipe, train

    recipe = Recipe(
        base=base, rank=16, dropout=0, length=128, packs_per_step=3, steps=60, warmup_steps=1, learning_rate=1e-2,
        largest_gradient=1.0, device="cpu", gradient_checkpointing=False, evaluate_every=60,
    )  # fmt: skip
    seen = []
    adapter = train(recipe, records, tmp_path / "run", seen.append, held_out=records)
    model = merge(base, adapter, tmp_path / "merged", double=True, card="")
    answers = answers_of(model, records)
    truths = [record["messages"][1]["content"] for record in records]
    share = sum(answer == truth for answer, truth in zip(answers, truths, strict=True)) / len(records)
    assert seen[-1]["held_out_score"] == pytest.approx(share, abs=1 / len(records))
    assert share > 0, "it learned something"


def test_a_run_ends_where_nothing_gets_better_and_keeps_the_best(base, records, tmp_path):
    from services.train.qlora import Recipe, train

    recipe = Recipe(
        base=base, rank=4, length=128, steps=40, warmup_steps=1, learning_rate=1.0, device="cpu",
        gradient_checkpointing=False, evaluate_every=2, patience=2, largest_gradient=100.0,
    )  # fmt: skip
    seen = []
    adapter = train(recipe, records[:6], tmp_path / "run", seen.append, held_out=records[6:])
    looks = [line for line in seen if "held_out_loss" in line]
    assert len(seen) < 40, "a learning rate of 1 spoils everything at once"
    best = min(range(len(looks)), key=lambda look: (-looks[look]["held_out_score"], looks[look]["held_out_loss"]))
    assert len(looks) == best + 1 + 2
    kept = (tmp_path / "run" / "best" / "adapter_model.safetensors").read_bytes()
    assert (adapter / "adapter_model.safetensors").read_bytes() == kept
    again = []
    assert train(recipe, records[:6], tmp_path / "run", again.append, held_out=records[6:]) == adapter
    assert again == [], "what has given up stays so after a restart"
