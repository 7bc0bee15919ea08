"""The last steps of a fine-tuning run: merge its adapter, and prove the merge on the run's own records."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from services.train.canary import write_canary
from services.train.instructions import Pack, examples_from, packs_from
from services.train.merging import fidelity, merge, prove
from services.train.qlora import Job
from services.train.rolling import ADAPTER

#: The proof compares logits over this many packs at most.
PROOF_PACKS = 16


def finished(folder: Path, *, licence: str | None) -> tuple[Path, dict[str, Any]]:
    """The merged model of the run in `folder` (which has `job.json` and `adapter/`), and what was measured.

    `licence` is the base's SPDX expression. A run that tuned all weights has nothing to merge. Raises Refused where
    the merged model is not the tuned one.
    """
    job = Job.model_validate_json((folder / "job.json").read_text())
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    last = {name: lines[-1][name] for name in ("step", "loss", "tokens_per_s")}
    adapter = folder / "adapter"
    if job.recipe.method == "full":
        return adapter, {"training": last}
    double = job.recipe.double_quantization if job.recipe.method == "qlora" else None
    model = merge(job.recipe.base, adapter, folder / "merged", double=double, card=_card(job, licence, last))
    records = [json.loads(line) for line in job.records.read_text().splitlines()]
    measured = fidelity(job.recipe.base, adapter, model, packed(records, adapter, job.recipe.length), double=double)
    prove(measured)
    write_canary(model)
    # A server that loads adapters while it runs takes this part alone (services/train/rolling.py: Vllm).
    shutil.copytree(adapter, model / ADAPTER, dirs_exist_ok=True)
    return model, {"training": last, "fidelity": asdict(measured)}


def packed(records: Sequence[dict[str, Any]], adapter: Path, length: int) -> list[Pack]:
    """The records that the proof compares logits over, at most PROOF_PACKS packs of them."""
    tokenizer = AutoTokenizer.from_pretrained(adapter, local_files_only=True)
    return packs_from(examples_from(records, tokenizer, length), length, seed=0)[:PROOF_PACKS]


def _card(job: Job, licence: str | None, last: dict[str, Any]) -> str:
    """The model card: what it was made from and how, no word of a document."""
    return (
        f"---\nlicense: {licence or 'unknown'}\n---\n\n# Tuned with Dossier\n\n"
        f"- Base: {job.recipe.base.name}\n- Method: {job.recipe.method}, rank {job.recipe.rank}\n"
        f"- Steps: {last['step']}, last training loss {last['loss']:.3f}\n"
    )
