from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time

import pytest

pytestmark = [
    pytest.mark.usefixtures("fine_tuning"),
    # bitsandbytes 0.50 and transformers 5.23 meet torch 2.13 with these.
    pytest.mark.filterwarnings("ignore:.*torch.jit.script_method.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning"),
]


@pytest.fixture
def recipe(base):
    """A small QLoRA recipe, with changes by name."""
    from services.train.qlora import Recipe

    def make(**changes):
        small = {
            "base": base, "rank": 4, "length": 96, "steps": 12, "checkpoint_every": 4, "warmup_steps": 2,
            "learning_rate": 5e-3, "device": "cpu", "gradient_checkpointing": False,
        }  # fmt: skip
        return Recipe(**(small | changes))

    return make


@pytest.fixture
def losses():
    """The loss of each step from a run's metrics; of a step that was taken twice the second one."""

    def read(folder) -> dict[int, float]:
        lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        return {line["step"]: line["loss"] for line in lines}

    return read


@pytest.fixture
def start(tmp_path, records):
    """Starts `python -m services.train.qlora` on a recipe, in a folder."""
    written = tmp_path / "records.jsonl"
    written.write_text("\n".join(json.dumps(record) for record in records))

    def run(recipe, folder) -> subprocess.Popen:
        job = tmp_path / f"{folder.name}.json"
        job.write_text(
            json.dumps({"recipe": recipe.model_dump(mode="json"), "records": str(written), "folder": str(folder)})
        )
        return subprocess.Popen(
            [sys.executable, "-m", "services.train.qlora", str(job)], env=os.environ | {"OMP_NUM_THREADS": "1"}
        )

    return run


@pytest.mark.parametrize(("double", "bits"), [(True, 4 + 8 / 64 + 32 / (64 * 256)), (False, 4 + 32 / 64)])
def test_the_loaded_model_takes_the_papers_bits_per_parameter(base, double, bits):
    from services.train.quantization import footprint, quantized

    assert footprint(quantized(base, "cpu", double=double)).bits_per_parameter == pytest.approx(bits, abs=1e-3)


def test_adapters_have_the_share_of_parameters_that_loras_formula_says(base, recipe):
    from services.train.qlora import prepared
    from services.train.quantization import quantized_layers

    model, _ = prepared(recipe(rank=4))
    shapes = [layer.weight.quant_state.shape for _, layer in quantized_layers(model)]
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    assert trained == sum(4 * (rows + columns) for rows, columns in shapes)
    assert len(shapes) == 2 * 7  # q, k, v, o, gate, up, down of two layers


@pytest.mark.parametrize("method", ["qlora", "lora", "full"])
def test_the_loss_falls_below_that_of_a_guess(recipe, records, tmp_path, method):
    from services.train.qlora import train

    seen = []
    train(recipe(method=method, steps=25), records, tmp_path, seen.append)
    assert seen[0]["loss"] == pytest.approx(math.log(448), rel=0.15)
    assert seen[-1]["loss"] < 0.75 * seen[0]["loss"]
    assert all(line["label_tokens"] > 0 and line["gradient_norm"] > 0 for line in seen)


def test_a_run_that_is_stopped_and_then_killed_has_the_losses_of_one_that_never_stopped(
    recipe, records, tmp_path, start, losses
):
    from services.train.qlora import train

    long, never = recipe(steps=40, checkpoint_every=10), []
    train(long, records, tmp_path / "never", never.append)
    folder = tmp_path / "twice"

    stopped = start(long, folder)
    while not ((folder / "metrics.jsonl").exists() and losses(folder)):
        assert stopped.poll() is None
        time.sleep(0.002)
    stopped.send_signal(signal.SIGTERM)
    assert stopped.wait(60) == 75
    done = max(losses(folder))
    assert (folder / "checkpoints" / f"step-{done:06d}" / "COMPLETE").exists()

    killed = start(long, folder)
    while not (folder / "checkpoints" / "step-000020" / "COMPLETE").exists():
        assert killed.poll() is None
        time.sleep(0.002)
    killed.send_signal(signal.SIGKILL)
    killed.wait()

    rest = []
    assert train(long, records, folder, rest.append) == folder / "adapter"
    assert done < 20 <= rest[0]["step"] - 1 < 40
    together = losses(folder) | {line["step"]: line["loss"] for line in rest}
    assert [together[line["step"]] for line in never] == pytest.approx([line["loss"] for line in never], rel=1e-5)


def test_another_recipe_does_not_continue_a_run(recipe, records, tmp_path):
    from services.train.qlora import train
    from shared.errors import Refused

    train(recipe(steps=1), records, tmp_path)
    with pytest.raises(Refused, match="another recipe"):
        train(recipe(steps=1, rank=8), records, tmp_path)


def test_a_run_without_records_or_base_is_refused(recipe, records, tmp_path):
    from services.train.qlora import train
    from shared.errors import Refused

    with pytest.raises(Refused, match="no records"):
        train(recipe(), [], tmp_path)


def test_a_recipe_that_does_not_fit_is_refused_by_the_name_of_the_parameter(tmp_path):
    from services.train.qlora import job_in
    from shared.errors import Refused

    job = tmp_path / "job.json"
    job.write_text(json.dumps({"recipe": {"base": "b", "rank": 0}, "records": "r", "folder": str(tmp_path)}))
    with pytest.raises(Refused, match=r"recipe\.rank"):
        job_in(job)
