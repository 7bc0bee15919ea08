"""Many sequences of different lengths in one forward pass.

The cache of keys and values is padded on the left, so that all sequences end at the same column: a sequence joins by
being padded to the width of the others, and leaves by dropping its row. The attention mask hides the padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers.cache_utils import DynamicCache


class Batch:
    """The rows being generated. `lengths[row]` counts the real (unpadded) columns of the cache."""

    def __init__(self, model: Any, device: str) -> None:
        self._model = model
        self._device = device
        self._cache: Any = None
        self.lengths: list[int] = []

    def join(self, prompts: Sequence[list[int]], *, every_position: bool = False) -> list[Tensor]:
        """Read new prompts; they become the last rows. The logits after each of them, shape [1, V].

        With `every_position` the logits after each token of the prompt, shape [len(prompt), V].
        """
        width = max(len(prompt) for prompt in prompts)
        ids = torch.tensor([[0] * (width - len(prompt)) + prompt for prompt in prompts], device=self._device)
        lengths = [len(prompt) for prompt in prompts]
        cache: Any = DynamicCache()
        logits = self._forward(ids, lengths, width, cache, logits_to_keep=0 if every_position else 1)
        self._cache = cache if self._cache is None else _side_by_side(self._cache, cache)
        self.lengths += lengths
        if not every_position:
            return [row[-1:] for row in logits]
        return [row[width - len(prompt) :] for row, prompt in zip(logits, prompts, strict=True)]

    def step(self, tokens: list[int]) -> Tensor:
        """Append one token to each row; the logits after it, shape [rows, V]."""
        if self._cache is None:
            raise ValueError("the batch is empty")
        self.lengths = [length + 1 for length in self.lengths]
        width = self._cache.layers[0].keys.shape[-2] + 1
        ids = torch.tensor(tokens, device=self._device).unsqueeze(1)
        return self._forward(ids, self.lengths, width, self._cache)[:, -1]

    def keep(self, rows: list[int]) -> None:
        """Drop all other rows, and the columns that only they needed."""
        self.lengths = [self.lengths[row] for row in rows]
        if self._cache is None or not rows:
            self._cache = None
            return
        width, chosen = max(self.lengths), torch.tensor(rows, device=self._device)
        for layer in self._cache.layers:
            layer.keys = layer.keys.index_select(0, chosen)[:, :, -width:].contiguous()
            layer.values = layer.values.index_select(0, chosen)[:, :, -width:].contiguous()

    @torch.inference_mode()
    def _forward(self, ids: Tensor, lengths: list[int], width: int, cache: Any, logits_to_keep: int = 0) -> Tensor:
        real = torch.tensor(lengths, device=self._device).unsqueeze(1)
        columns = torch.arange(width, device=self._device).unsqueeze(0)
        positions = (columns - (width - real)).clamp(min=0)[:, -ids.shape[1] :]
        output = self._model(
            input_ids=ids,
            attention_mask=(columns >= width - real).long(),
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=logits_to_keep,
        )
        logits: Tensor = output.logits
        return logits


def _side_by_side(left: Any, right: Any) -> Any:
    """The rows of both, padded on the left to one width."""
    for one, other in zip(left.layers, right.layers, strict=True):
        width = max(one.keys.shape[-2], other.keys.shape[-2])
        one.keys = torch.cat([_widened(one.keys, width), _widened(other.keys, width)])
        one.values = torch.cat([_widened(one.values, width), _widened(other.values, width)])
    return left


def _widened(states: Tensor, width: int) -> Tensor:
    return pad(states, (0, 0, width - states.shape[-2], 0))
