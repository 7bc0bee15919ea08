"""Instruction records, as tokens with the loss on the completion only, packed without touching each other.

A record is what OpenAI's fine-tuning takes: `{"messages": [{"role": "user", "content": …}, {"role": "assistant",
"content": …}]}`. What the assistant says carries the loss, everything else is context.

Packing joins records to one sequence of `length` tokens. Positions begin anew with each record and the attention mask
is block-diagonal, so that no record sees another: packing changes the speed and nothing else (a test holds it to that).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from shared.errors import Refused

#: The label that the loss passes over (torch.nn.functional.cross_entropy).
NO_LABEL = -100


@dataclass(frozen=True)
class Example:
    """One record in tokens; `labels` has NO_LABEL where the assistant does not speak. Equal lengths."""

    ids: list[int]
    labels: list[int]


@dataclass(frozen=True)
class Pack:
    """Examples side by side, as the model takes them: shapes [1, T], and [1, 1, T, T] for the mask (True: may see)."""

    ids: Tensor
    labels: Tensor
    positions: Tensor
    mask: Tensor

    @property
    def label_tokens(self) -> int:
        """How many tokens carry the loss."""
        return int((self.labels[:, 1:] != NO_LABEL).sum())


def examples_from(records: Sequence[dict[str, Any]], tokenizer: Any, max_length: int) -> list[Example]:
    """Every record in tokens, cut at `max_length`.

    Raises Refused where a record has no label token left: its loss would read 0.0 and teach nothing, unnoticed.
    """
    examples = [
        Example(example.ids[:max_length], example.labels[:max_length]) for example in tokenized(records, tokenizer)
    ]
    mute = [number for number, example in enumerate(examples, start=1) if set(example.labels[1:]) <= {NO_LABEL}]
    if mute:
        raise Refused(
            f"{len(mute)} of {len(records)} records have nothing to learn within {max_length} tokens;"
            f" the first is record {mute[0]}.",
            action="Raise max_length, shorten the prompts, or take these records out.",
            code="no_label_tokens",
        )
    return examples


def tokenized(records: Sequence[dict[str, Any]], tokenizer: Any) -> list[Example]:
    """Every record in tokens, whole. Raises Refused where a record has no messages, or the template rewrites itself."""
    return [_example(record, number, tokenizer) for number, record in enumerate(records, start=1)]


def packs_from(examples: Sequence[Example], length: int, seed: int) -> list[Pack]:
    """Shuffle by `seed` and fill packs of at most `length` tokens, in turn; every example is in exactly one pack."""
    shuffled = list(examples)
    random.Random(seed).shuffle(shuffled)
    packs: list[list[Example]] = []
    filled = length + 1
    for example in shuffled:
        if filled + len(example.ids) > length:
            packs.append([])
            filled = 0
        packs[-1].append(example)
        filled += len(example.ids)
    return [pack_of(pack) for pack in packs]


def pack_of(examples: Sequence[Example]) -> Pack:
    """One pack of these examples. The first label of each is dropped: it would be predicted from its neighbour."""
    ids = [token for example in examples for token in example.ids]
    labels = [label for example in examples for label in (NO_LABEL, *example.labels[1:])]
    positions = [position for example in examples for position in range(len(example.ids))]
    member = torch.tensor([number for number, example in enumerate(examples) for _ in example.ids])
    same = member.unsqueeze(0) == member.unsqueeze(1)
    return Pack(
        ids=torch.tensor([ids]),
        labels=torch.tensor([labels]),
        positions=torch.tensor([positions]),
        mask=torch.tril(same)[None, None],
    )


def _example(record: dict[str, Any], number: int, tokenizer: Any) -> Example:
    messages = record.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refused(f"Record {number} has no messages.", action='Write {"messages": [{"role", "content"}, …]}.')
    ids: list[int] = []
    labels: list[int] = []
    text = ""
    for turn, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        for upto, speaks in ((turn, False), (turn + 1, True)):
            longer = tokenizer.apply_chat_template(messages[:upto], tokenize=False, add_generation_prompt=not speaks)
            if not longer.startswith(text):
                raise Refused(
                    f"The chat template changes what it wrote before, at turn {turn + 1} of record {number}.",
                    action="Use a base whose template only appends, or records of one turn.",
                )
            new = tokenizer(longer[len(text) :], add_special_tokens=False).input_ids
            ids += new
            labels += new if speaks else [NO_LABEL] * len(new)
            text = longer
    return Example(ids, labels)
