"""Questions with a closed list of answers, and which of them a language model finds likeliest.

A model of a few million parameters writes no reliable sentence, but it can rank answers: classes of a taxonomy, or the
strings of a document that could be the value of a field. All answers to one question are scored in a single forward
pass: they stand side by side behind the prompt and the attention mask keeps each from seeing the others.

This module knows no taxonomy and no field; whoever asks brings the choices.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from services.train.instructions import NO_LABEL, Pack
from services.train.quantization import evaluating
from shared.errors import Unavailable
from shared.generation import Generator, Message, RegexGrammar

#: No choice is longer.
GUIDED_TOKENS = 64


@dataclass(frozen=True)
class Question:
    """What is asked about a document; `answer` is one of `choices`, and the person's word.

    `about` names what is asked for: "class", or a field.
    """

    document: str
    about: str
    prompt: str
    choices: tuple[str, ...]
    answer: str

    def record(self) -> dict[str, Any]:
        """The question with its right answer, as an instruction record."""
        return {
            "messages": [{"role": "user", "content": self.prompt}, {"role": "assistant", "content": self.answer}],
            "document": self.document,
        }


#: Writes a question, and where one is given the chosen answer, as the model's chat template does.
Template = Callable[[Question, str | None], str]


@dataclass(frozen=True)
class Answers:
    """What one model answered: for each question the score of each choice, its mean log-probability per token.

    The mean, because the sum favours short choices whatever the question is.
    """

    scores: list[list[float]]

    def chosen(self, questions: Sequence[Question]) -> list[str]:
        """The likeliest choice of each question; the first of equals."""
        return [
            question.choices[max(range(len(scores)), key=scores.__getitem__)]
            for question, scores in zip(questions, self.scores, strict=True)
        ]

    def right(self, questions: Sequence[Question], about: str | None = None) -> float:
        """The share answered rightly, in 0..1; of the questions `about` something, where it is given."""
        pairs = zip(self.chosen(questions), questions, strict=True)
        hits = [chosen == question.answer for chosen, question in pairs if about in (None, question.about)]
        return sum(hits) / len(hits)

    def nats(self, questions: Sequence[Question]) -> float:
        """The mean negative log-probability of the right answers, in nats per token."""
        right = [
            scores[question.choices.index(question.answer)]
            for question, scores in zip(questions, self.scores, strict=True)
        ]
        return -sum(right) / len(right)


def answered(model: Any, tokenizer: Any, questions: Sequence[Question]) -> Answers:
    """The answers of a model in this process, on its CPU."""
    evaluating(model)
    with torch.inference_mode():
        return Answers([_scores(model, tokenizer, question) for question in questions])


def answered_by(generator: Generator, template: Template, questions: Sequence[Question]) -> Answers:
    """The answers of a served model, by the log-probabilities that the port gives for whole texts.

    Raises Unavailable where the server gives none.
    """
    return Answers([_served(generator, template, question) for question in questions])


def guided(generator: Generator, question: Question) -> str:
    """What a served model writes where it may write nothing but one of the choices."""
    pattern = "|".join(re.escape(choice) for choice in question.choices)
    asked = [Message("user", question.prompt)]
    return generator.generate(asked, max_tokens=GUIDED_TOKENS, grammar=RegexGrammar(f"({pattern})")).text


def _served(generator: Generator, template: Template, question: Question) -> list[float]:
    prompt, tokens = _summed(generator, template(question, None))
    scores = []
    for choice in question.choices:
        whole, longer = _summed(generator, template(question, choice))
        scores.append((whole - prompt) / (longer - tokens))
    return scores


def _summed(generator: Generator, text: str) -> tuple[float, int]:
    """The log-probability of a text, and its number of tokens."""
    tokens = generator.scores(text)
    if tokens is None:
        raise Unavailable(
            "The generation server gives no log-probabilities.", action="Measure with TGI or `services.generate`."
        )
    return sum(token.logprob for token in tokens if token.logprob is not None), len(tokens)


def _scores(model: Any, tokenizer: Any, question: Question) -> list[float]:
    asked = [{"role": "user", "content": question.prompt}]
    prompt = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    head = tokenizer(prompt, add_special_tokens=False).input_ids
    tails = []
    for choice in question.choices:
        whole = tokenizer.apply_chat_template([*asked, {"role": "assistant", "content": choice}], tokenize=False)
        tails.append(tokenizer(whole[len(prompt) :], add_special_tokens=False).input_ids)
    pack = _fan(head, tails)
    logits = model(input_ids=pack.ids, position_ids=pack.positions, attention_mask=pack.mask, use_cache=False).logits[0]
    scores, at = [], len(head)
    for tail in tails:
        before = [len(head) - 1, *range(at, at + len(tail) - 1)]
        picked = torch.log_softmax(logits[before].float(), dim=-1)[range(len(tail)), tail]
        scores.append(float(picked.mean()))
        at += len(tail)
    return scores


def _fan(head: list[int], tails: Sequence[list[int]]) -> Pack:
    """One prompt and its continuations side by side; each continuation sees the prompt and itself."""
    ids = head + [token for tail in tails for token in tail]
    positions = [*range(len(head))] + [len(head) + place for tail in tails for place in range(len(tail))]
    member = torch.tensor([-1] * len(head) + [number for number, tail in enumerate(tails) for _ in tail])
    sees = (member.unsqueeze(0) == member.unsqueeze(1)) | (member == -1).unsqueeze(0)
    return Pack(
        ids=torch.tensor([ids]),
        labels=torch.full((1, len(ids)), NO_LABEL),
        positions=torch.tensor([positions]),
        mask=torch.tril(sees)[None, None],
    )
