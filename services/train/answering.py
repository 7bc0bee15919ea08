"""What two language models answer to the same held-out instructions, for the gate.

Both answer greedily, one after the other in memory. The class is compared as it stands, fields one by one; an answer
that is no JSON object has no field. This module judges nothing (`gate.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer

from services.train.gate import Pair
from services.train.quantization import loaded

#: Longer answers than the truth by so many tokens are wrong anyway.
SLACK_TOKENS = 8


def pairs_of(candidate: Path, promoted: Path, records: Sequence[dict[str, Any]], device: str = "cpu") -> list[Pair]:
    """Both models' answers to `records` (with `document`) beside the truth, one pair for each class and field."""
    ours, theirs = (answers_of(folder, records, device) for folder in (candidate, promoted))
    pairs: list[Pair] = []
    for record, our, their in zip(records, ours, theirs, strict=True):
        pairs += _pairs(record, our, their)
    return pairs


def answers_of(folder: Path, records: Sequence[dict[str, Any]], device: str = "cpu") -> list[str]:
    """The greedy answer of the model in `folder` to each record's first turn."""
    model = loaded(folder, device, torch.float32 if device == "cpu" else torch.bfloat16).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    return [_answer(model, tokenizer, record, device) for record in records]


def _answer(model: Any, tokenizer: Any, record: dict[str, Any], device: str) -> str:
    asked, truth = record["messages"][0], record["messages"][1]["content"]
    prompt = tokenizer.apply_chat_template([asked], tokenize=False, add_generation_prompt=True)
    ids = torch.tensor([tokenizer(prompt, add_special_tokens=False).input_ids], device=device)
    most = len(tokenizer(truth, add_special_tokens=False).input_ids) + SLACK_TOKENS
    with torch.inference_mode():
        made = model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=most, do_sample=False, use_cache=True
        )
    return str(tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True)).strip()


def _pairs(record: dict[str, Any], ours: str, theirs: str) -> Iterator[Pair]:
    document, truth = record["document"], record["messages"][1]["content"]
    fields = _fields(truth)
    if fields is None:
        yield Pair(document, truth, truth, ours, theirs)
        return
    our, their = _fields(ours) or {}, _fields(theirs) or {}
    for name, value in fields.items():
        written = (_written(answered, name) for answered in (our, their))
        yield Pair(document, name, _plain(value), *written)


def _fields(answer: str) -> dict[str, Any] | None:
    try:
        found = json.loads(answer)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _written(answered: dict[str, Any], name: str) -> str:
    """A field as it was answered; what was not answered is no null."""
    return _plain(answered[name]) if name in answered else "(no answer)"


def _plain(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
