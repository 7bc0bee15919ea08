"""A small base model made here: a tokenizer of its own and a Llama that learned to continue the given texts.

    python -m services.train.tiny --texts FILE… --out FOLDER

It exists so that the whole loop (tune, merge, judge, serve) is real on any machine without a download. It writes
plausible fragments and knows nothing: never present it as more.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from shared.errors import Refused

BEGIN, END, PAD = "<s>", "</s>", "<pad>"
ROLES = ("<|system|>", "<|user|>", "<|assistant|>")
#: One turn is `<|role|>content</s>`: it only ever appends, so that a longer conversation begins with the shorter one.
TEMPLATE = (
    "<s>{% for message in messages %}{{ '<|' + message.role + '|>' + message.content + '</s>' }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
#: Rows of a step, their length in tokens, and the learning rate: small steps and many of them teach most in minutes.
ROWS, WINDOW, RATE, WARMUP = 3, 384, 4e-3, 30


@dataclass(frozen=True)
class Shape:
    """How large; the default has about 2 million parameters, which a CPU core teaches in minutes."""

    vocabulary: int = 4096
    hidden: int = 192
    layers: int = 4
    heads: int = 6
    context: int = 1024


def conversation(turns: Iterable[tuple[str, str]]) -> str:
    """What TEMPLATE makes of questions and their answers."""
    return BEGIN + "".join(f"<|user|>{asked}{END}<|assistant|>{answer}{END}" for asked, answer in turns)


def tokenizer_from(texts: Iterable[str], vocabulary: int, context: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE (any text can be written) learned from `texts`, at most `vocabulary` tokens."""
    learned = ByteLevelBPETokenizer()
    learned.train_from_iterator(
        texts, vocab_size=vocabulary, special_tokens=[BEGIN, END, PAD, *ROLES], show_progress=False
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=learned._tokenizer,
        bos_token=BEGIN,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=list(ROLES),
        model_max_length=context,
        chat_template=TEMPLATE,
    )


def untrained(tokenizer: Any, shape: Shape, seed: int) -> LlamaForCausalLM:
    """A Llama of that shape with random weights, the same for the same seed."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=math.ceil(len(tokenizer) / 64) * 64,
        hidden_size=shape.hidden,
        intermediate_size=shape.hidden * 2,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=max(shape.heads // 2, 1),
        max_position_embeddings=shape.context,
        bos_token_id=tokenizer.convert_tokens_to_ids(BEGIN),
        eos_token_id=tokenizer.convert_tokens_to_ids(END),
        pad_token_id=tokenizer.convert_tokens_to_ids(PAD),
        tie_word_embeddings=True,
    )
    return LlamaForCausalLM(config)


def write_base(
    texts: Sequence[str],
    out: Path,
    shape: Shape = Shape(),
    *,
    seconds: float,
    seed: int = 0,
    report: Callable[[dict[str, Any]], None] = lambda measured: None,
) -> Path:
    """Learn a tokenizer and a model from `texts` for about `seconds` (0: random weights) and write both to `out`.

    Raises Refused where there are no texts.
    """
    if not texts:
        raise Refused("There are no texts to learn a language from.", action="Name at least one text file.")
    tokenizer = tokenizer_from(texts, shape.vocabulary, shape.context)
    model = untrained(tokenizer, shape, seed)
    if seconds:
        pieces = [piece for text in texts for piece in _pieces(tokenizer(text).input_ids, tokenizer.eos_token_id)]
        _pretrain(model, pieces, seconds, seed, report)
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    return out


def _pieces(ids: list[int], end: int) -> Iterator[list[int]]:
    """A text and its end in stretches of at most WINDOW tokens, so that of a long one nothing is left out."""
    whole = ids if ids[-1:] == [end] else [*ids, end]
    return (whole[at : at + WINDOW] for at in range(0, len(whole), WINDOW))


def _pretrain(
    model: Any,
    pieces: Sequence[list[int]],
    seconds: float,
    seed: int,
    report: Callable[[dict[str, Any]], None],
) -> None:
    """Predict every next token of rows of whole pieces; the learning rate falls as a cosine over the time.

    A row begins where a text begins: what is asked at the end of a conversation can be found in its beginning.
    """
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, betas=(0.9, 0.95), weight_decay=0.1)
    drawn = random.Random(seed)
    began, step = time.monotonic(), 0
    model.train()
    while (passed := (time.monotonic() - began) / seconds) < 1:
        batch = torch.tensor([_row(pieces, drawn) for _ in range(ROWS)])
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / WARMUP) * (0.05 + 0.95 * (1 + math.cos(math.pi * passed)) / 2)
        logits = model(input_ids=batch[:, :-1], use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), batch[:, 1:].flatten())
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        step += 1
        if step % 50 == 0:
            report({"step": step, "loss": loss.item(), "passed": passed})
    model.eval()


def _row(pieces: Sequence[list[int]], drawn: random.Random) -> list[int]:
    row: list[int] = []
    while len(row) <= WINDOW:
        row += drawn.choice(pieces)
    return row[: WINDOW + 1]


def main() -> None:
    """Read the command line, write the base."""
    parser = argparse.ArgumentParser(prog="python -m services.train.tiny", description=__doc__)
    parser.add_argument("--texts", type=Path, nargs="+", required=True, help="UTF-8 text files, one document each")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    texts = [path.read_text() for path in arguments.texts]
    write_base(
        texts,
        arguments.out,
        seconds=60 * arguments.minutes,
        seed=arguments.seed,
        report=lambda line: print(line),  # noqa: T201
    )


if __name__ == "__main__":
    main()
