"""TGI's request and response forms, and the validation that its router does (router/src/validation.rs, v3.3.7).

A body that does not have the form is a Malformed (text/plain); a value out of its range an Invalid (422, JSON).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from services.generate.guidance import BadGrammar, Grammars, Guide
from services.generate.sampling import Sampling

#: TGI draws a seed where none was given, and says which.
_draw = random.SystemRandom()


class Invalid(ValueError):
    """A value out of its range; becomes `{"error": "Input validation error: …", "error_type": "validation"}`."""


class _Form(BaseModel):
    #: TGI (serde) passes over fields that it does not know.
    model_config = ConfigDict(extra="ignore", frozen=True, strict=False)


class Grammar(_Form):
    """What the answer must obey. `json_object` is another name of `json`."""

    type: Literal["json", "json_object", "regex"]
    value: Any


class Parameters(_Form):
    """All that can be asked of an answer; None means TGI's default."""

    best_of: int | None = None
    temperature: float | None = None
    repetition_penalty: float | None = None
    frequency_penalty: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    typical_p: float | None = None
    do_sample: bool = False
    max_new_tokens: int | None = None
    return_full_text: bool | None = None
    stop: list[str] = []
    truncate: int | None = None
    watermark: bool = False
    details: bool = False
    decoder_input_details: bool = False
    seed: int | None = None
    top_n_tokens: int | None = None
    grammar: Grammar | None = None
    adapter_id: str | None = None


class GenerateRequest(_Form):
    """The body of /generate and /generate_stream."""

    inputs: str
    parameters: Parameters = Parameters()


class CompatRequest(GenerateRequest):
    """The body of `/`."""

    stream: bool = False


@dataclass(frozen=True)
class Limits:
    """What this server admits."""

    max_best_of: int
    max_stop_sequences: int
    max_top_n_tokens: int
    max_input_tokens: int
    max_total_tokens: int


@dataclass(frozen=True)
class Checked:
    """A request that can be served: its prompt in tokens, how to choose, how much.

    `guide` makes a fresh guide for each answer, None where there is no grammar.
    """

    prompt: list[int]
    max_new_tokens: int
    sampling: Sampling
    stop: tuple[str, ...]
    top_n: int
    best_of: int
    guide: Callable[[], Guide] | None
    wants_prefill: bool


def checked(
    prompt: list[int], asked: Parameters, limits: Limits, grammars: Grammars, *, stream: bool, empty: bool = False
) -> Checked:
    """Hold a request to its ranges, in TGI's order and words. Raises Invalid."""
    best_of = asked.best_of if asked.best_of is not None else 1
    sampled = (
        asked.do_sample
        or asked.temperature is not None
        or asked.top_k is not None
        or asked.top_p is not None
        or asked.typical_p is not None
    )
    _check_best_of(best_of, asked, limits, sampled, stream)
    _check_ranges(asked, limits)
    if empty:
        raise Invalid("`inputs` cannot be empty")
    if asked.truncate is not None:
        if not 0 < asked.truncate <= limits.max_input_tokens:
            raise Invalid(
                f"`truncate` must be strictly positive and less than {limits.max_input_tokens}. Given: {asked.truncate}"
            )
        prompt = prompt[-asked.truncate :]
    return Checked(
        prompt=prompt,
        max_new_tokens=_room(len(prompt), asked.max_new_tokens, limits),
        sampling=_sampling(asked, sampled),
        stop=tuple(asked.stop),
        top_n=asked.top_n_tokens or 0,
        best_of=best_of,
        guide=None if asked.grammar is None else _guide(asked.grammar, grammars),
        wants_prefill=asked.decoder_input_details,
    )


def _check_best_of(best_of: int, asked: Parameters, limits: Limits, sampled: bool, stream: bool) -> None:
    if stream and asked.decoder_input_details:
        raise Invalid("`decoder_input_details` == true is not supported when streaming tokens")
    if stream and best_of != 1:
        raise Invalid("`best_of` != 1 is not supported when streaming tokens")
    if not 0 < best_of <= limits.max_best_of:
        raise Invalid(f"`best_of` must be > 0 and <= {limits.max_best_of}. Given: {best_of}")
    if best_of > 1 and not sampled:
        raise Invalid("you must use sampling when `best_of` is > 1")
    if best_of > 1 and asked.seed is not None:
        raise Invalid("`seed` must not be set when `best_of` > 1")


def _check_ranges(asked: Parameters, limits: Limits) -> None:
    wrong = {
        "`temperature` must be strictly positive": asked.temperature is not None and asked.temperature <= 0,
        "`repetition_penalty` must be strictly positive": asked.repetition_penalty is not None
        and asked.repetition_penalty <= 0,
        "`frequency_penalty` must be >= -2.0 and <= 2.0": not -2 <= (asked.frequency_penalty or 0) <= 2,
        "`top_p` must be > 0.0 and < 1.0": asked.top_p is not None and not 0 < asked.top_p < 1,
        "`typical_p` must be > 0.0 and < 1.0": asked.typical_p is not None and not 0 < asked.typical_p < 1,
        "`top_k` must be strictly positive": asked.top_k is not None and asked.top_k <= 0,
        "`max_new_tokens` must be strictly positive": asked.max_new_tokens is not None and asked.max_new_tokens <= 0,
        f"`stop` supports up to {limits.max_stop_sequences} stop sequences. Given: {len(asked.stop)}": len(asked.stop)
        > limits.max_stop_sequences,
        f"`top_n_tokens` must be >= 0 and <= {limits.max_top_n_tokens}. Given: {asked.top_n_tokens}": not 0
        <= (asked.top_n_tokens or 0)
        <= limits.max_top_n_tokens,
    }
    for message, is_wrong in wrong.items():
        if is_wrong:
            raise Invalid(message)


def _room(prompt: int, asked: int | None, limits: Limits) -> int:
    """How many tokens may be made; TGI fills what is left where nothing was asked."""
    if prompt > limits.max_input_tokens:
        raise Invalid(f"`inputs` must have less than {limits.max_input_tokens} tokens. Given: {prompt}")
    if asked is None:
        return limits.max_total_tokens - prompt
    if prompt + asked > limits.max_total_tokens:
        raise Invalid(
            f"`inputs` tokens + `max_new_tokens` must be <= {limits.max_total_tokens}. "
            f"Given: {prompt} `inputs` tokens and {asked} `max_new_tokens`"
        )
    return asked


def _sampling(asked: Parameters, sampled: bool) -> Sampling:
    seed = asked.seed if asked.seed is not None else (_draw.getrandbits(63) if sampled else None)
    return Sampling(
        do_sample=sampled,
        temperature=asked.temperature,
        top_k=asked.top_k,
        top_p=asked.top_p,
        typical_p=asked.typical_p,
        repetition_penalty=asked.repetition_penalty,
        frequency_penalty=asked.frequency_penalty,
        seed=seed,
    )


def _guide(grammar: Grammar, grammars: Grammars) -> Callable[[], Guide]:
    def make() -> Guide:
        if grammar.type == "regex":
            return grammars.regex(str(grammar.value))
        return grammars.json(grammar.value)

    if grammar.type != "regex" and not (isinstance(grammar.value, dict) and "properties" in grammar.value):
        raise Invalid("Grammar must have a 'properties' field")
    try:
        make()
    except BadGrammar as bad:
        raise Invalid(f"grammar is not valid: {bad}") from bad
    return make
