"""A Llama of a given shape with random weights in NF4, to measure speed and memory with; it knows nothing.

It is built layer by layer: nothing is downloaded, and the 16-bit model never exists as a whole.

    python -m services.train.shaped --shape 7b --device cuda [--steps 10] [--length 2048] [--rank 64]

prints, as its last line, JSON: tokens per second here and in the plain loop of transformers and PEFT in the same run,
the peak of memory, the share of the machine's arithmetic, bits per parameter, and the trainable share.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import bitsandbytes
import peft
import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.integrations.bitsandbytes import replace_with_bnb_linear
from transformers.utils.quantization_config import BitsAndBytesConfig

from services.train.instructions import Example, Pack, pack_of
from services.train.qlora import loss_of
from services.train.quantization import footprint
from services.train.speed import attainable_flop_per_s, flop_per_token


@dataclass(frozen=True)
class Shape:
    """A Llama's dimensions; `key_value_heads` below `heads` is grouped-query attention."""

    hidden: int
    inner: int
    layers: int
    heads: int
    key_value_heads: int
    vocabulary: int = 32000


#: Llama's own shapes (arXiv:2302.13971, table 2); "tiny" is for trying this program out.
SHAPES = {
    "tiny": Shape(256, 512, 2, 4, 2, 1024),
    "7b": Shape(4096, 11008, 32, 32, 32),
    "13b": Shape(5120, 13824, 40, 40, 40),
    "33b": Shape(6656, 17920, 60, 52, 52),
    "65b": Shape(8192, 22016, 80, 64, 64),
}


def empty(shape: Shape) -> Any:
    """The model without weights (meta device): to count with, and to fill."""
    config = LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.inner,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_value_heads,
        max_position_embeddings=4096,
    )
    with torch.device("meta"):
        return LlamaForCausalLM(config)


def trainable_share(shape: Shape, rank: int, targets: str | list[str] = "all-linear") -> tuple[int, int, float]:
    """Trainable parameters, all parameters of the base, and the share in 0..1, counted on a model without weights."""
    model = empty(shape)
    total = sum(parameter.numel() for parameter in model.parameters())
    tuned = peft.get_peft_model(model, peft.LoraConfig(r=rank, target_modules=targets, task_type="CAUSAL_LM"))
    trained = sum(parameter.numel() for parameter in tuned.parameters() if parameter.requires_grad)
    return trained, total, trained / total


def filled(shape: Shape, device: str, *, double: bool = True) -> Any:
    """The model with random weights on `device`: linear layers in NF4 but for the last, all else in 16 bits.

    float32 in place of 16 bits on a CPU. At no time is more than one layer there in full precision.
    """
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    model = empty(shape)
    config = BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=double, bnb_4bit_compute_dtype=dtype
    )
    model = replace_with_bnb_linear(model, modules_to_not_convert=["lm_head"], quantization_config=config)
    model.is_loaded_in_4bit = True
    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            module.register_parameter(name, _random(module, parameter, device, dtype, double=double))
        for name, buffer in list(module.named_buffers(recurse=False)):
            if buffer.device.type == "meta":
                module.register_buffer(name, torch.empty_like(buffer, device=device), persistent=False)
    _rotations(model, device)
    return model


def _random(module: nn.Module, like: nn.Parameter, device: str, dtype: torch.dtype, *, double: bool) -> nn.Parameter:
    if isinstance(module, bitsandbytes.nn.Linear4bit):  # type: ignore[attr-defined]
        weights = torch.randn(module.out_features, module.in_features, dtype=dtype, device=device) * 0.02
        packed: Any = bitsandbytes.nn.Params4bit(  # type: ignore[attr-defined]
            weights, requires_grad=False, quant_type="nf4", compress_statistics=double
        )
        quantized: nn.Parameter = packed.to(device)
        return quantized
    if like.dim() == 1:
        return nn.Parameter(torch.ones(like.shape, dtype=dtype, device=device), requires_grad=False)
    return nn.Parameter(torch.randn(like.shape, dtype=dtype, device=device) * 0.02, requires_grad=False)


def _rotations(model: Any, device: str) -> None:
    """Positions are computed, not learned: their frequencies come from the configuration."""
    rotary = type(model.model.rotary_emb)(config=model.config)
    model.model.rotary_emb = rotary.to(device)


def measured(
    shape: Shape, device: str, *, length: int, steps: int, rank: int, report: Callable[[str], None] = lambda line: None
) -> dict[str, Any]:
    """Train `steps` optimizer steps (after one that is not counted), ours and plain; see the module's docstring."""
    report("building")
    model = filled(shape, device)
    bits = footprint(model).bits_per_parameter
    model = peft.prepare_model_for_kbit_training(  # type: ignore[no-untyped-call]
        model, use_gradient_checkpointing=True, gradient_checkpointing_kwargs={"use_reentrant": False}
    )
    lora = peft.LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")
    model = peft.get_peft_model(model, lora).train()
    model.config.use_cache = False
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer: Any = (
        torch.optim.AdamW(trained, lr=1e-4) if device == "cpu" else bitsandbytes.optim.PagedAdamW8bit(trained, lr=1e-4)  # type: ignore[attr-defined, no-untyped-call]
    )
    examples = list(_examples(shape, length))
    rates = {}
    for name, losses in (("ours", _ours), ("plain", _plain)):
        report(name)
        rates[name] = _rate(model, optimizer, losses, examples, device, steps)
    cost = flop_per_token(model, length, checkpointing=True)
    return {
        "shape": asdict(shape),
        "device": torch.cuda.get_device_name() if device != "cpu" else "cpu",
        "bits_per_parameter": bits,
        "trainable_share": trainable_share(shape, rank)[2],
        "tokens_per_s": rates,
        "ratio": rates["ours"] / rates["plain"],
        "mfu": rates["ours"] * cost / attainable_flop_per_s(device),
        "peak_bytes": torch.cuda.max_memory_allocated() if device != "cpu" else None,
    }


def _examples(shape: Shape, length: int) -> Iterator[Example]:
    """Records that fill one pack of `length` tokens, of the mixed lengths that corrections have."""
    generator = torch.Generator().manual_seed(0)
    left = length
    while left >= 8:
        size = min(left, int(torch.randint(length // 16, length // 3, (1,), generator=generator)))
        ids = torch.randint(0, shape.vocabulary, (size,), generator=generator).tolist()
        yield Example(ids, [-100] * (size * 4 // 5) + ids[size * 4 // 5 :])
        left -= size


#: (model, examples, device) -> losses to sum, each of which is taken back through the model on its own.
Losses = Callable[[Any, list[Example], str], Iterator[torch.Tensor]]


def _ours(model: Any, examples: list[Example], device: str) -> Iterator[torch.Tensor]:
    """All records in one pack, none of which sees another."""
    pack: Pack = pack_of(examples)
    yield loss_of(model, pack, device) / pack.label_tokens


def _plain(model: Any, examples: list[Example], device: str) -> Iterator[torch.Tensor]:
    """The loop of every tutorial: pad to the longest record, in micro-batches of two, labels to the model."""
    for at in range(0, len(examples), 2):
        pair = examples[at : at + 2]
        width = max(len(example.ids) for example in pair)
        ids = torch.tensor([example.ids + [0] * (width - len(example.ids)) for example in pair], device=device)
        labels = torch.tensor([one.labels + [-100] * (width - len(one.labels)) for one in pair], device=device)
        real = torch.tensor([[1] * len(one.ids) + [0] * (width - len(one.ids)) for one in pair], device=device)
        yield model(input_ids=ids, attention_mask=real, labels=labels, use_cache=False).loss


def _rate(model: Any, optimizer: Any, losses: Losses, examples: list[Example], device: str, steps: int) -> float:
    """Tokens of records per second; padding is no token."""
    began = 0.0
    for step in range(steps + 1):
        if step == 1:
            _wait(device)
            began = time.perf_counter()
        for loss in losses(model, examples, device):
            loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    _wait(device)
    return steps * sum(len(example.ids) for example in examples) / (time.perf_counter() - began)


def _wait(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize()


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m services.train.shaped", description=__doc__)
    parser.add_argument("--shape", choices=SHAPES, default="tiny")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--length", type=int, default=2048)
    parser.add_argument("--rank", type=int, default=64)
    given = parser.parse_args()
    figures = measured(
        SHAPES[given.shape],
        given.device,
        length=given.length,
        steps=given.steps,
        rank=given.rank,
        report=lambda line: print(line, file=sys.stderr, flush=True),  # noqa: T201
    )
    print(json.dumps(figures))  # noqa: T201


if __name__ == "__main__":
    main()
