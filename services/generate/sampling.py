"""Which token comes next: penalties, then temperature, top-k, top-p and typical filtering, then a draw.

The order and the meaning of each are TGI's (server/text_generation_server/utils/logits_process.py, v3.3.7); the
log-probabilities are those of the distribution that was drawn from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Sampling:
    """How to choose. None switches a step off; `do_sample` False takes the likeliest token.

    `temperature` > 0; `top_p` and `typical_p` in (0, 1); `top_k` >= 1; `repetition_penalty` > 0 (1 is none);
    `frequency_penalty` in [-2, 2] (0 is none).
    """

    do_sample: bool = False
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    typical_p: float | None = None
    repetition_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None

    @property
    def plain(self) -> bool:
        """Whether the likeliest token is taken from scores that nothing changes."""
        return not self.do_sample and self.repetition_penalty is None and self.frequency_penalty is None


def scores_from(logits: Tensor, sampling: Sampling, context: list[int], allowed: Tensor | None) -> Tensor:
    """Log-probabilities over the vocabulary, shape [V], float32; what is filtered out has minus infinity.

    `context` is prompt and answer so far; `allowed` is a mask of the tokens a grammar permits, None for all.
    """
    scores = logits.float()
    if sampling.repetition_penalty is not None or sampling.frequency_penalty is not None:
        scores = _penalised(scores, sampling, torch.tensor(context, device=scores.device))
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    if sampling.do_sample:
        scores = _filtered(scores / (sampling.temperature or 1.0), sampling)
    return torch.log_softmax(scores, dim=-1)


def choose(scores: Tensor, sampling: Sampling, generator: Any) -> int:
    """The next token's id: drawn by `generator` (a torch.Generator on the CPU), or the likeliest."""
    if not sampling.do_sample:
        return int(scores.argmax())
    return int(torch.multinomial(scores.exp().cpu(), 1, generator=generator))


def _penalised(scores: Tensor, sampling: Sampling, context: Tensor) -> Tensor:
    if sampling.repetition_penalty is not None:  # arXiv:1909.05858, section 4.1
        seen = scores[context]
        penalty = sampling.repetition_penalty
        scores = scores.index_put((context,), torch.where(seen < 0, seen * penalty, seen / penalty))
    if sampling.frequency_penalty is not None:
        counts = torch.bincount(context, minlength=scores.shape[-1])[: scores.shape[-1]]
        scores = scores - counts.to(scores.dtype) / max(len(context), 1) * sampling.frequency_penalty
    return scores


def _filtered(scores: Tensor, sampling: Sampling) -> Tensor:
    if sampling.top_k is not None:
        least = torch.topk(scores, min(sampling.top_k, scores.shape[-1])).values[-1]
        scores = scores.masked_fill(scores < least, -torch.inf)
    if sampling.top_p is not None:  # the smallest set of tokens with probability top_p or more
        ordered, places = torch.sort(scores, descending=True)
        scores = _kept(scores, places, torch.softmax(ordered, dim=-1), sampling.top_p)
    if sampling.typical_p is not None:  # arXiv:2202.00666
        logprobs = torch.log_softmax(scores, dim=-1)
        entropy = -(logprobs.exp() * logprobs.masked_fill(logprobs == -torch.inf, 0)).sum()
        places = torch.sort((-logprobs - entropy).abs()).indices
        scores = _kept(scores, places, logprobs.exp()[places], sampling.typical_p)
    return scores


def _kept(scores: Tensor, places: Tensor, ordered: Tensor, mass: float) -> Tensor:
    """Keep the first of `places` until their probabilities `ordered` sum up to `mass`; always at least one."""
    before = ordered.cumsum(dim=-1) - ordered
    before[0] = 0
    left_out = torch.zeros_like(scores, dtype=torch.bool).scatter(0, places, before >= mass)
    return scores.masked_fill(left_out, -torch.inf)
