"""The last steps of a fine-tuning run: merge its adapter, and prove the merge on the run's own records."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from services.train.instructions import examples_from, packs_from
from services.train.merging import fidelity, merge, prove
from services.train.qlora import Job

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
    tokenizer = AutoTokenizer.from_pretrained(adapter, local_files_only=True)
    packs = packs_from(examples_from(records, tokenizer, job.recipe.length), job.recipe.length, seed=0)[:PROOF_PACKS]
    measured = fidelity(job.recipe.base, adapter, model, packs, double=double)
    prove(measured)
    return model, {"training": last, "fidelity": asdict(measured)}


def _card(job: Job, licence: str | None, last: dict[str, Any]) -> str:
    """The model card: what it was made from and how, no word of a document."""
    return (
        f"---\nlicense: {licence or 'unknown'}\n---\n\n# Tuned with Dossier\n\n"
        f"- Base: {job.recipe.base.name}\n- Method: {job.recipe.method}, rank {job.recipe.rank}\n"
        f"- Steps: {last['step']}, last training loss {last['loss']:.3f}\n"
    )
