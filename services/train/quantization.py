"""NF4: load a base in four bits, and measure how many bits it really takes (arXiv:2305.14314, section 3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bitsandbytes
import torch
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from shared.errors import Refused


@dataclass(frozen=True)
class Footprint:
    """What the quantized layers take. `parameters` counts their weights before packing.

    `bits_per_parameter` has the weights and their scales; the paper's 4 + 8/64 + 32/(64·256) = 4.127 with double
    quantization, 4 + 32/64 = 4.5 without. `table_bytes` are the code books, a fixed cost per layer beside that.
    """

    parameters: int
    bits_per_parameter: float
    table_bytes: int


def quantized(base: Path, device: str, *, double: bool) -> Any:
    """The causal language model in `base`, its linear layers in NF4; raises Refused where there is none.

    Computes in float32 on a CPU: bfloat16 takes minutes a step on one without AVX-512.
    """
    compute = torch.float32 if device == "cpu" else torch.bfloat16
    config = BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=double,
        bnb_4bit_compute_dtype=compute,
        # FSDP shards by storage type: on a GPU the packed weights must look like the others.
        bnb_4bit_quant_storage=torch.uint8 if device == "cpu" else torch.bfloat16,
    )
    return loaded(base, device, compute, quantization_config=config)


def loaded(base: Path, device: str, dtype: torch.dtype, **options: Any) -> Any:
    """The causal language model in `base`; raises Refused where there is none."""
    try:
        return AutoModelForCausalLM.from_pretrained(
            base, device_map={"": device}, dtype=dtype, local_files_only=True, **options
        )
    except (OSError, ValueError) as wrong:
        raise Refused(
            f"There is no base model in {base}.",
            action="Name a folder with config.json, *.safetensors and the tokenizer's files.",
            private=str(wrong),
        ) from wrong


def quantized_layers(model: Any) -> Iterator[tuple[str, Any]]:
    """Every NF4 layer with its name."""
    for name, module in model.named_modules():
        if isinstance(module, bitsandbytes.nn.Linear4bit):  # type: ignore[attr-defined]
            yield name, module


def evaluating(model: Any) -> Any:
    """The model without dropout, its NF4 layers computing as they do in training; the model itself.

    bitsandbytes rewrites the weights of layers in evaluation mode for CPUs with AVX512-BF16, and then computes in
    bfloat16 and without gradients: what is measured would not be what was trained, and training could not go on.
    """
    model.eval()
    for _, layer in quantized_layers(model):
        layer.training = True
    return model


def dequantized(layer: Any) -> torch.Tensor:
    """The weights of an NF4 layer as training saw them, float32, shape [out, in]."""
    weights: torch.Tensor = bitsandbytes.functional.dequantize_4bit(layer.weight.data, layer.weight.quant_state)
    return weights.float()


def footprint(model: Any) -> Footprint:
    """Measure the quantized layers of a loaded model; raises ValueError where it has none."""
    parameters = stored = tables = 0
    for _, layer in quantized_layers(model):
        state = layer.weight.quant_state
        parameters += state.shape[0] * state.shape[1]
        stored += layer.weight.data.nbytes + state.absmax.nbytes
        tables += state.code.nbytes
        if state.nested:
            stored += state.state2.absmax.nbytes
            tables += state.state2.code.nbytes + state.offset.nbytes
    if parameters == 0:
        raise ValueError("the model has no quantized layer")
    return Footprint(parameters, 8 * stored / parameters, tables)
