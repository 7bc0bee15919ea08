"""Who is generated when: one thread owns the model, requests join and leave its batch between two tokens.

A request that arrives while others run is read (prefilled) at once if there is room in the batch; else it waits its
turn. One more than `max_concurrent` is refused at once, as TGI does: waiting without an end helps nobody.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from services.generate.batching import Batch
from services.generate.guidance import Guide
from services.generate.language_model import LanguageModel
from services.generate.sampling import Sampling, choose, scores_from

log = logging.getLogger(__name__)

FinishReason = Literal["length", "eos_token", "stop_sequence"]
#: How many tokens before a new one are decoded with it: a character may be spread over several tokens.
LOOK_BACK = 5


class Overloaded(Exception):
    """There are as many requests in the house as may be."""


class Failed(Exception):
    """The model failed over this answer. The message has the kind of failure alone: the rest may hold a prompt."""


@dataclass(frozen=True)
class Token:
    """One token with its natural-log probability; None for the first of a prompt.

    `text` may be empty: a character that is spread over several tokens comes with the last of them.
    """

    id: int
    text: str
    logprob: float | None
    special: bool


@dataclass(frozen=True)
class End:
    """Why an answer ended, and the whole of it, without special tokens."""

    reason: FinishReason
    text: str


@dataclass(frozen=True)
class Step:
    """One new token; `top` are the likeliest tokens in its place, `end` is set on the last one."""

    token: Token
    top: list[Token]
    end: End | None


@dataclass(eq=False)
class Asked:
    """One answer to make. `deliver` is called in the scheduler's thread with each Step, or once with Failed.

    `max_new_tokens` is at least 1. `prefill` is filled before the first Step where `wants_prefill`.
    """

    prompt: list[int]
    max_new_tokens: int
    sampling: Sampling
    deliver: Callable[[Step | Failed], None]
    stop: tuple[str, ...] = ()
    guide: Guide | None = None
    top_n: int = 0
    wants_prefill: bool = False
    prefill: list[Token] = field(default_factory=list)
    canceled: bool = False
    arrived: float = field(default_factory=time.perf_counter)
    #: When its first forward pass began, by time.perf_counter().
    began: float = 0.0


class _Sequence:
    """An answer in the making."""

    def __init__(self, asked: Asked, language: LanguageModel) -> None:
        self.asked = asked
        self._language = language
        self.ids = list(asked.prompt)
        self._random = torch.Generator()
        if asked.sampling.seed is not None:
            self._random.manual_seed(asked.sampling.seed)
        self._prefix, self._read = max(len(self.ids) - LOOK_BACK, 0), len(self.ids)
        self._tail = ""

    def take(self, logits: Tensor) -> Step:
        """Choose the next token from the logits of the last one, shape [V]."""
        asked, width = self.asked, logits.shape[-1]
        allowed = None if asked.guide is None else asked.guide.allowed(width).to(logits.device)
        scores = scores_from(logits, asked.sampling, self.ids, allowed)
        chosen = choose(scores, asked.sampling, self._random)
        if asked.guide is not None:
            asked.guide.advance(chosen)
        top = _tops(scores, asked.top_n, self._language)
        self.ids.append(chosen)
        text = self._new_text()
        token = Token(chosen, text, float(scores[chosen]), chosen in self._language.tokenizer.all_special_ids)
        return Step(token, top, self._end(chosen, text))

    def _new_text(self) -> str:
        """The characters that the last token completes; "" where it leaves one open."""
        before = self._language.text(self.ids[self._prefix : self._read])
        now = self._language.text(self.ids[self._prefix :])
        if len(now) <= len(before) or now.endswith("\ufffd"):
            return ""
        self._prefix, self._read = self._read, len(self.ids)
        return now[len(before) :]

    def _end(self, chosen: int, text: str) -> End | None:
        if chosen in self._language.end_tokens:
            return End("eos_token", self._answer())
        self._tail += text
        if found := [stop for stop in self.asked.stop if stop in self._tail]:
            answer = self._answer()
            cut = min((answer.find(stop) + len(stop) for stop in found if stop in answer), default=len(answer))
            return End("stop_sequence", answer[:cut])
        self._tail = self._tail[-max((len(stop) for stop in self.asked.stop), default=1) :]
        if len(self.ids) - len(self.asked.prompt) >= self.asked.max_new_tokens:
            return End("length", self._answer())
        return None

    def _answer(self) -> str:
        length = len(self.asked.prompt)
        start = max(length - LOOK_BACK, 0)
        before = self._language.text(self.ids[start:length], special=False)
        return self._language.text(self.ids[start:], special=False)[len(before) :]


class Scheduler(threading.Thread):
    """Generates for everybody. `start()` it once; `stop()` lets what was asked for finish."""

    def __init__(self, language: LanguageModel, *, max_batch_size: int, max_concurrent: int) -> None:
        super().__init__(daemon=True, name="generate")
        self.language = language
        self._max_batch_size = max_batch_size
        self._max_concurrent = max_concurrent
        self._waiting: deque[Asked] = deque()
        self._running: list[_Sequence] = []
        self._batch = Batch(language.model, language.device)
        self._last: list[int] = []
        self._changed = threading.Condition()
        self._stopping = False

    @property
    def waiting(self) -> int:
        """Requests that have not begun."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Rows of the batch."""
        return len(self._running)

    @property
    def healthy(self) -> bool:
        """Whether new requests are served."""
        return self.is_alive() and not self._stopping

    def submit(self, *asked: Asked) -> None:
        """Ask for answers, all or none. Raises Overloaded."""
        with self._changed:
            if self._stopping or len(self._waiting) + len(self._running) + len(asked) > self._max_concurrent:
                raise Overloaded
            self._waiting.extend(asked)
            self._changed.notify()

    def stop(self, timeout_s: float | None = None) -> None:
        """Take nothing new, finish what is there, and end the thread; waits for that at most `timeout_s`."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self.join(timeout_s)

    def run(self) -> None:
        """The loop: leave, join, one token for everybody."""
        while True:
            with self._changed:
                while not self._waiting and not self._running:
                    if self._stopping:
                        return
                    self._changed.wait()
                joining = self._next_to_join()
            try:
                self._join(joining)
                self._step()
            except Exception as failed:  # whoever waits for an answer must hear of it
                log.exception("a forward pass failed; %d answers are lost", len(self._running) + len(joining))
                self._give_up(joining, failed)

    def _next_to_join(self) -> list[Asked]:
        """Those in front of the queue for whom there is room; one that wants its prompt scored is read alone."""
        joining: list[Asked] = []
        while self._waiting and len(self._running) + len(joining) < self._max_batch_size:
            if joining and (self._waiting[0].wants_prefill or joining[-1].wants_prefill):
                break
            asked = self._waiting.popleft()
            if not asked.canceled:
                joining.append(asked)
        return joining

    def _join(self, joining: list[Asked]) -> None:
        if not joining:
            return
        now = time.perf_counter()
        for asked in joining:
            asked.began = now
        scored = joining[0].wants_prefill
        logits = self._batch.join([asked.prompt for asked in joining], every_position=scored)
        if scored:
            joining[0].prefill[:] = _prefill(joining[0].prompt, logits[0], self.language)
        new = [_Sequence(asked, self.language) for asked in joining]
        self._running += new
        self._deliver(new, torch.stack([row[-1] for row in logits]))

    def _step(self) -> None:
        if self._running:
            self._deliver(self._running, self._batch.step(self._last))

    def _deliver(self, sequences: list[_Sequence], logits: Tensor) -> None:
        """Choose and deliver a token for each of `sequences`, the last rows of the batch; those that end leave."""
        first = len(self._running) - len(sequences)
        gone: set[int] = set()
        del self._last[first:]
        for row, (sequence, scores) in enumerate(zip(sequences, logits, strict=True), start=first):
            step = sequence.take(scores)
            self._last.append(step.token.id)
            sequence.asked.deliver(step)
            if step.end is not None or sequence.asked.canceled:
                gone.add(row)
        if gone:
            stay = [row for row in range(len(self._running)) if row not in gone]
            self._running = [self._running[row] for row in stay]
            self._last = [self._last[row] for row in stay]
            self._batch.keep(stay)

    def _give_up(self, joining: list[Asked], failed: Exception) -> None:
        lost = {id(asked): asked for asked in [*joining, *(sequence.asked for sequence in self._running)]}
        self._running, self._last = [], []
        self._batch = Batch(self.language.model, self.language.device)
        for asked in lost.values():
            asked.deliver(Failed(type(failed).__name__))


def _tops(scores: Tensor, count: int, language: LanguageModel) -> list[Token]:
    if count == 0:
        return []
    best = scores.topk(min(count, scores.shape[-1]))
    return [
        _token(int(token), float(score), language)
        for token, score in zip(best.indices, best.values, strict=True)
        if score > -torch.inf
    ]


def _token(token: int, logprob: float | None, language: LanguageModel) -> Token:
    return Token(token, language.text([token]), logprob, token in language.tokenizer.all_special_ids)


def _prefill(prompt: list[int], logits: Tensor, language: LanguageModel) -> list[Token]:
    """The tokens of a prompt with their log-probabilities, given `logits` [len(prompt), V] after each of them."""
    following = torch.tensor(prompt[1:], device=logits.device).unsqueeze(1)
    scored = torch.log_softmax(logits[:-1].float(), dim=-1).gather(1, following).squeeze(1)
    return [_token(prompt[0], None, language)] + [
        _token(token, float(score), language) for token, score in zip(prompt[1:], scored, strict=True)
    ]
