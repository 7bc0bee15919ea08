"""The clients people use, against the server: huggingface_hub (sync, async) and openai."""

from __future__ import annotations

import asyncio
import json

import pytest

SCHEMA = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
MESSAGES = [{"role": "user", "content": "Welche Police?"}]


@pytest.fixture
def hub(url):
    from huggingface_hub import InferenceClient

    return InferenceClient(url, timeout=60)


@pytest.fixture
def in_hub(url):
    """Runs a coroutine function with the asynchronous client."""
    from huggingface_hub import AsyncInferenceClient

    def run(use):
        async def inside():
            async with AsyncInferenceClient(url, timeout=60) as client:
                return await use(client)

        return asyncio.run(inside())

    return run


@pytest.fixture
def openai_client(url):
    from openai import OpenAI

    with OpenAI(base_url=f"{url}/v1", api_key="-", timeout=60, max_retries=0) as client:
        yield client


def test_hub_text_generation_with_details(hub):
    answer = hub.text_generation("Die Police", max_new_tokens=5, details=True, decoder_input_details=True)
    assert answer.details.generated_tokens == 5
    assert answer.details.prefill[1].logprob < 0


def test_hub_streams_token_by_token(hub):
    whole = hub.text_generation("Die Police", max_new_tokens=8)
    steps = list(hub.text_generation("Die Police", max_new_tokens=8, details=True, stream=True))
    assert len(steps) == 8
    assert steps[-1].generated_text == whole  # the client posts to "/", where the full text is the default
    streamed = "".join(step.token.text for step in steps if not step.token.special)
    assert whole.startswith("Die Police" + streamed)  # all of it but a last character that was left incomplete
    assert steps[-1].details.finish_reason == "length"


def test_hub_guides_by_schema(hub):
    answer = hub.text_generation(
        "x", max_new_tokens=30, return_full_text=False, grammar={"type": "json", "value": SCHEMA}
    )
    assert isinstance(json.loads(answer)["ok"], bool)


def test_hub_chat_by_schema_streamed_and_scored(hub):
    form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}
    answer = hub.chat_completion(MESSAGES, max_tokens=30, response_format=form, temperature=0)
    assert isinstance(json.loads(answer.choices[0].message.content)["ok"], bool)
    chunks = list(hub.chat_completion(MESSAGES, max_tokens=5, temperature=0, stream=True))
    assert chunks[-1].choices[0].finish_reason == "length"
    scored = hub.chat_completion(MESSAGES, max_tokens=3, temperature=0, logprobs=True, top_logprobs=2)
    assert len(scored.choices[0].logprobs.content[0].top_logprobs) == 2


def test_hub_hears_of_errors_also_inside_a_stream(hub):
    from huggingface_hub.errors import ValidationError

    with pytest.raises(ValidationError, match="strictly positive"):
        hub.text_generation("x", temperature=-1.0)
    with pytest.raises(ValidationError, match="strictly positive"):
        list(hub.text_generation("x", temperature=-1.0, stream=True))


def test_async_hub_serves_many_at_once_each_its_own_answer(in_hub, hub):
    prompts = [f"Police Nr. {number} " * (1 + number % 3) for number in range(24)]

    async def all_at_once(client):
        return await asyncio.gather(*(client.text_generation(prompt, max_new_tokens=20) for prompt in prompts))

    together = in_hub(all_at_once)
    assert together == [hub.text_generation(prompt, max_new_tokens=20) for prompt in prompts]


def test_async_hub_streams(in_hub, hub):
    async def stream(client):
        return [text async for text in await client.text_generation("Die Police", max_new_tokens=6, stream=True)]

    whole = hub.text_generation("Die Police", max_new_tokens=6, return_full_text=False)
    assert whole.startswith("".join(in_hub(stream)))


def test_openai_chat_whole_and_streamed(openai_client):
    whole = openai_client.chat.completions.create(model="tgi", messages=MESSAGES, max_tokens=6, temperature=0)
    assert whole.usage.completion_tokens == 6
    chunks = openai_client.chat.completions.create(
        model="tgi", messages=MESSAGES, max_tokens=6, temperature=0, stream=True
    )
    assert "".join(chunk.choices[0].delta.content for chunk in chunks) == whole.choices[0].message.content


def test_openai_completions_and_models(openai_client):
    answer = openai_client.completions.create(model="tgi", prompt="Die Police", max_tokens=4, temperature=0)
    assert answer.choices[0].finish_reason == "length"
    assert [model.id for model in openai_client.models.list()] == ["tiny"]


def test_openai_hears_of_errors_also_inside_a_stream(openai_client):
    import openai

    with pytest.raises(openai.UnprocessableEntityError):
        openai_client.chat.completions.create(model="tgi", messages=MESSAGES, max_tokens=9999)
    with pytest.raises(openai.APIError):
        list(openai_client.chat.completions.create(model="tgi", messages=MESSAGES, max_tokens=9999, stream=True))
