"""The OpenAI forms as TGI speaks them: /v1/chat/completions, /v1/completions, /v1/models, /chat_tokenize."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import jinja2
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict

from services.generate.answers import Answer, Timer
from services.generate.api.errors import ANSWERED, BadTemplate, spelled
from services.generate.api.house import House
from services.generate.api.tgi import (
    CONTRACT_VERSION,
    MAX_CLIENT_BATCH_SIZE,
    form_of,
    house_of,
    server_sent,
    tokens_of,
)
from services.generate.contract import Checked, Grammar, Invalid, Parameters
from services.generate.scheduling import Step, Token

router = APIRouter()


class _Form(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class TextPart(_Form):
    """A piece of a message; only text is understood."""

    type: str = "text"
    text: str


class Message(_Form):
    """One turn. `content` is a text or its pieces."""

    role: str
    content: str | list[TextPart] = ""

    def plain(self) -> dict[str, str]:
        """The message as a chat template takes it."""
        content = self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)
        return {"role": self.role, "content": content}


class StreamOptions(_Form):
    """Extras of a stream."""

    include_usage: bool = False


class _Request(_Form):
    model: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    n: int | None = None

    def parameters(self, **more: Any) -> Parameters:
        """The same in TGI's own terms: temperature 0 is greedy, everything else is sampled.

        Raises Invalid where more than one choice is asked for.
        """
        if self.n not in (None, 1):
            raise Invalid(f"`n` must be 1. Given: {self.n}")
        greedy = self.temperature == 0
        return Parameters(
            do_sample=not greedy,
            temperature=None if greedy else self.temperature,
            top_p=None if self.top_p == 1 or greedy else self.top_p,
            frequency_penalty=self.frequency_penalty or None,
            seed=self.seed,
            stop=[self.stop] if isinstance(self.stop, str) else self.stop or [],
            max_new_tokens=self.max_tokens,
            **more,
        )


class ChatRequest(_Request):
    """The body of /v1/chat/completions. `max_completion_tokens` is OpenAI's newer name of `max_tokens`."""

    messages: list[Message]
    max_completion_tokens: int | None = None
    response_format: Grammar | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    tools: list[Any] | None = None


class CompletionRequest(_Request):
    """The body of /v1/completions."""

    prompt: str | list[str]
    suffix: str | None = None


class TokenizeRequest(_Form):
    """The body of /chat_tokenize."""

    messages: list[Message]


@router.post("/v1/chat/completions")
async def chat_completions(request: Request) -> Response:
    """The answer to a conversation, whole or as a stream that ends with [DONE]."""
    timer, asked, house = Timer(), await form_of(request, ChatRequest), house_of(request)
    if asked.tools:
        raise Invalid("tools are not supported by this server")
    if asked.stream:
        return _streamed(house, [lambda: _chat_checked(house, asked)], asked, _chat_chunk)
    checked = _chat_checked(house, asked)
    timer.done_validating()
    [answer] = await house.whole(checked, request)
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": _made(answer)},
        "logprobs": _chat_logprobs(answer.tokens, answer.top) if asked.logprobs else None,
        "finish_reason": _reason(answer),
    }
    body = _head(house, "chat.completion") | {"choices": [choice], "usage": _usage([answer])}
    return JSONResponse(body, headers=timer.headers(answer, house.language.device))


@router.post("/v1/completions")
async def completions(request: Request) -> Response:
    """The continuation of one to four texts."""
    timer, asked, house = Timer(), await form_of(request, CompletionRequest), house_of(request)
    prompts = [asked.prompt] if isinstance(asked.prompt, str) else asked.prompt
    if asked.suffix is not None:
        raise Invalid("Suffix is not supported and can be achieved by preprocessing the prompt.")
    if len(prompts) > MAX_CLIENT_BATCH_SIZE:
        raise Invalid(f"Number of prompts exceeds the maximum allowed batch size of {MAX_CLIENT_BATCH_SIZE}")
    if asked.stream:
        makers = [lambda text=text: house.check(text, asked.parameters(), stream=True) for text in prompts]
        return _streamed(house, makers, asked, _completion_chunk)
    checked = [house.check(text, asked.parameters(), stream=False) for text in prompts]
    timer.done_validating()
    answers = [answer for [answer] in await asyncio.gather(*(house.whole(each, request) for each in checked))]
    choices = [
        {"index": index, "text": _made(answer), "logprobs": None, "finish_reason": _reason(answer)}
        for index, answer in enumerate(answers)
    ]
    body = _head(house, "text_completion") | {"choices": choices, "usage": _usage(answers)}
    return JSONResponse(body, headers=timer.headers(answers[0], house.language.device))


@router.post("/chat_tokenize")
async def chat_tokenize(request: Request) -> dict[str, Any]:
    """The prompt that a conversation becomes, and its tokens."""
    asked, house = await form_of(request, TokenizeRequest), house_of(request)
    text = _templated(house, asked.messages)
    return {"tokenize_response": tokens_of(house, text, special=False), "templated_text": text}


@router.get("/v1/models")
async def models(request: Request) -> dict[str, Any]:
    """The one model that is served."""
    name = house_of(request).language.name
    return {"object": "list", "data": [{"id": name, "object": "model", "created": 0, "owned_by": name}]}


def _chat_checked(house: House, asked: ChatRequest) -> Checked:
    top = asked.top_logprobs if asked.logprobs else None
    parameters = asked.parameters(grammar=asked.response_format, top_n_tokens=top)
    if asked.max_completion_tokens is not None:
        parameters = parameters.model_copy(update={"max_new_tokens": asked.max_completion_tokens})
    return house.check(_templated(house, asked.messages), parameters, stream=asked.stream, special=False)


def _templated(house: House, messages: list[Message]) -> str:
    tokenizer = house.language.tokenizer
    if not tokenizer.chat_template:
        raise BadTemplate("template not found")
    try:
        text: str = tokenizer.apply_chat_template(
            [message.plain() for message in messages], tokenize=False, add_generation_prompt=True
        )
    except jinja2.TemplateError as wrong:
        raise BadTemplate(str(wrong)) from wrong
    return text


def _streamed(house: House, makers: list[Any], asked: _Request, chunk: Any) -> Response:
    async def events() -> AsyncIterator[str]:
        answers = []
        try:
            for index, make in enumerate(makers):
                stream = house.open(make())
                answers.append(stream.answer)
                async for step in stream.steps():
                    yield server_sent(chunk(house, asked, index, stream.answer, step))
                house.count(stream.answer)
            if asked.stream_options.include_usage:
                kind = "chat.completion.chunk" if chunk is _chat_chunk else "text_completion"
                yield server_sent(_head(house, kind) | {"choices": [], "usage": _usage(answers)})
        except ANSWERED as failed:  # the status is sent already: in a stream an error is an event
            yield server_sent(spelled(failed)[1])
        yield "data: [DONE]\n\n"

    return StreamingResponse(events(), media_type="text/event-stream", headers={"x-accel-buffering": "no"})


def _chat_chunk(house: House, asked: ChatRequest, index: int, answer: Answer, step: Step) -> dict[str, Any]:
    choice = {
        "index": index,
        "delta": {"role": "assistant", "content": "" if step.token.special else step.token.text},
        "logprobs": _chat_logprobs([step.token], [step.top]) if asked.logprobs else None,
        "finish_reason": _reason(answer),
    }
    return _head(house, "chat.completion.chunk") | {"choices": [choice]}


def _completion_chunk(house: House, asked: _Request, index: int, answer: Answer, step: Step) -> dict[str, Any]:
    text = "" if step.token.special else step.token.text
    choice = {"index": index, "text": text, "logprobs": None, "finish_reason": _reason(answer)}
    return _head(house, "text_completion") | {"choices": [choice]}


def _head(house: House, kind: str) -> dict[str, Any]:
    return {
        "object": kind,
        "id": "",
        "created": int(time.time()),
        "model": house.language.name,
        "system_fingerprint": f"{CONTRACT_VERSION}-dossier",
    }


def _made(answer: Answer) -> str:
    return answer.end.text if answer.end is not None else ""


def _reason(answer: Answer) -> str | None:
    if answer.end is None:
        return None
    return "length" if answer.end.reason == "length" else "stop"


def _usage(answers: list[Answer]) -> dict[str, int]:
    prompt = sum(len(answer.asked.prompt) for answer in answers)
    made = sum(len(answer.tokens) for answer in answers)
    return {"prompt_tokens": prompt, "completion_tokens": made, "total_tokens": prompt + made}


def _chat_logprobs(tokens: list[Token], tops: list[list[Token]]) -> dict[str, Any]:
    return {
        "content": [
            {
                "token": token.text,
                "logprob": token.logprob,
                "top_logprobs": [{"token": each.text, "logprob": each.logprob} for each in top],
            }
            for token, top in zip(tokens, tops, strict=True)
        ]
    }
