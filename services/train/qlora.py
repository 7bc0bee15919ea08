"""One fine-tuning run, from a base and records to an adapter: QLoRA, LoRA, or all weights.

    python -m services.train.qlora JOB.json

JOB.json: `{"recipe": {…}, "records": "records.jsonl", "folder": "where/the/run/lives"}`. The folder gets
`checkpoints/`, `metrics.jsonl` (a line for each optimizer step; after a crash the steps since the last checkpoint
appear twice) and, at the end, `adapter/`. Started again over the
same folder the run continues after its newest whole checkpoint, with the same losses as if it had never stopped: the
order of the records follows from `data_seed`, and the randomness of each step from its own number.

SIGTERM saves and ends with status 75 (try again later). It talks to no database: whoever supervises it does.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import bitsandbytes
import peft
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor
from transformers import AutoTokenizer

from services.train import checkpoints, failpoints
from services.train.checkpoints import Checkpoint
from services.train.failpoints import reached
from services.train.instructions import Pack, examples_from, packs_from
from services.train.quantization import loaded, quantized
from services.train.settings import TrainSettings
from services.train.several import Several, launched
from services.train.speed import Pace
from services.train.stopping import Watch
from shared import logs
from shared.errors import DossierError, Refused

#: sysexits.h EX_TEMPFAIL: stopped in good order, start again.
STOPPED = 75
#: The adapter that did best on the held-out records, in the run's folder.
BEST = "best"


class Recipe(BaseModel):
    """How to train. The defaults are the QLoRA paper's where it has them (arXiv:2305.14314, appendix B).

    `length` is in tokens, of one record and of one pack; `packs_per_step` packs make one optimizer step.
    `steps` None means `epochs` passes over the records. `checkpoint_every` counts steps.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: Path
    method: Literal["qlora", "lora", "full"] = "qlora"
    rank: int = Field(default=16, ge=1)
    alpha: int = Field(default=32, gt=0)
    dropout: float = Field(default=0.05, ge=0, lt=1)
    double_quantization: bool = True
    learning_rate: float = Field(default=2e-4, gt=0)
    warmup_steps: int = Field(default=10, ge=0)
    largest_gradient: float = Field(default=0.3, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    length: int = Field(default=2048, ge=8)
    packs_per_step: int = Field(default=1, ge=1)
    epochs: int = Field(default=1, ge=1)
    steps: int | None = Field(default=None, ge=1)
    gradient_checkpointing: bool = True
    seed: int = 0
    data_seed: int = 0
    checkpoint_every: int = Field(default=50, ge=1)
    #: Look at the held-out records every so many steps, and end after `patience` looks that brought nothing better.
    evaluate_every: int | None = Field(default=None, ge=1)
    patience: int = Field(default=3, ge=1)
    device: str = "auto"


class Job(BaseModel):
    """One run: how, from which records (JSONL), and where it lives. `held_out` records are for early stopping."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: Recipe
    records: Path
    folder: Path
    held_out: Path | None = None


def train(
    recipe: Recipe,
    records: Sequence[dict[str, Any]],
    folder: Path,
    report: Callable[[dict[str, Any]], None] = lambda measured: None,
    stopping: Callable[[], bool] = lambda: False,
    held_out: Sequence[dict[str, Any]] = (),
    several: Several | None = None,
) -> Path | None:
    """Train to the end; the adapter's folder, or None where `stopping` ended it early (then it is saved).

    `report` gets the measurements of each step. With `held_out` records and `evaluate_every` the adapter is the one
    that did best on them. `several` share the work; None is this process alone. Raises Refused where base, records or
    recipe do not fit.
    """
    several = several or Several()
    tokenizer = AutoTokenizer.from_pretrained(recipe.base, local_files_only=True)
    schedule = steps_of(recipe, records, tokenizer)
    watched = examples_from(held_out, tokenizer, recipe.length) if held_out and recipe.evaluate_every else []
    model, device = prepared(recipe, several.local_rank)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = _optimizer(trained, recipe, device)
    first, watch = _resumed(folder / "checkpoints", recipe, model, optimizer, device)
    pace = Pace(model, recipe.length, len(schedule), device, checkpointing=recipe.gradient_checkpointing)
    for step in range(first, len(schedule)):
        if watch.stale >= recipe.patience:
            break
        if step > first:
            reached("training")
        began = time.perf_counter()
        measured = _one_step(model, optimizer, trained, schedule[step], recipe, step, device, several)
        tokens = sum(pack.ids.numel() for pack in schedule[step])
        measured |= pace.of(step, tokens, time.perf_counter() - began)
        last = step + 1 == len(schedule)
        if watched and recipe.evaluate_every and (last or (step + 1) % recipe.evaluate_every == 0):
            best = folder / BEST if several.rank == 0 else None
            measured |= watch.look(model, watched, best, device)
        stop = several.added(stopping()) > 0
        if several.rank == 0:
            report({"step": step + 1, "of": len(schedule)} | measured)
            if last or stop or watch.stale >= recipe.patience or (step + 1) % recipe.checkpoint_every == 0:
                _save(folder / "checkpoints", recipe, model, optimizer, step + 1, watch)
        if stop and not last:
            return None
    if several.rank:
        return folder / "adapter"  # the first one writes it
    model.save_pretrained(folder / "adapter")
    if (folder / BEST).is_dir():
        shutil.copytree(folder / BEST, folder / "adapter", dirs_exist_ok=True)
    tokenizer.save_pretrained(folder / "adapter")
    return folder / "adapter"


def steps_of(recipe: Recipe, records: Sequence[dict[str, Any]], tokenizer: Any) -> list[list[Pack]]:
    """The packs of each optimizer step, the same for the same recipe and records. Raises Refused on no records."""
    if not records:
        raise Refused("There are no records to learn from.", action="Correct documents in the review queue first.")
    examples = examples_from(records, tokenizer, recipe.length)
    steps: list[list[Pack]] = []
    epoch = 0
    while epoch < recipe.epochs if recipe.steps is None else len(steps) < recipe.steps:
        packs = packs_from(examples, recipe.length, recipe.data_seed + epoch)
        steps += [packs[at : at + recipe.packs_per_step] for at in range(0, len(packs), recipe.packs_per_step)]
        epoch += 1
    return steps[: recipe.steps]


def prepared(recipe: Recipe, local_rank: int = 0) -> tuple[Any, str]:
    """The model with what is to be trained in it, and its device. Same recipe, same initial weights."""
    device = recipe.device
    if device == "auto":
        device = f"cuda:{local_rank}" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(recipe.seed)
    if recipe.method == "qlora":
        model = quantized(recipe.base, device, double=recipe.double_quantization)
        model = peft.prepare_model_for_kbit_training(model, False)  # type: ignore[no-untyped-call]
    else:
        model = loaded(recipe.base, device, torch.float32 if device == "cpu" else torch.bfloat16)
    model.config.use_cache = False
    if recipe.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    if recipe.method != "full":
        model = peft.get_peft_model(
            model,
            peft.LoraConfig(
                r=recipe.rank,
                lora_alpha=recipe.alpha,
                lora_dropout=recipe.dropout,
                target_modules="all-linear",
                task_type="CAUSAL_LM",
            ),
        )
    return model.train(), device


def loss_of(model: Any, pack: Pack, device: str) -> Tensor:
    """The summed cross-entropy over the label tokens of a pack."""
    logits = model(
        input_ids=pack.ids.to(device),
        position_ids=pack.positions.to(device),
        attention_mask=pack.mask.to(device),
        use_cache=False,
    ).logits
    return torch.nn.functional.cross_entropy(
        logits[0, :-1].float(), pack.labels[0, 1:].to(device), reduction="sum", ignore_index=-100
    )


def _one_step(
    model: Any,
    optimizer: Any,
    trained: list[Tensor],
    packs: list[Pack],
    recipe: Recipe,
    step: int,
    device: str,
    several: Several,
) -> dict[str, Any]:
    """One optimizer step over `packs`; each label token weighs the same, however the packs were filled."""
    # The step's own randomness (dropout): a run that resumes here draws what an uninterrupted one draws.
    torch.manual_seed(recipe.seed * 1_000_003 + step)
    rate = recipe.learning_rate * min(1.0, (step + 1) / max(recipe.warmup_steps, 1))
    for group in optimizer.param_groups:
        group["lr"] = rate
    labels, loss_sum = sum(pack.label_tokens for pack in packs), 0.0
    for pack in several.own(packs):
        loss = loss_of(model, pack, device) / labels
        loss.backward()  # type: ignore[no-untyped-call]
        loss_sum += loss.item()
    loss_sum = several.added(loss_sum)
    several.add_gradients(trained)
    norm = float(torch.nn.utils.clip_grad_norm_(trained, recipe.largest_gradient))
    if not math.isfinite(loss_sum) or not math.isfinite(norm):
        raise Refused(
            f"The loss became {loss_sum} at step {step + 1}.",
            action="Lower the learning rate; the last checkpoint is whole.",
            code="diverged",
        )
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return {
        "loss": loss_sum,
        "learning_rate": rate,
        "gradient_norm": norm,
        "label_tokens": labels,
    }


def _optimizer(trained: list[Tensor], recipe: Recipe, device: str) -> Any:
    settings = {"lr": recipe.learning_rate, "betas": (0.9, 0.999), "weight_decay": recipe.weight_decay}
    if device == "cpu":
        return torch.optim.AdamW(trained, **settings)  # type: ignore[arg-type]
    return bitsandbytes.optim.PagedAdamW8bit(trained, **settings)  # type: ignore[attr-defined, no-untyped-call]


def _save(folder: Path, recipe: Recipe, model: Any, optimizer: Any, step: int, watch: Watch) -> None:
    tensors: dict[str, Tensor] = {}
    plain: dict[str, Any] = {}
    for place, values in optimizer.state_dict()["state"].items():
        for name, value in values.items():
            (tensors if isinstance(value, Tensor) else plain)[f"{place}.{name}"] = value
    state = {"recipe": recipe.model_dump(mode="json"), "optimizer": plain, "watch": watch.state()}
    checkpoints.save(folder, Checkpoint(step, {"trained": _trained(model), "optimizer": tensors}, state))


def _resumed(folder: Path, recipe: Recipe, model: Any, optimizer: Any, device: str) -> tuple[int, Watch]:
    """Put the newest whole checkpoint into model and optimizer; the number of steps done, and the best so far."""
    found = checkpoints.newest(folder)
    if found is None:
        return 0, Watch()
    if found.state["recipe"] != recipe.model_dump(mode="json"):
        raise Refused("The folder holds a run with another recipe.", action="Give every run a folder of its own.")
    trained = _trained(model)
    with torch.no_grad():
        for name, tensor in found.tensors["trained"].items():
            trained[name].copy_(tensor)
    state: dict[int, dict[str, Any]] = {}
    for key, value in (found.tensors["optimizer"] | found.state["optimizer"]).items():
        place, _, name = key.partition(".")
        state.setdefault(int(place), {})[name] = value.to(device) if isinstance(value, Tensor) else value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return found.step, Watch(**found.state["watch"])


def _trained(model: Any) -> dict[str, Tensor]:
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def main() -> int:
    """Run one job; 0 where it is done, STOPPED where it should be started again, 1 where it was refused.

    A refusal is written beside the job, as `refused.json`: {code, message, action}.
    """
    parser = argparse.ArgumentParser(prog="python -m services.train.qlora", description=__doc__)
    parser.add_argument("job", type=Path)
    path = parser.parse_args().job
    logs.configure("train")
    failpoints.arm(TrainSettings().failpoint)
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))
    several = launched()
    try:
        adapter = _run(job_in(path), lambda: bool(told), several)
    except DossierError as wrong:
        refusal = {"code": wrong.code, "message": wrong.public, "action": wrong.action}
        path.with_name("refused.json").write_text(json.dumps(refusal))
        return 1
    return STOPPED if adapter is None else 0


def job_in(path: Path) -> Job:
    """The job written in `path`; raises Refused, naming the parameter, where it does not fit."""
    try:
        return Job.model_validate_json(path.read_text())
    except ValidationError as wrong:
        first = wrong.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Refused(f"The recipe does not fit: {place}: {first['msg']}.", action="Correct the parameters.") from wrong


def _run(job: Job, stopping: Callable[[], bool], several: Several) -> Path | None:
    """See `train`; the measurements are appended to the run's metrics.jsonl as they come."""
    records, held_out = (
        [json.loads(line) for line in path.read_text().splitlines() if line] if path is not None else []
        for path in (job.records, job.held_out)
    )
    job.folder.mkdir(parents=True, exist_ok=True)
    with (job.folder / "metrics.jsonl").open("a") as metrics:

        def report(measured: dict[str, Any]) -> None:
            metrics.write(json.dumps(measured) + "\n")
            metrics.flush()

        return train(job.recipe, records, job.folder, report, stopping, held_out, several)


if __name__ == "__main__":
    sys.exit(main())
