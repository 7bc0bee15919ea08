from __future__ import annotations

import pytest

from services.train import loop
from shared.generation import Generation, ScriptedGenerator, Token

GOLD = [
    {"file": "a.pdf", "path": ["Claims", "Motor"], "split": "label", "fields": {"claim_number": "S2024-398813"}},
    {"file": "b.pdf", "path": [], "split": "measure", "fields": {}},
    {"file": "c.pdf", "path": ["Mail"], "split": "measure", "fields": {"claim_number": None}},
    {"file": "d.pdf", "path": ["Mail"], "split": "measure", "fields": {"claim_number": "S2024-111111"}},
]
TEXTS = {
    "a.pdf": "Ardelune\n-----\n\nClaim S2024-398813 of 04/11/2024",
    "b.pdf": "Win a car!",
    "c.pdf": "My policy is A-18.366.234",
    "d.pdf": "x" * loop.SHOWN + " S2024-111111",
}
LEAVES = ["Claims / Motor", "Mail"]


def test_the_samples_become_questions_to_teach_and_to_measure_with():
    kind, number = loop.questions(GOLD, TEXTS, LEAVES, split="label")
    assert kind.prompt == "Ardelune\nClaim S2024-398813 of 04/11/2024\n\nClass?"
    assert (kind.choices, kind.answer) == (("Claims / Motor", "Mail", "out of scope"), "Claims / Motor")
    assert (number.choices, number.answer) == (("S2024-398813", "04/11/2024", "none"), "S2024-398813")
    measured = {(q.document, q.about): q.answer for q in loop.questions(GOLD, TEXTS, LEAVES, split="measure")}
    assert measured == {
        ("b.pdf", "class"): "out of scope",
        ("c.pdf", "class"): "Mail",
        ("c.pdf", "claim_number"): "none",
        ("d.pdf", "class"): "Mail",  # its number is not in what is shown: nobody could answer that
    }


@pytest.mark.usefixtures("fine_tuning")
def test_choices_side_by_side_score_as_each_alone(base):
    import torch
    from transformers import AutoTokenizer

    from services.train.choosing import Question, answered
    from services.train.instructions import examples_from, pack_of
    from services.train.qlora import loss_of
    from services.train.quantization import loaded

    model, tokenizer = loaded(base, "cpu", torch.float32).eval(), AutoTokenizer.from_pretrained(base)
    question = Question("a.pdf", "class", "Police Nr. 4711", ("12.50", "Betrag", "EUR 4711,00"), "Betrag")
    [scores] = answered(model, tokenizer, [question]).scores
    for choice, score in zip(question.choices, scores, strict=True):
        record = Question("a.pdf", "class", question.prompt, question.choices, choice).record()
        pack = pack_of(examples_from([record], tokenizer, 256))
        with torch.inference_mode():
            alone = -float(loss_of(model, pack, "cpu")) / pack.label_tokens
        assert score == pytest.approx(alone, abs=1e-4)


@pytest.mark.usefixtures("fine_tuning")
def test_a_served_model_ranks_choices_by_what_each_adds_to_the_prompt():
    from services.train.choosing import Question, answered_by, guided

    def reply(*logprobs: float | None) -> Generation:
        return Generation("", "length", [Token("x", logprob) for logprob in logprobs])

    generator = ScriptedGenerator([reply(None, -5.0), reply(None, -5.0, -2.0), reply(None, -5.0, -1.0, -2.0), "EUR"])
    question = Question("a.pdf", "class", "?", ("A", "EUR"), "EUR")
    answers = answered_by(generator, lambda question, choice: f"{question.prompt}{choice or ''}", [question])
    assert answers.scores == [[-2.0, -1.5]]
    assert answers.right([question]) == 1
    assert generator.asked == ["?", "?A", "?EUR"]
    assert guided(generator, question) == "EUR"
