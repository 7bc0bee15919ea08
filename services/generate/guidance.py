"""Guided decoding: which tokens a JSON schema or a regular expression permits next, by llguidance.

Compiling a grammar takes about a millisecond and no table is built in advance, so grammars are not cached.
"""

from __future__ import annotations

from typing import Any

import llguidance
import llguidance.hf
import llguidance.numpy
import numpy as np
import torch
from torch import Tensor


class BadGrammar(ValueError):
    """A grammar that cannot be compiled; the message says why."""


class Guide:
    """The state of one grammar over one answer."""

    def __init__(self, tokenizer: llguidance.LLTokenizer, grammar: str) -> None:
        self._matcher = llguidance.LLMatcher(tokenizer, grammar)
        if self._matcher.is_error():
            raise BadGrammar(self._matcher.get_error())
        self._bits = llguidance.numpy.allocate_token_bitmask(1, tokenizer.vocab_size)

    def allowed(self, vocabulary: int) -> Tensor:
        """A mask [vocabulary] of the tokens that may come next; the end token where the answer may end."""
        llguidance.numpy.fill_next_token_bitmask(self._matcher, self._bits)
        bits = np.unpackbits(self._bits.view(np.uint8), bitorder="little").astype(bool)
        allowed = np.zeros(vocabulary, dtype=bool)
        allowed[: min(vocabulary, len(bits))] = bits[:vocabulary]
        return torch.from_numpy(allowed)

    def advance(self, token: int) -> None:
        """Take note that `token`, which was allowed, was chosen."""
        self._matcher.consume_token(token)


class Grammars:
    """Compiles grammars for one tokenizer. `vocabulary` is the width of the model's logits."""

    def __init__(self, tokenizer: Any, vocabulary: int, end_tokens: list[int]) -> None:
        self._tokenizer = llguidance.hf.from_tokenizer(tokenizer, n_vocab=vocabulary, eos_token=end_tokens)

    def json(self, schema: dict[str, Any] | str) -> Guide:
        """A guide for JSON by `schema`, without blanks between the parts; raises BadGrammar.

        As in TGI a schema needs `properties` at the top.
        """
        parsed = llguidance.LLMatcher.grammar_from_json_schema(schema, overrides={"whitespace_flexible": False})
        return Guide(self._tokenizer, parsed)

    def regex(self, pattern: str) -> Guide:
        """A guide for answers that match `pattern` as a whole; raises BadGrammar."""
        return Guide(self._tokenizer, llguidance.LLMatcher.grammar_from_regex(pattern))
