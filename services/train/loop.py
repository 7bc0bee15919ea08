"""The whole loop on any machine: a base made here, tuned on the samples, merged, proven, served, and measured.

    python -m services.train.loop --samples samples --out FOLDER [--minutes 5] [--steps 150]

Four models answer the same held-out documents: base, tuned (adapter on the four-bit base), merged, and served (the
merged one behind the generation server, asked over HTTP). Tuned, merged and served must agree; the gain over the base
is what tuning brought. The last line of the output is the same as JSON.
"""

from __future__ import annotations

import argparse
import gzip
import json
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
import peft
import torch
from transformers import AutoTokenizer

from services.train.instructions import examples_from, pack_of
from services.train.merging import fidelity, merge, prove
from services.train.qlora import Recipe, loss_of, train
from services.train.quantization import footprint, loaded, quantized
from services.train.records import records_from
from services.train.tiny import Shape, write_base
from shared.errors import Unavailable

#: Enough to tell the kinds of sample apart, and short enough for a CPU.
SHOWN = 700
LENGTH = 448
ANSWER_TOKENS = 48
#: Greedy answers of float32 and of the served bfloat16 weights may differ in a near tie.
SAME_ANSWERS = 0.95


@dataclass(frozen=True)
class Score:
    """How well a model does on the held-out records: nats per label token, and the share of answers that are right."""

    model: str
    loss: float
    right: float
    answers: list[str]


def texts_of(samples: Path) -> dict[str, str]:
    """The text of each sample with printed words (PDF and scans), by its file name in the gold."""
    pages: dict[str, list[str]] = defaultdict(list)
    with gzip.open(samples / "words.jsonl.gz", "rt") as lines:
        for line in lines:
            page = json.loads(line)
            pages[page["file"]].append(" ".join(word[0] for word in page["words"]))
    return {name: "\n".join(texts) for name, texts in pages.items()}


def records_of(samples: Path, texts: dict[str, str], *, held_out: bool) -> list[dict[str, Any]]:
    """The classes of the samples as instruction records: those to learn from, or those to measure on."""
    gold = [json.loads(line) for line in (samples / "gold.jsonl").read_text().splitlines()]
    lines = [
        {"document": record["file"], "task": "class", "path": record["path"], "held_out": record["split"] == "measure"}
        for record in gold
    ]
    return records_from(lines, texts, held_out=held_out, shown=SHOWN)


def scored(name: str, model: Any, tokenizer: Any, records: Sequence[dict[str, Any]]) -> Score:
    """Score a model in this process, greedily."""
    model.eval()
    loss_sum, labels, answers = 0.0, 0, []
    with torch.inference_mode():
        for example in examples_from(records, tokenizer, LENGTH):
            pack = pack_of([example])
            loss_sum += float(loss_of(model, pack, "cpu"))
            labels += pack.label_tokens
        for record in records:
            ids = torch.tensor([tokenizer(_prompt(record, tokenizer), add_special_tokens=False).input_ids])
            made = model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=ANSWER_TOKENS,
                do_sample=False,
                use_cache=True,
            )
            answers.append(tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True))
    return Score(name, loss_sum / labels, _share_right(answers, records), answers)


def scored_over_http(name: str, url: str, tokenizer: Any, records: Sequence[dict[str, Any]]) -> Score:
    """Score the served model: its answers, and the log-probabilities that it gives the right ones."""
    loss_sum, labels, answers = 0.0, 0, []
    with httpx.Client(base_url=url, timeout=120) as client:
        for record in records:
            prompt, whole = _prompt(record, tokenizer), _whole(record, tokenizer)
            answered = client.post(
                "/v1/chat/completions",
                json={"messages": record["messages"][:1], "max_tokens": ANSWER_TOKENS, "temperature": 0},
            ).raise_for_status()
            answers.append(answered.json()["choices"][0]["message"]["content"])
            parameters = {"max_new_tokens": 1, "decoder_input_details": True, "details": True}
            graded = client.post("/generate", json={"inputs": whole, "parameters": parameters}).raise_for_status()
            count = len(tokenizer(whole[len(prompt) :], add_special_tokens=False).input_ids)
            prefill = graded.json()["details"]["prefill"][-count:]
            loss_sum -= sum(token["logprob"] for token in prefill)
            labels += count
    return Score(name, loss_sum / labels, _share_right(answers, records), answers)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a generation server over `folder`, in a process of its own. Raises Unavailable."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "services.generate", "--model", str(folder), "--port", str(port)]
    with subprocess.Popen(command) as server:
        try:
            _wait_until_healthy(f"http://127.0.0.1:{port}", server)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def run(samples: Path, out: Path, *, minutes: float, steps: int) -> dict[str, Any]:
    """The loop; all that was measured. Raises Refused where the merged model is not the tuned one."""
    texts, took = texts_of(samples), {}
    teaching, measuring = (records_of(samples, texts, held_out=held_out) for held_out in (False, True))
    began = time.monotonic()
    learned_from = [message["content"] for record in teaching for message in record["messages"]]
    base = write_base([*texts.values(), *learned_from], out / "base", Shape(context=1024), seconds=60 * minutes)
    took["base"] = time.monotonic() - began
    recipe = Recipe(
        base=base, rank=32, alpha=64, learning_rate=2e-3, length=LENGTH, packs_per_step=2, steps=steps, warmup_steps=10
    )
    began = time.monotonic()
    adapter = train(recipe, teaching, out / "run", _tell)
    took["tuned"] = time.monotonic() - began
    assert adapter is not None  # nothing stops it
    model = merge(base, adapter, out / "merged", double=True, card="# Tuned on the samples\n")
    tokenizer = AutoTokenizer.from_pretrained(model)
    packs = [pack_of([example]) for example in examples_from(measuring, tokenizer, LENGTH)]
    proof = fidelity(base, adapter, model, packs, double=True)
    prove(proof)
    scores = list(_scores(base, adapter, model, tokenizer, measuring))
    bits = footprint(quantized(base, "cpu", double=True)).bits_per_parameter
    return {
        "records": {"teaching": len(teaching), "measuring": len(measuring)},
        "bits_per_parameter": bits,
        "fidelity": asdict(proof),
        "scores": [{"model": score.model, "loss": score.loss, "right": score.right} for score in scores],
        "same_answers": _same(scores[1].answers, scores[3].answers),
        "took_s": took,
    }


def _scores(
    base: Path, adapter: Path, merged: Path, tokenizer: Any, records: Sequence[dict[str, Any]]
) -> Iterator[Score]:
    yield scored("base", loaded(base, "cpu", torch.float32), tokenizer, records)
    tuned = peft.PeftModel.from_pretrained(quantized(base, "cpu", double=True), adapter)
    yield scored("tuned", tuned, tokenizer, records)
    yield scored("merged", loaded(merged, "cpu", torch.float32), tokenizer, records)
    with served(merged) as url:
        yield scored_over_http("served", url, tokenizer, records)


def _prompt(record: dict[str, Any], tokenizer: Any) -> str:
    text: str = tokenizer.apply_chat_template(record["messages"][:1], tokenize=False, add_generation_prompt=True)
    return text


def _whole(record: dict[str, Any], tokenizer: Any) -> str:
    text: str = tokenizer.apply_chat_template(record["messages"], tokenize=False)
    return text


def _share_right(answers: Sequence[str], records: Sequence[dict[str, Any]]) -> float:
    return _same(answers, [record["messages"][1]["content"] for record in records])


def _same(some: Sequence[str], others: Sequence[str]) -> float:
    return sum(one.strip() == other.strip() for one, other in zip(some, others, strict=True)) / len(some)


def _wait_until_healthy(url: str, server: subprocess.Popen[bytes], patience_s: float = 120) -> None:
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if httpx.get(f"{url}/health", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise Unavailable("The generation server did not become healthy.", action="Its own output says why.")


def _tell(measured: dict[str, Any]) -> None:
    if measured["step"] % 10 == 0:
        print(f"step {measured['step']}/{measured['of']}: loss {measured['loss']:.3f}", flush=True)  # noqa: T201


def main() -> None:
    """Read the command line, run the loop, print the table and the JSON line."""
    parser = argparse.ArgumentParser(prog="python -m services.train.loop", description=__doc__)
    parser.add_argument("--samples", type=Path, default=Path("samples"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=5, help="how long the base learns")
    parser.add_argument("--steps", type=int, default=150, help="optimizer steps of the tuning")
    arguments = parser.parse_args()
    measured = run(arguments.samples, arguments.out, minutes=arguments.minutes, steps=arguments.steps)
    for score in measured["scores"]:
        print(f"{score['model']:8} {score['loss']:.4f} nats per token, {score['right']:.1%} right")  # noqa: T201
    print(json.dumps(measured))  # noqa: T201
    if measured["same_answers"] < SAME_ANSWERS:
        sys.exit("the served model does not answer as the tuned one does")


if __name__ == "__main__":
    main()
