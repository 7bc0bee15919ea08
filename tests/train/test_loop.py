from __future__ import annotations

import gzip
import json

import pytest

pytestmark = pytest.mark.usefixtures("fine_tuning")


@pytest.fixture
def samples(tmp_path):
    """Three samples, one of them without printed words."""
    gold = [
        {"file": "a.pdf", "path": ["Claims", "Motor"], "split": "label"},
        {"file": "b.pdf", "path": [], "split": "measure"},
        {"file": "c.eml", "path": ["Mail"], "split": "measure"},
    ]
    (tmp_path / "gold.jsonl").write_text("\n".join(json.dumps(record) for record in gold))
    pages = [{"file": name, "words": [["Police", 0, 0, 1, 1], ["4711", 1, 0, 2, 1]]} for name in ("a.pdf", "b.pdf")]
    with gzip.open(tmp_path / "words.jsonl.gz", "wt") as out:
        out.write("\n".join(json.dumps(page) for page in pages))
    return tmp_path


def test_the_samples_become_records_to_learn_from_and_to_measure_on(samples):
    from services.train.loop import records_of, texts_of

    texts = texts_of(samples)
    [teaching] = records_of(samples, texts, held_out=False)
    [measuring] = records_of(samples, texts, held_out=True)
    assert teaching["messages"][1]["content"] == "Claims / Motor"
    assert measuring["messages"][1]["content"] == "out of scope"
    assert "Police 4711" in teaching["messages"][0]["content"]


def test_a_served_model_scores_and_answers_as_it_does_in_this_process(base, records):
    import torch
    from transformers import AutoTokenizer

    from services.train.loop import scored, scored_over_http, served
    from services.train.quantization import loaded

    tokenizer = AutoTokenizer.from_pretrained(base)
    here = scored("here", loaded(base, "cpu", torch.float32), tokenizer, records[:4])
    with served(base) as url:
        there = scored_over_http("there", url, tokenizer, records[:4])
    assert there.loss == pytest.approx(here.loss, rel=1e-4)
    assert there.answers == here.answers
