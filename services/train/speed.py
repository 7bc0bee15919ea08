"""How fast a training is, against what the machine could do.

FLOP per token of training beside a frozen base: 4·P for the base (forward, and the gradient of its inputs), 6·P_lora
for the adapters, 3·A for attention with A = 2·layers·length·hidden, and 2·P + A more where activations are computed
twice. P counts the weights of linear layers, the output layer among them (Kaplan et al. 2020, arXiv:2001.08361,
section 2.1, with the weight gradients of frozen layers left out).
"""

from __future__ import annotations

import resource
import time
from typing import Any

import torch

#: Side of the square matrices that the machine is measured with, and how often they are multiplied.
_SIDE = {"cpu": 1024, "cuda": 8192}
_REPEATS = 4


class Pace:
    """The speed of one run on `device`; measures once what the machine can do."""

    def __init__(self, model: Any, length: int, steps: int, device: str, *, checkpointing: bool) -> None:
        self._flop_per_token = flop_per_token(model, length, checkpointing=checkpointing)
        self._attainable = attainable_flop_per_s(device)
        self._steps, self._device = steps, device

    def of(self, step: int, tokens: int, seconds: float) -> dict[str, float]:
        """Tokens per second of a step, the share of the machine's arithmetic (`mfu`), memory in bytes, and the end.

        `memory_bytes` is the peak so far: of the GPU, or of this process. `eta_s` goes by this step's speed.
        """
        rate = tokens / seconds
        return {
            "tokens_per_s": rate,
            "mfu": rate * self._flop_per_token / self._attainable,
            "memory_bytes": _peak_bytes(self._device),
            "eta_s": seconds * (self._steps - step - 1),
        }


def _peak_bytes(device: str) -> int:
    if torch.device(device).type == "cuda":
        return int(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def flop_per_token(model: Any, length: int, *, checkpointing: bool) -> float:
    """What training `model` costs for each token of packs of `length` tokens."""
    frozen = tuned = 0
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear):
            weights = module.in_features * module.out_features
            if "lora_" in name or module.weight.requires_grad:
                tuned += weights
            else:
                frozen += weights
    config = model.config
    attention = 2 * config.num_hidden_layers * length * config.hidden_size
    again = 2 * (frozen + tuned) + attention if checkpointing else 0
    return float(4 * frozen + 6 * tuned + 3 * attention + again)


def attainable_flop_per_s(device: str) -> float:
    """What a large matrix product reaches here and now, in the type that training computes in."""
    kind = torch.device(device).type
    dtype = torch.float32 if kind == "cpu" else torch.bfloat16
    side = _SIDE[kind]
    left, right = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    fastest = float("inf")
    for _ in range(_REPEATS):
        began = time.perf_counter()
        product = left @ right
        product[0, 0].item()  # waits for the device
        fastest = min(fastest, time.perf_counter() - began)
    return 2 * side**3 / fastest
