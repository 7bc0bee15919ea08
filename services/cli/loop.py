"""`dossier train loop`, or `make loop`: everything that happens to a generator, once, on any machine.

    base made here → QLoRA on the samples' labels → merge and proof → gate → registry → rollout under load → answers
    through the generation port, from the base, the tuned, the merged and the served model

The base learns its language from mail of the same invented insurer (samples/lessons.py), without a label. What it
then does not know is what the desk asks; the gain of tuning is measured on documents that neither has seen.
"""

from __future__ import annotations

import gzip
import json
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from services.cli import output
from services.cli.loop_rollout import Rollout
from services.cli.work import Json
from shared.errors import Refused

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
#: Log-probabilities of one model in different servers differ by rounding alone; so may a choice in a near tie.
SAME_CHOICES = 0.97
#: The lower bound (95 %) of the gain in share of right answers that counts as a gain.
LEAST_GAIN = 0.05
LESSONS = 9000
VIEWS = 6


@dataclass
class Scores:
    """The shares of right answers by model and by what was asked, and all that was measured on the way."""

    table: dict[str, dict[str, float]] = field(default_factory=dict)
    chosen: dict[str, list[str]] = field(default_factory=dict)
    took_s: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Keep the seconds of a part."""
        began = time.monotonic()
        with output.doing(f"{name} …"):
            yield
        self.took_s[name] = round(time.monotonic() - began, 1)


def run(out: Path, *, minutes: float, steps: int, base: Path | None = None, samples: Path = SAMPLES) -> dict[str, Any]:
    """The whole loop; all that was measured. Raises Refused where a proof, the gate or the rollout fails."""
    from transformers import AutoTokenizer

    from services.train import loop
    from services.train.choosing import answered
    from services.train.finishing import packed
    from services.train.gate import Pair, judge
    from services.train.merging import fidelity, merge, prove
    from services.train.qlora import Recipe, train
    from services.train.quantization import footprint, quantized
    from services.train.tiny import write_base

    scores = Scores()
    gold, texts, leaves = _gold(samples), _texts(samples), _leaves(samples)
    teaching = loop.questions(gold, texts, leaves, split="label", views=VIEWS)
    measuring = loop.questions(gold, texts, leaves, split="measure")
    if base is None:
        with scores.timed("base"):
            base = write_base(language(), out / "base", seconds=60 * minutes)
    recipe = Recipe(
        base=base, rank=32, alpha=64, dropout=0, learning_rate=2e-3, largest_gradient=1.0, length=512,
        packs_per_step=3, steps=steps, warmup_steps=10, gradient_checkpointing=False, device="cpu",
    )  # fmt: skip
    records = [question.record() for question in teaching]
    with scores.timed("tuning"):
        # Lessons in between: without them so few labels are learned by heart, and the reading is forgotten.
        adapter = train(recipe, [*records, *_repeated(len(records))], out / "run", _tell)
    assert adapter is not None  # nothing stops it
    with scores.timed("merging and proof"):
        merged = merge(base, adapter, out / "merged", double=True, card="# Tuned on the samples\n")
        proof = fidelity(base, adapter, merged, packed(records, adapter, recipe.length), double=True)
        prove(proof)
    tokenizer = AutoTokenizer.from_pretrained(merged)
    with scores.timed("answers in process"):
        for name, model in _models(base, adapter, merged):
            answers = answered(model, tokenizer, measuring)
            _keep(scores, name, answers, measuring)
    verdict = judge(
        [
            Pair(question.document, question.about, question.answer, ours, theirs)
            for question, ours, theirs in zip(measuring, scores.chosen["merged"], scores.chosen["base"], strict=True)
        ],
        margin=0.02,
    )
    if not verdict.passed:
        raise Refused(f"The gate refuses the tuned model: {verdict.why}", action="Give it more --minutes and --steps.")
    with scores.timed("rollout, rollback and answers over the port"):
        rollout = Rollout(out / "rollout", base, merged, asdict(proof), verdict)
        rolled = rollout.under_load(lambda generator: _over_port(scores, generator, tokenizer, measuring))
    same = _same(scores.chosen["tuned"], scores.chosen["served"])
    return {
        "documents": {
            "teaching": len({q.document for q in teaching}),
            "measuring": len({q.document for q in measuring}),
        },
        "questions": {"teaching": len(teaching), "measuring": len(measuring)},
        "bits_per_parameter": footprint(quantized(base, "cpu", double=True)).bits_per_parameter,
        "fidelity": asdict(proof),
        "gate": {"gain": verdict.gain, "bound": verdict.bound, "why": verdict.why},
        "right": scores.table,
        "same_choices": same,
        "rollout": rolled,
        "took_s": scores.took_s,
    }


def loop(
    out: Annotated[Path, typer.Option(help="Folder for all that is made.")] = Path("loop"),
    minutes: Annotated[float, typer.Option(help="How long the base learns its language.")] = 9,
    steps: Annotated[int, typer.Option(help="Optimizer steps of the tuning.")] = 1300,
    base: Annotated[Path | None, typer.Option(help="A base made before, by `dossier train tiny`.")] = None,
    json: Json = False,
) -> None:
    """Make a base, tune it on the samples, merge, judge, roll out under load, and measure: under half an hour."""
    out.mkdir(parents=True, exist_ok=True)
    measured = run(out, minutes=minutes, steps=steps, base=base)
    (out / "measured.json").write_text(json_text(measured))
    if not json:
        rows = [(name, *(f"{right:.1%}" for right in by_task.values())) for name, by_task in measured["right"].items()]
        output.table("Right answers on held-out documents", ["model", "class", "claim number", "both"], rows)
        output.out.print(measured["gate"]["why"], highlight=False)
    print(json_text(measured))
    _check(measured)


def _check(measured: dict[str, Any]) -> None:
    """Raise Refused where the loop did not show what it is there to show."""
    if measured["same_choices"] < SAME_CHOICES:
        raise Refused(f"Only {measured['same_choices']:.1%} of the served model's choices are the tuned one's.")
    if measured["gate"]["bound"] < LEAST_GAIN:
        raise Refused(f"No real gain over the base: {measured['gate']['why']}", action="Raise --minutes and --steps.")


def json_text(measured: dict[str, Any]) -> str:
    """One line of JSON."""
    return json.dumps(measured, ensure_ascii=False)


def _gold(samples: Path) -> list[dict[str, Any]]:
    if not (samples / "gold.jsonl").is_file():
        from samples.make import make  # needs reportlab, which only this does

        make(samples)
    return [json.loads(line) for line in (samples / "gold.jsonl").read_text().splitlines()]


def _texts(samples: Path) -> dict[str, str]:
    """The text of each sample by its name in the gold: the words that were printed, else as the desk reads the file."""
    from services.ingest.reading import Request, read

    pages: dict[str, list[str]] = defaultdict(list)
    with gzip.open(samples / "words.jsonl.gz", "rt") as lines:
        for line in lines:
            page = json.loads(line)
            pages[page["file"]].append(_lines(page["words"]))
    texts = {name: "\n".join(found) for name, found in pages.items()}
    for path in sorted((samples / "documents").iterdir()):
        name = f"documents/{path.name}"
        if name not in texts:
            texts[name] = read(path.read_bytes(), Request(path.name, threads=1)).reading.text
    return texts


def _lines(words: list[list[Any]]) -> str:
    """Printed words as lines: a new one wherever the words' upper edge moves by more than half their height."""
    text, last = "", None
    for word, _, top, _, bottom in words:
        new = last is None or abs(top - last) > (bottom - top) / 2
        text += ("\n" if text and new else " " if text else "") + word
        last = top
    return text


def _leaves(samples: Path) -> list[str]:
    def below(node: dict[str, Any], path: tuple[str, ...]) -> Iterator[str]:
        here = (*path, node["name"])
        children = node.get("children") or []
        if not children:
            yield " / ".join(here)
        for child in children:
            yield from below(child, here)

    nodes = yaml.safe_load((samples / "taxonomy.yaml").read_text())["nodes"]
    return [leaf for node in nodes for leaf in below(node, ())]


def language() -> list[str]:
    """Mail of the insurer of the samples, in French, German and English, as lessons without a label."""
    from samples.lessons import lessons
    from services.train.tiny import conversation

    return [conversation(lesson) for lesson in lessons(LESSONS)]


def _repeated(count: int) -> list[dict[str, Any]]:
    """Lessons of other seeds than the base learned from, as records."""
    from samples.lessons import FIRST_SEED, lessons

    roles = ("user", "assistant")
    return [
        {
            "messages": [
                {"role": role, "content": said} for turn in lesson for role, said in zip(roles, turn, strict=True)
            ]
        }
        for lesson in lessons(count, FIRST_SEED - 1000)
    ]


def _tell(measured: dict[str, Any]) -> None:
    if measured["step"] % 50 == 0:
        output.out.print(f"step {measured['step']} of {measured['of']}: loss {measured['loss']:.3f}", highlight=False)


def _models(base: Path, adapter: Path, merged: Path) -> Iterator[tuple[str, Any]]:
    import peft
    import torch

    from services.train.quantization import loaded, quantized

    yield "base", loaded(base, "cpu", torch.float32)
    yield "tuned", peft.PeftModel.from_pretrained(quantized(base, "cpu", double=True), adapter)
    yield "merged", loaded(merged, "cpu", torch.float32)


def _over_port(scores: Scores, generator: Any, tokenizer: Any, measuring: list[Any]) -> None:
    """The same answers from the served model: by log-probabilities, and written under guidance."""
    from services.train.choosing import answered_by, guided

    def whole(question: Any, choice: str | None) -> str:
        turns = [{"role": "user", "content": question.prompt}]
        if choice is not None:
            turns.append({"role": "assistant", "content": choice})
        text: str = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=choice is None)
        return text

    _keep(scores, "served", answered_by(generator, whole, measuring), measuring)
    _keep_chosen(scores, "served, guided", [guided(generator, question) for question in measuring], measuring)


def _keep(scores: Scores, name: str, answers: Any, measuring: list[Any]) -> None:
    _keep_chosen(scores, name, answers.chosen(measuring), measuring)


def _keep_chosen(scores: Scores, name: str, chosen: list[str], measuring: list[Any]) -> None:
    from services.train.loop import ASKED

    pairs = list(zip(chosen, measuring, strict=True))
    table = {}
    for about in ASKED:
        hits = [choice == question.answer for choice, question in pairs if question.about == about]
        table[about] = sum(hits) / len(hits)
    table["all"] = sum(choice == question.answer for choice, question in pairs) / len(pairs)
    scores.table[name], scores.chosen[name] = table, chosen


def _same(some: list[str], others: list[str]) -> float:
    return sum(one == other for one, other in zip(some, others, strict=True)) / len(some)
