"""`dossier bench generate`: tokens per second of the server, against transformers' own `generate` in the same run.

A small Llama with random weights answers 16 requests of different lengths: one after the other with transformers, and
all at once over the server's scheduler, which lets requests join and leave between two tokens. Both are greedy and
give the same tokens.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from services.generate.language_model import LanguageModel
from services.generate.sampling import Sampling
from services.generate.scheduling import Asked, Failed, Scheduler, Step

_REQUESTS, _NEW_TOKENS, _VOCABULARY = 16, 48, 2048


def bench() -> dict[str, Any]:
    """Print the table, return the figures."""
    language = _language()
    prompts = [torch.randint(3, _VOCABULARY, (20 + 7 * number,)).tolist() for number in range(_REQUESTS)]
    began = time.perf_counter()
    alone = [_alone(language, prompt) for prompt in prompts]
    alone_s = time.perf_counter() - began
    began = time.perf_counter()
    together, first_s = _together(language, prompts)
    together_s = time.perf_counter() - began
    tokens = _REQUESTS * _NEW_TOKENS
    figures = {
        "requests": _REQUESTS,
        "tokens_per_s": tokens / together_s,
        "transformers_tokens_per_s": tokens / alone_s,
        "ratio": alone_s / together_s,
        "first_token_s": first_s,
        "same_tokens": sum(ours == theirs for ours, theirs in zip(together, alone, strict=True)) / _REQUESTS,
    }
    for name, value in figures.items():
        sys.stdout.write(f"{name:40} {value:>12,.3f}\n")
    return figures


def _language() -> LanguageModel:
    from tokenizers import Tokenizer, models

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=_VOCABULARY,
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        eos_token_id=None,
        initializer_range=0.3,
    )
    words = {f"w{number}": number for number in range(_VOCABULARY)}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel(words, unk_token="w0")))  # type: ignore[no-untyped-call]
    model: Any = LlamaForCausalLM(config)
    return LanguageModel(model.eval(), tokenizer, "cpu", "bench", "", [], 512)


def _alone(language: LanguageModel, prompt: list[int]) -> list[int]:
    ids = torch.tensor([prompt])
    with torch.inference_mode():
        made = language.model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=_NEW_TOKENS, do_sample=False, pad_token_id=0
        )
    return [int(token) for token in made[0, len(prompt) :]]


def _together(language: LanguageModel, prompts: list[list[int]]) -> tuple[list[list[int]], float]:
    """Each answer's tokens, and the seconds until every request had its first one."""
    scheduler = Scheduler(language, max_batch_size=_REQUESTS, max_concurrent=_REQUESTS)
    made: list[list[int]] = [[] for _ in prompts]
    firsts: list[float] = []
    done = threading.Semaphore(0)
    began = time.perf_counter()

    def collect(tokens: list[int], step: Step | Failed) -> None:
        if isinstance(step, Failed):
            raise step
        if not tokens:
            firsts.append(time.perf_counter() - began)
        tokens.append(step.token.id)
        if step.end is not None:
            done.release()

    greedy = Sampling()
    for prompt, tokens in zip(prompts, made, strict=True):
        scheduler.submit(Asked(prompt, _NEW_TOKENS, greedy, lambda step, tokens=tokens: collect(tokens, step)))  # type: ignore[misc]
    scheduler.start()
    for _ in prompts:
        done.acquire()
    scheduler.stop()
    return made, max(firsts)
