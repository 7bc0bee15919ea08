from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.usefixtures("fine_tuning")


def test_two_processes_take_the_steps_that_one_takes(base, records, tmp_path):
    """torchrun over gloo on this machine's CPU; without dropout, whose draws depend on who draws."""
    from safetensors.torch import load_file

    recipe = {
        "base": str(base), "rank": 4, "dropout": 0, "length": 128, "steps": 4, "packs_per_step": 3, "warmup_steps": 1,
        "learning_rate": 5e-3, "device": "cpu", "gradient_checkpointing": False,
    }  # fmt: skip
    (tmp_path / "records.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    losses, adapters = [], []
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        folder.mkdir()
        job = {"recipe": recipe, "records": str(tmp_path / "records.jsonl"), "folder": str(folder)}
        (folder / "job.json").write_text(json.dumps(job))
        launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"] if processes == 2 else []
        command = [sys.executable, *launch, "-m", "services.train.qlora", str(folder / "job.json")]
        subprocess.run(command, check=True, timeout=200, env=os.environ | {"OMP_NUM_THREADS": "1"})
        losses.append([json.loads(line)["loss"] for line in (folder / "metrics.jsonl").read_text().splitlines()])
        adapters.append(load_file(folder / "adapter" / "adapter_model.safetensors"))
    assert len(losses[1]) == 4, "one process reports"
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    for name, weights in adapters[0].items():
        assert weights.allclose(adapters[1][name], atol=1e-4), name
