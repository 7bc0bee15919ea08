"""Early stopping: look at held-out records now and then, keep the best adapter, end where nothing gets better.

The score is the share of records whose whole answer the model would write by itself, greedily. One forward pass tells:
a greedy answer is the right one exactly where, behind the right beginning, every next token is the likeliest.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from services.train.instructions import NO_LABEL, Example, pack_of
from services.train.quantization import evaluating


@dataclass
class Watch:
    """The best score so far, in 0..1, its loss in nats per label token, and how many looks brought nothing better."""

    score: float = -1.0
    loss: float = float("inf")
    stale: int = 0

    def look(self, model: Any, held_out: Sequence[Example], best: Path | None, device: str) -> dict[str, float]:
        """Score the model, keep its adapter in `best` where none was better; the measurements of this look.

        Equal scores are decided by the loss. With `best` None somebody else keeps it.
        """
        score, loss = _scored(model, held_out, device)
        if (score, -loss) > (self.score, -self.loss):
            self.score, self.loss, self.stale = score, loss, 0
            if best is not None:
                _kept(model, best)
        else:
            self.stale += 1
        return {"held_out_score": score, "held_out_loss": loss}

    def state(self) -> dict[str, Any]:
        """As it goes into a checkpoint: `Watch(**state)` goes on from there."""
        return asdict(self)


def _scored(model: Any, held_out: Sequence[Example], device: str) -> tuple[float, float]:
    was_training = model.training
    evaluating(model)
    right, loss, labels = 0, 0.0, 0
    with torch.inference_mode():
        for example in held_out:
            pack = pack_of([example])
            logits = model(input_ids=pack.ids.to(device), use_cache=False).logits[0, :-1].float()
            wanted = pack.labels[0, 1:].to(device)
            learned = wanted != NO_LABEL
            right += bool((logits.argmax(dim=-1)[learned] == wanted[learned]).all())
            loss += float(torch.nn.functional.cross_entropy(logits, wanted, reduction="sum", ignore_index=NO_LABEL))
            labels += int(learned.sum())
    model.train(was_training)
    return right / len(held_out), loss / labels


def _kept(model: Any, best: Path) -> None:
    """The adapter in `best`, the older one until the newer one is whole."""
    aside = best.with_name(f".{best.name}.partial")
    shutil.rmtree(aside, ignore_errors=True)
    model.save_pretrained(aside)
    shutil.rmtree(best, ignore_errors=True)
    aside.rename(best)
