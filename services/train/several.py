"""One training on several devices: each takes its share of a step's packs, all take the same step.

    torchrun --nproc-per-node 2 -m services.train.qlora JOB.json
    accelerate launch --num_processes 2 -m services.train.qlora JOB.json

Every process holds the whole base (in four bits) and the whole adapter; only the adapter's gradients, some per cent of
the weights, are added up over the processes, once a step. The loss is that of one process over all packs: each label
token weighs the same, whoever counted it. A base that does not fit on one device is not for this.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor, distributed

Pack = TypeVar("Pack")


class Several:
    """The processes of this training; alone, where nobody launched more. `rank` 0 reports and writes."""

    def __init__(self, rank: int = 0, of: int = 1, local_rank: int = 0) -> None:
        self.rank, self.of, self.local_rank = rank, of, local_rank

    def own(self, packs: Sequence[Pack]) -> list[Pack]:
        """The share of this process; may be empty."""
        return list(packs[self.rank :: self.of])

    def added(self, value: float) -> float:
        """The sum of every process's value; all must ask."""
        if self.of == 1:
            return value
        total = torch.tensor([value], dtype=torch.float64)
        if distributed.get_backend() == "nccl":
            total = total.to(f"cuda:{self.local_rank}")
        distributed.all_reduce(total)
        return float(total)

    def add_gradients(self, trained: Sequence[Tensor]) -> None:
        """Give every process the sum of the gradients."""
        if self.of == 1:
            return
        for parameter in trained:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        whole = torch.cat([parameter.grad.flatten() for parameter in trained if parameter.grad is not None])
        distributed.all_reduce(whole)
        at = 0
        for parameter in trained:
            parameter.grad = whole[at : at + parameter.numel()].view_as(parameter)
            at += parameter.numel()


def launched() -> Several:
    """The processes that torchrun or accelerate launched, connected; just this one otherwise."""
    if not distributed.is_available() or not distributed.is_torchelastic_launched():
        return Several()
    distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    local_rank = distributed.get_node_local_rank(fallback_rank=0)
    return Several(distributed.get_rank(), distributed.get_world_size(), local_rank)
