"""What the routes share: the model, its scheduler, the limits, and the counters of /metrics."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field

from fastapi import Request

from services.generate.answers import Answer, Stream
from services.generate.contract import Checked, Limits, Parameters, checked
from services.generate.guidance import Grammars
from services.generate.language_model import LanguageModel
from services.generate.scheduling import Scheduler

#: How often a whole answer looks whether its client is still there, in seconds.
DISCONNECT_CHECK_S = 0.5


@dataclass
class House:
    """One model being served. `counted` holds totals since the start, by metric name."""

    language: LanguageModel
    scheduler: Scheduler
    limits: Limits
    grammars: Grammars
    max_concurrent_requests: int
    payload_limit_bytes: int
    api_key: str | None
    counted: Counter[str] = field(default_factory=Counter)

    def check(self, text: str, parameters: Parameters, *, stream: bool, special: bool = True) -> Checked:
        """The request as the scheduler takes it; raises Invalid. `special`: with the tokens around a text."""
        ids = list(self.language.tokenizer(text, add_special_tokens=special).input_ids)
        return checked(ids, parameters, self.limits, self.grammars, stream=stream, empty=not text)

    def open(self, request: Checked) -> Stream:
        """Ask for an answer and return it as a stream; raises Overloaded."""
        self.counted["tgi_request_count"] += 1
        stream = Stream(self.scheduler, request)
        stream.submit()
        return stream

    async def whole(self, request: Checked, http: Request) -> list[Answer]:
        """The finished answers, the likeliest first; `best_of` of them. Raises Overloaded or Failed.

        Given up where the client has gone.
        """
        streams = [self.open(request) for _ in range(request.best_of)]
        working = asyncio.gather(*(stream.whole() for stream in streams))
        while not working.done():
            await asyncio.wait([working], timeout=DISCONNECT_CHECK_S)
            if not working.done() and await http.is_disconnected():
                working.cancel()
        answers = sorted(await working, key=lambda answer: -answer.mean_logprob)
        for answer in answers:
            self.count(answer)
        return answers

    def count(self, answer: Answer) -> None:
        """Add a finished answer to the metrics."""
        self.counted["tgi_request_success"] += 1
        self.counted["tgi_request_generated_tokens_sum"] += len(answer.tokens)
        self.counted["tgi_request_input_length_sum"] += len(answer.asked.prompt)

    def metrics(self) -> str:
        """Prometheus text."""
        gauges = {"tgi_queue_size": self.scheduler.waiting, "tgi_batch_current_size": self.scheduler.running}
        lines = [f"# TYPE {name} gauge\n{name} {value}\n" for name, value in gauges.items()]
        lines += [f"# TYPE {name} counter\n{name} {value}\n" for name, value in sorted(self.counted.items())]
        return "".join(lines)
