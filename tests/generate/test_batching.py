"""Many sequences at once are each as if alone."""

from __future__ import annotations

import pytest


@pytest.fixture
def batch(language):
    from services.generate.batching import Batch

    return Batch(language.model, "cpu")


@pytest.fixture
def alone(language):
    """The logits after the last token of one sequence, read without a cache."""
    import torch

    def read(ids: list[int]):
        with torch.inference_mode():
            return language.model(torch.tensor([ids])).logits[0, -1]

    return read


def test_rows_that_join_and_leave_do_not_disturb_the_others(batch, alone):
    import torch

    rows = [[5, 6, 7], [40, 41, 42, 43, 44, 45, 46], [90]]
    first = batch.join(rows)
    for logits, row in zip(first, rows, strict=True):
        torch.testing.assert_close(logits[-1], alone(row), atol=1e-4, rtol=1e-4)
    late = [100, 101, 102, 103, 104, 105, 106, 107, 108, 109]
    batch.join([late])
    rows = [[*row, 11] for row in [*rows, late]]
    for logits, row in zip(batch.step([11] * 4), rows, strict=True):
        torch.testing.assert_close(logits, alone(row), atol=1e-4, rtol=1e-4)
    batch.keep([0, 2])
    assert batch.lengths == [4, 2]
    for logits, row in zip(batch.step([12, 13]), ([*rows[0], 12], [*rows[2], 13]), strict=True):
        torch.testing.assert_close(logits, alone(row), atol=1e-4, rtol=1e-4)


def test_an_emptied_batch_begins_anew(batch, alone):
    import torch

    batch.join([[5, 6, 7]])
    batch.keep([])
    assert batch.lengths == []
    with pytest.raises(ValueError, match="empty"):
        batch.step([])
    [logits] = batch.join([[8, 9]])
    torch.testing.assert_close(logits[-1], alone([8, 9]), atol=1e-4, rtol=1e-4)


def test_every_position_of_a_prompt_is_scored_where_asked(batch, alone):
    import torch

    [logits] = batch.join([[5, 6, 7, 8]], every_position=True)
    assert logits.shape[0] == 4
    torch.testing.assert_close(logits[1], alone([5, 6]), atol=1e-4, rtol=1e-4)
