"""Between a request and the scheduler: one answer as it comes, or whole, in an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from services.generate.contract import Checked
from services.generate.scheduling import Asked, End, Failed, Scheduler, Step, Token


@dataclass
class Answer:
    """A finished answer, or one that is being made: `tokens` so far, `end` once it is whole.

    `mean_logprob` orders the answers of `best_of`. The times are in seconds.
    """

    asked: Asked
    tokens: list[Token] = field(default_factory=list)
    top: list[list[Token]] = field(default_factory=list)
    end: End | None = None

    def add(self, step: Step) -> None:
        """Take the next token."""
        self.tokens.append(step.token)
        self.top.append(step.top)
        self.end = step.end

    @property
    def mean_logprob(self) -> float:
        """The average log-probability of its tokens."""
        return sum(token.logprob or 0.0 for token in self.tokens) / max(len(self.tokens), 1)

    @property
    def queue_s(self) -> float:
        """From arrival to the first forward pass."""
        return max(self.asked.began - self.asked.arrived, 0.0)


class Stream:
    """One answer, token by token. Leaving it early takes the request out of the batch."""

    def __init__(self, scheduler: Scheduler, checked: Checked) -> None:
        self._loop = asyncio.get_running_loop()
        self._steps: asyncio.Queue[Step | Failed] = asyncio.Queue()
        self.answer = Answer(
            Asked(
                prompt=checked.prompt,
                max_new_tokens=checked.max_new_tokens,
                sampling=checked.sampling,
                deliver=self._deliver,
                stop=checked.stop,
                guide=checked.guide() if checked.guide is not None else None,
                top_n=checked.top_n,
                wants_prefill=checked.wants_prefill,
            )
        )
        self._scheduler = scheduler

    def submit(self) -> None:
        """Ask for it. Raises Overloaded."""
        self._scheduler.submit(self.answer.asked)

    async def steps(self) -> AsyncIterator[Step]:
        """Each token as it comes, to the last; raises Failed."""
        try:
            while self.answer.end is None:
                step = await self._steps.get()
                if isinstance(step, Failed):
                    raise step
                self.answer.add(step)
                yield step
        finally:
            self.answer.asked.canceled = True

    def _deliver(self, step: Step | Failed) -> None:
        """Runs in the scheduler's thread. A loop that closed meanwhile has nobody left to tell."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._steps.put_nowait, step)

    async def whole(self) -> Answer:
        """The finished answer; raises Failed."""
        async for _ in self.steps():
            pass
        return self.answer


@dataclass
class Timer:
    """The times of one request for TGI's headers."""

    began: float = field(default_factory=time.perf_counter)
    validated: float = 0.0

    def done_validating(self) -> None:
        """The request is admitted."""
        self.validated = time.perf_counter()

    def headers(self, answer: Answer, device: str) -> dict[str, str]:
        """TGI's headers; times in whole milliseconds."""
        now = time.perf_counter()
        inference_s = max(now - (answer.asked.began or now), 0.0)
        times = {
            "x-total-time": now - self.began,
            "x-validation-time": self.validated - self.began,
            "x-queue-time": answer.queue_s,
            "x-inference-time": inference_s,
            "x-time-per-token": inference_s / max(len(answer.tokens), 1),
        }
        counted = {
            "x-compute-type": "cpu" if device == "cpu" else "gpu+optimized",
            "x-compute-time": f"{now - self.began:.6f}",
            "x-compute-characters": str(len(answer.asked.prompt)),
            "x-prompt-tokens": str(len(answer.asked.prompt)),
            "x-generated-tokens": str(len(answer.tokens)),
        }
        return counted | {name: str(round(seconds * 1000)) for name, seconds in times.items()}
