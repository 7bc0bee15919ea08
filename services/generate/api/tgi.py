"""TGI's own routes (router/src/server.rs, v3.3.7) and their response forms."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from pydantic import BaseModel, ValidationError

from services.generate.answers import Answer, Timer
from services.generate.api.errors import ANSWERED, Malformed, spelled
from services.generate.api.house import House
from services.generate.contract import CompatRequest, GenerateRequest, Parameters
from services.generate.scheduling import Token

Form = TypeVar("Form", bound=BaseModel)
router = APIRouter()

#: The TGI whose contract this is.
CONTRACT_VERSION = "3.3.7"
#: Prompts in one request of /v1/completions.
MAX_CLIENT_BATCH_SIZE = 4


def house_of(request: Request) -> House:
    """The house that this application serves."""
    found: House = request.app.state.house
    return found


async def form_of(request: Request, form: type[Form]) -> Form:
    """The body of a request; raises Malformed with the status and words of TGI's web framework."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise Malformed(415, "Expected request with `Content-Type: application/json`")
    limit = house_of(request).payload_limit_bytes
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > limit:
            raise Malformed(413, "Failed to buffer the request body: length limit exceeded")
    try:
        return form.model_validate(json.loads(body))
    except ValidationError as wrong:
        first = wrong.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        message = f"Failed to deserialize the JSON body into the target type: {place}: {first['msg']}"
        raise Malformed(422, message) from wrong
    except ValueError as wrong:
        raise Malformed(400, f"Failed to parse the request body as JSON: {wrong}") from wrong


def server_sent(event: dict[str, Any]) -> str:
    """One event on the wire."""
    return f"data: {json.dumps(event, ensure_ascii=False)}\n\n"


@router.post("/generate")
async def generate(request: Request) -> Response:
    """One whole answer."""
    return await _whole(request, await form_of(request, GenerateRequest), array=False)


@router.post("/generate_stream")
async def generate_stream(request: Request) -> Response:
    """One answer as server-sent events, a token each; no [DONE] at the end."""
    return _stream(request, await form_of(request, GenerateRequest))


@router.post("/")
async def compat(request: Request) -> Response:
    """Both of the above in one, as the hosted inference API had it; the full text is returned unless declined."""
    asked = await form_of(request, CompatRequest)
    if asked.parameters.return_full_text is None:
        asked = asked.model_copy(update={"parameters": asked.parameters.model_copy(update={"return_full_text": True})})
    return _stream(request, asked) if asked.stream else await _whole(request, asked, array=True)


@router.post("/tokenize")
async def tokenize(request: Request) -> Response:
    """The tokens of a text with their places in it."""
    asked = await form_of(request, GenerateRequest)
    return JSONResponse(tokens_of(house_of(request), asked.inputs))


@router.get("/health")
async def health(request: Request) -> Response:
    """200 and nothing while answers are made; 503 otherwise, also while draining."""
    if house_of(request).scheduler.healthy:
        return Response(status_code=200)
    return JSONResponse({"error": "unhealthy", "error_type": "healthcheck"}, 503)


@router.get("/info")
async def info(request: Request) -> dict[str, Any]:
    """What is served, and its limits."""
    house = house_of(request)
    return {
        "model_id": house.language.name,
        "model_sha": house.language.sha,
        "model_pipeline_tag": "text-generation",
        "max_concurrent_requests": house.max_concurrent_requests,
        "max_best_of": house.limits.max_best_of,
        "max_stop_sequences": house.limits.max_stop_sequences,
        "max_input_tokens": house.limits.max_input_tokens,
        "max_total_tokens": house.limits.max_total_tokens,
        "validation_workers": 1,
        "max_client_batch_size": MAX_CLIENT_BATCH_SIZE,
        "router": "dossier-generate",
        "version": CONTRACT_VERSION,
        "sha": None,
        "docker_label": None,
    }


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Prometheus metrics under TGI's names."""
    return PlainTextResponse(house_of(request).metrics(), media_type="text/plain; version=0.0.4")


def tokens_of(house: House, text: str, *, special: bool = True) -> list[dict[str, Any]]:
    """The tokens of `text`: id, text, and the half-open characters `start:stop`."""
    coded = house.language.tokenizer(text, return_offsets_mapping=True, add_special_tokens=special)
    return [
        {"id": token, "text": text[start:stop], "start": start, "stop": stop}
        for token, (start, stop) in zip(coded.input_ids, coded.offset_mapping, strict=True)
    ]


async def _whole(request: Request, asked: GenerateRequest, *, array: bool) -> Response:
    house, timer, parameters = house_of(request), Timer(), asked.parameters
    checked = house.check(asked.inputs, parameters, stream=False)
    timer.done_validating()
    best, *others = await house.whole(checked, request)
    body: dict[str, Any] = {"generated_text": _text(asked, best)}
    if parameters.details or parameters.decoder_input_details:
        body["details"] = _details(best, parameters)
        if others:
            sequences = [{"generated_text": _text(asked, other)} | _details(other, parameters) for other in others]
            body["details"]["best_of_sequences"] = sequences
    return JSONResponse([body] if array else body, headers=timer.headers(best, house.language.device))


def _stream(request: Request, asked: GenerateRequest) -> Response:
    house = house_of(request)

    async def events() -> AsyncIterator[str]:
        try:
            stream = house.open(house.check(asked.inputs, asked.parameters, stream=True))
            async for _ in stream.steps():
                yield server_sent(_event(asked, stream.answer))
            house.count(stream.answer)
        except ANSWERED as failed:  # the status is sent already: in a stream an error is an event
            yield server_sent(spelled(failed)[1])

    headers = {"x-compute-type": "cpu" if house.language.device == "cpu" else "gpu+optimized"}
    return StreamingResponse(events(), media_type="text/event-stream", headers=headers | {"x-accel-buffering": "no"})


def _text(asked: GenerateRequest, answer: Answer) -> str:
    made = answer.end.text if answer.end is not None else ""
    return asked.inputs + made if asked.parameters.return_full_text else made


def token_form(token: Token) -> dict[str, Any]:
    """A generated token on the wire."""
    return {"id": token.id, "text": token.text, "logprob": token.logprob, "special": token.special}


def _details(answer: Answer, parameters: Parameters) -> dict[str, Any]:
    details: dict[str, Any] = {
        "finish_reason": answer.end.reason if answer.end else "length",
        "generated_tokens": len(answer.tokens),
        "seed": answer.asked.sampling.seed,
        "prefill": [{"id": token.id, "text": token.text, "logprob": token.logprob} for token in answer.asked.prefill],
        "tokens": [token_form(token) for token in answer.tokens],
    }
    if parameters.top_n_tokens:
        details["top_tokens"] = [[token_form(token) for token in top] for top in answer.top]
    return details


def _event(asked: GenerateRequest, answer: Answer) -> dict[str, Any]:
    """The event of the newest token; the last one carries the text and the details."""
    event: dict[str, Any] = {
        "index": len(answer.tokens),
        "token": token_form(answer.tokens[-1]),
        "generated_text": None,
        "details": None,
    }
    if asked.parameters.top_n_tokens:
        event["top_tokens"] = [token_form(token) for token in answer.top[-1]]
    if answer.end is not None:
        event["generated_text"] = _text(asked, answer)
        event["details"] = {
            "finish_reason": answer.end.reason,
            "generated_tokens": len(answer.tokens),
            "seed": answer.asked.sampling.seed,
            "input_length": len(answer.asked.prompt),
        }
    return event
