from __future__ import annotations

import pytest

pytestmark = pytest.mark.usefixtures("fine_tuning")


@pytest.fixture
def saved(tmp_path):
    """Saves a checkpoint of one tensor for a step; its folder."""
    import torch

    from services.train.checkpoints import Checkpoint, save

    def make(step: int):
        return save(tmp_path, Checkpoint(step, {"trained": {"a.b": torch.full((3,), float(step))}}, {"step": step}))

    return make


def test_the_newest_checkpoint_comes_back_as_it_was(saved, tmp_path):
    from services.train.checkpoints import newest

    assert newest(tmp_path) is None
    for step in (1, 2, 10):
        saved(step)
    found = newest(tmp_path)
    assert found is not None
    assert (found.step, found.state) == (10, {"step": 10})
    assert found.tensors["trained"]["a.b"].tolist() == [10.0] * 3


def test_two_are_kept(saved, tmp_path):
    for step in range(1, 6):
        saved(step)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000004", "step-000005"]


@pytest.mark.parametrize("harm", ["unsealed", "truncated", "missing"])
def test_a_checkpoint_that_is_not_whole_is_passed_over(saved, tmp_path, harm):
    from services.train.checkpoints import newest

    saved(1)
    place = saved(2)
    if harm == "unsealed":
        (place / "COMPLETE").unlink()
    elif harm == "missing":
        (place / "trained.safetensors").unlink()
    else:
        (place / "trained.safetensors").write_bytes((place / "trained.safetensors").read_bytes()[:-4])
    found = newest(tmp_path)
    assert found is not None
    assert found.step == 1
