"""`dossier bench train`: bits per parameter, trainable shares, and tokens per second against the plain loop.

The reference is what every tutorial does with transformers and PEFT, on the same model in the same run: records padded
to the longest of a micro-batch. On a CPU the model is a small one with random weights; `services/train/shaped.py`
measures the shapes of Llama on a GPU.
"""

from __future__ import annotations

import sys
from typing import Any

from services.train.quantization import footprint
from services.train.shaped import SHAPES, Shape, filled, measured, trainable_share

_SMALL = Shape(hidden=256, inner=512, layers=4, heads=4, key_value_heads=2, vocabulary=4096)
#: Rank and layers, on the shape of Llama-2-7B without weights.
_SHARES: tuple[tuple[int, str | list[str]], ...] = (
    (5, "all-linear"),
    (26, ["q_proj", "v_proj"]),
    (16, "all-linear"),
    (64, "all-linear"),
)


def bench() -> dict[str, Any]:
    """Print the tables, return the figures."""
    figures: dict[str, Any] = {"bits_per_parameter": {}, "trainable_of_7b": {}}
    for double, formula in ((True, 4 + 8 / 64 + 32 / (64 * 256)), (False, 4 + 32 / 64)):
        bits = footprint(filled(SHAPES["tiny"], "cpu", double=double)).bits_per_parameter
        name = "NF4, double quantization" if double else "NF4"
        figures["bits_per_parameter"][name] = bits
        _line(f"{name}: bits per parameter", f"{bits:.3f}", f"formula {formula:.3f}")
    for rank, targets in _SHARES:
        trained, total, share = trainable_share(SHAPES["7b"], rank, targets)
        name = f"rank {rank} on {targets if isinstance(targets, str) else ', '.join(targets)}"
        figures["trainable_of_7b"][name] = share
        _line(f"7B shape, {name}", f"{share:.2%}", f"{trained:,} of {total:,}")
    speed = measured(_SMALL, "cpu", length=512, steps=3, rank=16)
    figures |= {"tokens_per_s": speed["tokens_per_s"], "ratio": speed["ratio"], "mfu": speed["mfu"]}
    _line("tokens/s, packed (ours)", f"{speed['tokens_per_s']['ours']:,.0f}", f"{speed['mfu']:.0%} of a matrix product")
    _line("tokens/s, padded (plain loop)", f"{speed['tokens_per_s']['plain']:,.0f}", f"ratio {speed['ratio']:.2f}")
    return figures


def _line(what: str, value: str, beside: str) -> None:
    sys.stdout.write(f"{what:48} {value:>10}  {beside}\n")
