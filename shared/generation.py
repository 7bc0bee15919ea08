"""The generation port: a prompt in, text out, whichever server does the work.

Two adapters: `generation_tgi.py` for Text Generation Inference, the default, and `generation_openai.py` for
all that speaks OpenAI's contract (vLLM, SGLang, llama.cpp). `ScriptedGenerator` is the fake for tests. Both
adapters wait at most `timeout_s` for an answer, try a refused or overloaded server again, and raise
`Unavailable` where it stays so and `Refused` where the request itself can never succeed.

This module knows no prompts, starts no server and keeps no conversation.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar

import httpx

from shared.errors import DossierError, Refused, Unavailable

FinishReason = Literal["stop", "length"]
Result = TypeVar("Result")

#: Waits before the second and third attempt, in seconds. An overloaded TGI refuses at once, without
#: Retry-After.
RETRY_WAITS_S = (0.5, 1.5)
#: TGI refuses more stop sequences than this (its `--max-stop-sequences`).
MOST_STOPS = 4


@dataclass(frozen=True)
class Message:
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


#: A plain text to continue, or a conversation to answer.
Prompt = str | Sequence[Message]


@dataclass(frozen=True)
class JsonGrammar:
    """The answer must be JSON that obeys this schema, an object with `properties`.

    Make every property required and optional ones nullable: eight or more optional properties take TGI
    minutes to compile (huggingface/text-generation-inference#2902).
    """

    schema: dict[str, Any]

    def __post_init__(self) -> None:
        """Raise ValueError on a schema that TGI would refuse."""
        if "properties" not in self.schema:
            raise ValueError("a grammar's JSON schema needs `properties` at the top level")


@dataclass(frozen=True)
class RegexGrammar:
    """The whole answer must match this regular expression."""

    pattern: str


Grammar = JsonGrammar | RegexGrammar


@dataclass(frozen=True)
class Token:
    """A token and its natural-log probability after what stands before it; None where none was given."""

    text: str
    logprob: float | None


@dataclass(frozen=True)
class Generation:
    """What came back. `finish_reason` "length" means the text was cut at `max_tokens`.

    `tokens` is None unless log-probabilities were asked for and the server gave them.
    """

    text: str
    finish_reason: FinishReason
    tokens: list[Token] | None = None


class Generator(Protocol):
    """A generation server, or what stands in for one.

    Every method raises Unavailable where the server cannot be reached, is overloaded, too slow or
    misbehaves, and Refused where it says that this request is wrong (too long, an unknown model).
    """

    @property
    def model(self) -> str:
        """The name that statements made with it are signed with."""

    def generate(
        self,
        prompt: Prompt,
        *,
        max_tokens: int = 512,
        stop: Sequence[str] = (),
        grammar: Grammar | None = None,
        temperature: float = 0.0,
        seed: int | None = None,
        logprobs: bool = False,
    ) -> Generation:
        """One whole answer. `temperature` 0 is greedy. At most four `stop` texts, which end the answer."""

    def stream(
        self,
        prompt: Prompt,
        *,
        max_tokens: int = 512,
        stop: Sequence[str] = (),
        temperature: float = 0.0,
        seed: int | None = None,
    ) -> Iterator[str]:
        """The answer piece by piece, as it is made. Closing the iterator ends the request."""

    def scores(self, text: str) -> list[Token] | None:
        """The tokens of `text` with log-probabilities (the first has none); None where not supported."""

    def check(self) -> None:
        """Return where the server answers and is healthy; raise Unavailable, with what to do, where not."""


def generator_from(
    url: str, kind: Literal["tgi", "openai"], model: str, api_key: str | None, timeout_s: float
) -> Generator:
    """The adapter for the server at `url`; nothing is asked of it yet.

    `model` is, for TGI, "tgi" or the name of a loaded adapter; else the name the server knows the model by.
    """
    from shared.generation_openai import OpenAiGenerator
    from shared.generation_tgi import TgiGenerator

    adapter = TgiGenerator if kind == "tgi" else OpenAiGenerator
    return adapter(url.rstrip("/"), model, api_key, timeout_s)


@dataclass
class ScriptedGenerator:
    """A fake with a reply queue: each call takes the next reply; an error in the queue is raised.

    `asked` keeps the prompts it was given. Streams come word by word. A call with nothing left in the queue
    is the test's mistake and raises AssertionError.
    """

    replies: list[str | Generation | DossierError]
    model: str = "scripted"
    asked: list[Prompt] = field(default_factory=list)

    def generate(self, prompt: Prompt, **options: Any) -> Generation:
        """The next reply."""
        self.asked.append(prompt)
        if not self.replies:
            raise AssertionError("the scripted generator was asked once more than it has replies")
        reply = self.replies.pop(0)
        if isinstance(reply, DossierError):
            raise reply
        return Generation(reply, "stop") if isinstance(reply, str) else reply

    def stream(self, prompt: Prompt, **options: Any) -> Iterator[str]:
        """The next reply, cut after each space."""
        yield from re.findall(r"\S*\s|\S+", self.generate(prompt).text)

    def scores(self, text: str) -> list[Token] | None:
        """The tokens of the next reply, which must be a Generation with tokens or without."""
        return self.generate(text).tokens

    def check(self) -> None:
        """Always healthy."""


def with_retries(call: Callable[[], Result]) -> Result:
    """The result of `call`, tried twice more while it raises Unavailable (but for time or key)."""
    for wait_s in RETRY_WAITS_S:
        try:
            return call()
        except Unavailable as unavailable:
            if unavailable.code in ("generation_slow", "generation_key"):
                raise  # it has had its time; asking again only doubles the wait
            time.sleep(wait_s)
    return call()


@contextmanager
def httpx_errors(url: str, timeout_s: float) -> Iterator[None]:
    """Turn what httpx raises into Unavailable."""
    try:
        yield
    except httpx.TimeoutException as timeout:
        raise slow(timeout_s) from timeout
    except httpx.TransportError as lost:
        raise unreachable(url) from lost
    except json.JSONDecodeError as garbled:
        raise Unavailable(f"The generation server at {url} gave an answer that is not JSON.") from garbled


def slow(timeout_s: float) -> Unavailable:
    """No answer within the time limit."""
    return Unavailable(
        f"The generation server gave no answer in {timeout_s:g} s.",
        action="Raise DOSSIER_GENERATION_TIMEOUT_S or give the server more capacity.",
        code="generation_slow",
    )


def unreachable(url: str) -> Unavailable:
    """No connection."""
    return Unavailable(
        f"The generation server at {url} cannot be reached.",
        action="Start it, or correct DOSSIER_GENERATION_URL.",
        code="generation_unreachable",
    )


def error_from(status: int, said: str, url: str) -> DossierError:
    """What an HTTP status of a generation server means for the caller; `said` goes to the log alone."""
    if status in (401, 403):
        return Unavailable(
            f"The generation server at {url} does not accept the key.",
            action="Correct DOSSIER_GENERATION_KEY.",
            code="generation_key",
            private=said,
        )
    if status == 429 or status >= 500 or status == 424:
        return Unavailable(
            f"The generation server is overloaded or failing (status {status}).",
            action="Wait, or give it more capacity.",
            code="generation_failed",
            private=said,
        )
    return Refused(
        f"The generation server refuses this request (status {status}): it may be too long for the model, "
        "or the model's name may be wrong.",
        action="Ask about fewer documents, or check DOSSIER_GENERATION_MODEL.",
        code="generation_refused",
        private=said,
    )


def check_health(url: str, api_key: str | None, timeout_s: float) -> None:
    """Return where a GET on `url` answers without an error; raise Unavailable where not."""
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    with httpx_errors(url, timeout_s):
        response = httpx.get(url, headers=headers, timeout=min(timeout_s, 5), trust_env=False)
    if response.is_error:
        wrong = error_from(response.status_code, response.text, url)
        if isinstance(wrong, Unavailable):
            raise wrong
        raise Unavailable(
            f"{url} answers with status {response.status_code}.",
            action="Check DOSSIER_GENERATION_URL and DOSSIER_GENERATION_KIND.",
        )


def stops_from(stop: Sequence[str]) -> list[str] | None:
    """The stop texts as a list, None where there are none; raises ValueError on more than four."""
    if len(stop) > MOST_STOPS:
        raise ValueError(f"at most {MOST_STOPS} stop texts, not {len(stop)}")
    return list(stop) or None


def as_dicts(messages: Sequence[Message]) -> list[dict[str, str]]:
    """Messages in the form of both wire contracts."""
    return [{"role": message.role, "content": message.content} for message in messages]
