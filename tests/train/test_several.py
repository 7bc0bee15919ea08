from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

pytestmark = [
    pytest.mark.usefixtures("fine_tuning"),
    pytest.mark.filterwarnings("ignore:.*torch.jit.script_method.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning"),
]


def test_two_processes_take_the_steps_that_one_takes(base, records, tmp_path):
    """torchrun over gloo on this machine's CPU; without dropout, whose draws depend on who draws."""
    from safetensors.torch import load_file

    from services.train.qlora import Recipe, train

    recipe = {
        "base": str(base), "rank": 4, "dropout": 0, "length": 128, "steps": 4, "packs_per_step": 3, "warmup_steps": 1,
        "learning_rate": 5e-3, "device": "cpu", "gradient_checkpointing": False,
    }  # fmt: skip
    (tmp_path / "records.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    alone: list[float] = []
    adapter = train(Recipe(**recipe), records, tmp_path / "alone", lambda line: alone.append(line["loss"]))
    job = {"recipe": recipe, "records": str(tmp_path / "records.jsonl"), "folder": str(tmp_path)}
    (tmp_path / "job.json").write_text(json.dumps(job))
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*launch, "-m", "services.train.qlora", str(tmp_path / "job.json")]
    subprocess.run(command, check=True, timeout=200, env=os.environ | {"OMP_NUM_THREADS": "1"})
    together = [json.loads(line)["loss"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert together == pytest.approx(alone, rel=1e-4), "one of them reports, and all take the same steps"
    theirs = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    for name, weights in load_file(adapter / "adapter_model.safetensors").items():
        assert weights.allclose(theirs[name], atol=1e-4), name
