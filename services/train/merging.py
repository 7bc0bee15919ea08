"""From base and adapter to one bfloat16 model that any server loads, and the proof that it is the model that was tuned.

QLoRA's adapter learned beside weights that NF4 had rounded. So the adapter is added to the DEQUANTISED NF4 weights:
adding it to the original ones gives another model than training saw, and merging in four bits rounds a second time
(peft issues 1043 and 2321). One file of the base is read, merged and written at a time, so memory holds one shard.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import bitsandbytes
import peft
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoTokenizer

from services.train.failpoints import reached
from services.train.instructions import Pack
from services.train.quantization import evaluating, loaded, quantized
from shared.errors import Refused

INDEX = "model.safetensors.index.json"
#: PEFT writes names as base_model.model.<name in the base>.lora_A.weight.
PEFT_PREFIX = "base_model.model."


@dataclass(frozen=True)
class Bound:
    """What a merged model may differ by: Kullback-Leibler divergence in nats per token, and greedy choices.

    Measured (docs/measurements/train.md): the right merge, which only rounds to bfloat16, is 4.5e-6 nats off on a small
    random base and 3.8e-5 on one that has learned; a merge into the original weights 5.3e-4 and 3.0e-2. Measure anew
    before trusting it at 7B.
    """

    mean_kl: float = 1e-4
    agreement: float = 0.98


@dataclass(frozen=True)
class Fidelity:
    """Adapter on the four-bit base against merged, over `tokens` positions.

    `mean_kl` and `largest_kl` are of KL(tuned || merged) in nats; `agreement` is the share of positions with the same
    likeliest token.
    """

    tokens: int
    mean_kl: float
    largest_kl: float
    agreement: float


def merge(base: Path, adapter: Path, out: Path, *, double: bool | None, card: str) -> Path:
    """Write the merged model to `out`, with tokenizer, chat template, generation config and model card; `out`.

    `double` says how training quantized the base (with double quantization or not), None where it did not.
    `card` becomes README.md. `out` appears whole or not at all. Raises Refused where a weight of the adapter finds
    no place in the base.
    """
    deltas = _Deltas(adapter)
    aside = out.with_name(f".{out.name}.partial")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    for shard in _shards(base):
        weights = {name: _merged(name, weight, deltas, double) for name, weight in _weights(shard)}
        save_file(weights, aside / shard.name, metadata={"format": "pt"})
        reached("merging")
    if missing := deltas.unused():
        raise Refused(f"The adapter has weights for {missing[0]}, which the base has not.", action="Name its base.")
    _write_the_rest(base, adapter, aside, card)
    shutil.rmtree(out, ignore_errors=True)
    aside.rename(out)
    return out


def fidelity(
    base: Path, adapter: Path, merged: Path, packs: Sequence[Pack], *, double: bool | None, device: str = "cpu"
) -> Fidelity:
    """Compare the logits of the tuned model (adapter beside the quantized base) and of the merged one over `packs`."""
    tuned = quantized(base, device, double=double) if double is not None else loaded(base, device, torch.float32)
    tuned = evaluating(peft.PeftModel.from_pretrained(tuned, adapter))
    other = loaded(merged, device, torch.float32 if device == "cpu" else torch.bfloat16).eval()
    divergences, same = [], []
    with torch.inference_mode():
        for pack in packs:
            ours, theirs = (_log_probabilities(model, pack, device) for model in (tuned, other))
            divergences.append((ours.exp() * (ours - theirs)).sum(dim=-1))
            same.append(ours.argmax(dim=-1) == theirs.argmax(dim=-1))
    divergence, agreed = torch.cat(divergences), torch.cat(same)
    return Fidelity(
        tokens=len(divergence),
        mean_kl=float(divergence.mean().clamp(min=0)),
        largest_kl=float(divergence.max()),
        agreement=float(agreed.float().mean()),
    )


def prove(measured: Fidelity, bound: Bound = Bound()) -> None:
    """Raise Refused where a merged model differs from the tuned one by more than `bound`."""
    if measured.mean_kl > bound.mean_kl or measured.agreement < bound.agreement:
        raise Refused(
            f"The merged model is not the one that was tuned: {measured.mean_kl:.2g} nats a token apart"
            f" (at most {bound.mean_kl:.2g}), {measured.agreement:.1%} equal choices (at least {bound.agreement:.1%}).",
            action="Merge again with the quantization that training used.",
            code="unfaithful_merge",
            private=str(asdict(measured)),
        )


class _Deltas:
    """The low-rank updates of an adapter, by the name of the weight they belong to."""

    def __init__(self, adapter: Path) -> None:
        config = json.loads((adapter / "adapter_config.json").read_text())
        rank, alpha = config["r"], config["lora_alpha"]
        self._scale = alpha / rank**0.5 if config.get("use_rslora") else alpha / rank
        self._factors = load_file(adapter / "adapter_model.safetensors")
        self._left = {name.partition(".lora_")[0].removeprefix(PEFT_PREFIX) for name in self._factors}

    def of(self, name: str) -> Tensor | None:
        """B·A·scale for the weight called `name`, float32; None where the adapter leaves it alone."""
        module = name.removesuffix(".weight")
        if module not in self._left:
            return None
        self._left.discard(module)
        a, b = (self._factors[f"{PEFT_PREFIX}{module}.lora_{side}.weight"].float() for side in "AB")
        delta: Tensor = b @ a * self._scale
        return delta

    def unused(self) -> list[str]:
        """Modules whose updates nobody asked for."""
        return sorted(self._left)


def _merged(name: str, weight: Tensor, deltas: _Deltas, double: bool | None) -> Tensor:
    delta = deltas.of(name)
    if delta is None:
        return weight.to(torch.bfloat16).contiguous()
    seen = weight.float() if double is None else _through_nf4(weight.float(), double=double)
    return (seen + delta).to(torch.bfloat16).contiguous()


def _through_nf4(weight: Tensor, *, double: bool) -> Tensor:
    """The weight as NF4 leaves it."""
    packed, state = bitsandbytes.functional.quantize_4bit(
        weight, blocksize=64, compress_statistics=double, quant_type="nf4"
    )
    back: Tensor = bitsandbytes.functional.dequantize_4bit(packed, state)
    return back


def _shards(base: Path) -> list[Path]:
    shards = sorted(base.glob("model*.safetensors"))
    if not shards:
        raise Refused(f"There are no safetensors in {base}.", action="Name the folder of the base model.")
    return shards


def _weights(shard: Path) -> Iterator[tuple[str, Tensor]]:
    with safe_open(shard, framework="pt") as opened:
        for name in opened.keys():  # noqa: SIM118  # not a mapping
            yield name, opened.get_tensor(name)


def _write_the_rest(base: Path, adapter: Path, out: Path, card: str) -> None:
    """Everything beside the weights; its absence is the usual reason why a merge "broke" a model."""
    config = json.loads((base / "config.json").read_text())
    config.pop("quantization_config", None)
    config.pop("torch_dtype", None)
    (out / "config.json").write_text(json.dumps(config | {"dtype": "bfloat16"}, indent=2))
    for name in ("generation_config.json", INDEX):
        if (base / name).is_file():
            shutil.copyfile(base / name, out / name)
    AutoTokenizer.from_pretrained(adapter, local_files_only=True).save_pretrained(out)
    (out / "README.md").write_text(card)


def _log_probabilities(model: Any, pack: Pack, device: str) -> Tensor:
    logits: Tensor = model(
        input_ids=pack.ids.to(device), position_ids=pack.positions.to(device), attention_mask=pack.mask.to(device)
    ).logits[0]
    return torch.log_softmax(logits.float(), dim=-1)
