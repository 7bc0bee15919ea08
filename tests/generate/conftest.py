"""A tiny Llama with random weights and its own tokenizer, and the server on a real port."""

from __future__ import annotations

import importlib.util
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

MISSING = [name for name in ("torch", "transformers", "llguidance", "openai") if importlib.util.find_spec(name) is None]
if MISSING and os.environ.get("CI"):
    raise RuntimeError(f"CI must test the generation server; not installed: {', '.join(MISSING)}")

#: Covers German, French, JSON and a character of several tokens.
TEXTS = [
    "Die Police Nr. 4711 gilt ab 01.02.2026.",
    'Le montant est de 1 234,56 €. {"name": "value", "amount": 12}',
] * 20
TEMPLATE = (
    "{% for message in messages %}{% if message.role == 'tool' %}{{ raise_exception('no tools here') }}{% endif %}"
    "<s>{{ message.role }}: {{ message.content }}{% endfor %}{% if add_generation_prompt %}<s>assistant: {% endif %}"
)


@pytest.fixture(autouse=True)
def _extra_is_there() -> None:
    if MISSING:
        pytest.skip(f"the extra 'generate' is not installed: {', '.join(MISSING)}")


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that any loader of transformers takes for a model."""
    import torch
    from tokenizers import ByteLevelBPETokenizer
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("model")
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(TEXTS, vocab_size=320, special_tokens=["<s>", "</s>"], show_progress=False)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=trained._tokenizer, bos_token="<s>", eos_token="</s>")
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        bos_token_id=0,
        eos_token_id=1,
        initializer_range=0.3,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def language(model_folder: Path) -> Any:
    from services.generate.language_model import language_model_from

    return language_model_from(model_folder, "cpu", "tiny")


class SlowModel:
    """The model with a pause before each pass, so that a test can look in while answers are made."""

    def __init__(self, model: Any, pause_s: float) -> None:
        self.config = model.config
        self._model, self._pause_s = model, pause_s

    def __call__(self, **inputs: Any) -> Any:
        time.sleep(self._pause_s)
        return self._model(**inputs)


@pytest.fixture(scope="session")
def serving(language: Any) -> Callable[..., Any]:
    """A context manager that serves on a free port of this machine: `with serving(max_batch_size=1) as url`."""
    import uvicorn

    from services.generate.api.application import application
    from services.generate.settings import GenerateSettings

    @contextmanager
    def serve(pause_s: float = 0, **settings: Any) -> Iterator[str]:
        served = replace(language, model=SlowModel(language.model, pause_s)) if pause_s else language
        app = application(served, GenerateSettings(**settings))
        listening = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=20))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
            app.state.house.scheduler.stop(20)
            listening.close()

    return serve


@pytest.fixture(scope="session")
def url(serving: Callable[..., Any]) -> Iterator[str]:
    """The server with its default settings."""
    with serving() as url:
        yield url
