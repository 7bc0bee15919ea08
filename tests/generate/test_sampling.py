"""Each step against transformers' own, which TGI's are made from."""

from __future__ import annotations

import pytest


@pytest.fixture
def logits():
    import torch

    return torch.randn(200, generator=torch.Generator().manual_seed(3)) * 4


@pytest.mark.parametrize(
    ("asked", "warper", "arguments"),
    [
        ({"temperature": 0.6}, "TemperatureLogitsWarper", {"temperature": 0.6}),
        ({"top_k": 7}, "TopKLogitsWarper", {"top_k": 7}),
        ({"top_p": 0.8}, "TopPLogitsWarper", {"top_p": 0.8}),
        ({"typical_p": 0.7}, "TypicalLogitsWarper", {"mass": 0.7}),
        ({"repetition_penalty": 1.7}, "RepetitionPenaltyLogitsProcessor", {"penalty": 1.7}),
    ],
)
def test_a_step_does_what_transformers_does(logits, asked, warper, arguments):
    import torch
    import transformers

    from services.generate.sampling import Sampling, scores_from

    context = [3, 9, 9, 120]
    ours = scores_from(logits, Sampling(do_sample=True, **asked), context, None)
    theirs = getattr(transformers, warper)(**arguments)(torch.tensor([context]), logits.unsqueeze(0).clone())[0]
    torch.testing.assert_close(ours, torch.log_softmax(theirs, dim=-1))


def test_a_frequency_penalty_makes_what_was_said_often_less_likely(logits):
    from services.generate.sampling import Sampling, scores_from

    plain = scores_from(logits, Sampling(), [4, 4, 4, 5], None)
    less = scores_from(logits, Sampling(frequency_penalty=2.0), [4, 4, 4, 5], None)
    assert (plain[4] - less[4]) > (plain[5] - less[5]) > 0


def test_draws_follow_the_probabilities(logits):
    import torch

    from services.generate.sampling import Sampling, choose, scores_from

    sampling = Sampling(do_sample=True, top_k=3)
    scores = scores_from(logits, sampling, [], None)
    random = torch.Generator().manual_seed(0)
    drawn = [choose(scores, sampling, random) for _ in range(4000)]
    for token in scores.topk(3).indices.tolist():
        assert drawn.count(token) / 4000 == pytest.approx(float(scores[token].exp()), abs=0.03)
    assert len(set(drawn)) == 3
