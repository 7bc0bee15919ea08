"""The server put together: routes, errors, the key."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request, Response

from services.generate.api import openai, tgi
from services.generate.api.errors import ANSWERED, answered
from services.generate.api.house import House
from services.generate.contract import Limits
from services.generate.guidance import Grammars
from services.generate.language_model import LanguageModel
from services.generate.scheduling import Scheduler
from services.generate.settings import GenerateSettings

#: Open without the key, as in TGI.
PUBLIC = {"/health", "/info", "/metrics"}


def application(language: LanguageModel, settings: GenerateSettings) -> FastAPI:
    """The server of `language`, generating already."""
    total = min(settings.max_total_tokens or language.longest, language.longest)
    scheduler = Scheduler(
        language, max_batch_size=settings.max_batch_size, max_concurrent=settings.max_concurrent_requests
    )
    scheduler.start()
    house = House(
        language=language,
        scheduler=scheduler,
        limits=Limits(
            max_best_of=settings.max_best_of,
            max_stop_sequences=settings.max_stop_sequences,
            max_top_n_tokens=settings.max_top_n_tokens,
            max_input_tokens=min(settings.max_input_tokens or total - 1, total - 1),
            max_total_tokens=total,
        ),
        grammars=Grammars(language.tokenizer, language.vocabulary, language.end_tokens),
        max_concurrent_requests=settings.max_concurrent_requests,
        payload_limit_bytes=settings.payload_limit_bytes,
        api_key=settings.api_key.get_secret_value() if settings.api_key else None,
    )
    app = FastAPI(title="dossier generate", docs_url=None, redoc_url=None)
    app.state.house = house
    for error in ANSWERED:
        app.add_exception_handler(error, _answered)
    app.middleware("http")(_guarded)
    app.include_router(tgi.router)
    app.include_router(openai.router)
    return app


async def _answered(request: Request, error: Exception) -> Response:
    return answered(error)


async def _guarded(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
    house = tgi.house_of(request)
    expected = house.api_key
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    if expected and request.url.path not in PUBLIC and not hmac.compare_digest(given.encode(), expected.encode()):
        return Response(status_code=401)
    return await call(request)
