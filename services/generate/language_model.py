"""A causal language model and its tokenizer, from a local folder; nothing is ever fetched."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from shared.errors import Refused


@dataclass(frozen=True)
class LanguageModel:
    """`model` in evaluation mode on `device`, with its tokenizer.

    `end_tokens` end an answer. `longest` is prompt and answer together, in tokens. `sha` identifies the weights:
    the SHA-256 over the names and sizes of their files and the whole of config.json.
    """

    model: Any
    tokenizer: Any
    device: str
    name: str
    sha: str
    end_tokens: list[int]
    longest: int

    @property
    def vocabulary(self) -> int:
        """The width of the logits."""
        return int(self.model.config.vocab_size)

    def ids(self, text: str) -> list[int]:
        """The tokens of `text`, with those that the tokenizer puts around a text."""
        return list(self.tokenizer(text).input_ids)

    def text(self, ids: list[int], *, special: bool = True) -> str:
        """The text of tokens; without special tokens where `special` is False."""
        return str(self.tokenizer.decode(ids, skip_special_tokens=not special, clean_up_tokenization_spaces=False))


def language_model_from(folder: Path, device: str = "auto", name: str | None = None) -> LanguageModel:
    """Load the model in `folder`: bfloat16 on a GPU, float32 on a CPU.

    Raises Refused where there is no model that transformers can read.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, local_files_only=True)
    except (OSError, ValueError) as wrong:
        raise Refused(
            f"There is no language model in {folder}.",
            action="Name a folder with config.json, *.safetensors and the tokenizer's files.",
            private=str(wrong),
        ) from wrong
    return LanguageModel(
        model=model.to(device).eval(),
        tokenizer=tokenizer,
        device=device,
        name=name or str(folder),
        sha=_sha(folder),
        end_tokens=_end_tokens(model, tokenizer),
        longest=int(getattr(model.config, "max_position_embeddings", 2048)),
    )


def _end_tokens(model: Any, tokenizer: Any) -> list[int]:
    ends = model.generation_config.eos_token_id
    if ends is None:
        ends = tokenizer.eos_token_id
    return [] if ends is None else [int(end) for end in (ends if isinstance(ends, list) else [ends])]


def _sha(folder: Path) -> str:
    digest = hashlib.sha256((folder / "config.json").read_bytes())
    for path in sorted(folder.glob("*.safetensors")):
        digest.update(f"{path.name} {path.stat().st_size}\n".encode())
    return digest.hexdigest()
