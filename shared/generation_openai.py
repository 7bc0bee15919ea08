"""The generation port over OpenAI's HTTP contract: vLLM, SGLang, llama.cpp and others.

Servers differ in how much of the contract they know, and some take a JSON schema and then pay no heed to it;
so the schema goes out in OpenAI's own form and every answer is checked against it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import httpx

from shared.errors import Refused, Unavailable
from shared.generation import (
    Generation,
    Grammar,
    JsonGrammar,
    Message,
    Prompt,
    RegexGrammar,
    Token,
    as_dicts,
    check_health,
    error_from,
    httpx_errors,
    stops_from,
    with_retries,
)


class OpenAiGenerator:
    """Any server with OpenAI's `/v1/chat/completions` and, for plain texts, `/v1/completions`."""

    def __init__(self, url: str, model: str, api_key: str | None, timeout_s: float) -> None:
        self.model = model
        self._url = url if url.endswith("/v1") else f"{url}/v1"
        self._key = api_key
        self._timeout_s = timeout_s

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
        """See `Generator.generate`; an answer outside of the grammar raises Unavailable (`off_grammar`)."""
        if isinstance(prompt, str) and grammar:
            prompt = [Message("user", prompt)]  # the completions route has no standard form for a grammar
        body = self._body(prompt, max_tokens, stop, temperature, seed)
        if grammar:
            body |= _openai_grammar(grammar)
        chat = not isinstance(prompt, str)
        if logprobs:
            body["logprobs"] = True if chat else 1
        answer = with_retries(lambda: self._post(chat, body))
        try:
            generation = _openai_generation(answer["choices"][0])
        except (KeyError, IndexError, TypeError) as wrong:
            raise Unavailable(
                f"The generation server at {self._url} gave an answer that is not in OpenAI's form.",
                action="Check DOSSIER_GENERATION_URL and DOSSIER_GENERATION_KIND.",
            ) from wrong
        if grammar:
            _check_obeys(grammar, generation)
        return generation

    def stream(
        self,
        prompt: Prompt,
        *,
        max_tokens: int = 512,
        stop: Sequence[str] = (),
        temperature: float = 0.0,
        seed: int | None = None,
    ) -> Iterator[str]:
        """See `Generator.stream`."""
        chat = not isinstance(prompt, str)
        body = self._body(prompt, max_tokens, stop, temperature, seed) | {"stream": True}
        with (
            httpx_errors(self._url, self._timeout_s),
            self._client() as client,
            client.stream("POST", _path(chat), json=body) as response,
        ):
            if response.is_error:
                raise error_from(response.status_code, response.read().decode("utf-8", "replace"), self._url)
            for line in response.iter_lines():
                if not line.startswith("data:"):
                    continue
                event = line.removeprefix("data:").strip()
                if event == "[DONE]":
                    return
                piece = _openai_piece(json.loads(event), self._url)
                if piece:
                    yield piece

    def scores(self, text: str) -> list[Token] | None:
        """See `Generator.scores`; asked for by `echo`, which not every server knows."""
        body = {
            "model": self.model,
            "prompt": text,
            "max_tokens": 1,
            "echo": True,
            "logprobs": 1,
            "temperature": 0,
        }
        try:
            answer = with_retries(lambda: self._post(False, body))
        except Refused:
            return None
        listed = answer["choices"][0].get("logprobs") or {}
        if not listed.get("token_logprobs") or not listed.get("text_offset"):
            return None
        rows = zip(listed["tokens"], listed["token_logprobs"], listed["text_offset"], strict=True)
        return [Token(token, logprob) for token, logprob, offset in rows if offset < len(text)]

    def check(self) -> None:
        """See `Generator.check`."""
        check_health(f"{self._url}/models", self._key, self._timeout_s)

    def _body(
        self, prompt: Prompt, max_tokens: int, stop: Sequence[str], temperature: float, seed: int | None
    ) -> dict[str, Any]:
        body: dict[str, Any] = {"model": self.model, "max_tokens": max_tokens, "temperature": temperature}
        if stop:
            body["stop"] = stops_from(stop)
        if seed is not None:
            body["seed"] = seed
        given = {"prompt": prompt} if isinstance(prompt, str) else {"messages": as_dicts(prompt)}
        return body | given

    def _client(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        return httpx.Client(base_url=self._url, headers=headers, timeout=self._timeout_s, trust_env=False)

    def _post(self, chat: bool, body: dict[str, Any]) -> Any:
        with httpx_errors(self._url, self._timeout_s), self._client() as client:
            response = client.post(_path(chat), json=body)
        if response.is_error:
            raise error_from(response.status_code, response.text, self._url)
        return response.json()


def _openai_grammar(grammar: Grammar) -> dict[str, Any]:
    if isinstance(grammar, JsonGrammar):
        form = {"name": "answer", "schema": grammar.schema, "strict": True}
        return {"response_format": {"type": "json_schema", "json_schema": form}}
    # OpenAI has no form for this; the first is vLLM's, the second SGLang's. `_check_obeys` catches the rest.
    return {"structured_outputs": {"regex": grammar.pattern}, "regex": grammar.pattern}


def _check_obeys(grammar: Grammar, generation: Generation) -> None:
    """Raise Unavailable where a server took a grammar and then paid no heed to it."""
    import jsonschema

    if isinstance(grammar, RegexGrammar):
        obeys = re.fullmatch(grammar.pattern, generation.text) is not None
    else:
        try:
            jsonschema.validate(json.loads(generation.text), grammar.schema)
            obeys = True
        except (ValueError, jsonschema.ValidationError):
            obeys = False
    if not obeys:
        raise Unavailable(
            "The generation server's answer does not keep to the form that was asked for.",
            action="Raise the token limit, or use a server that supports guided decoding.",
            code="off_grammar",
            private=f"finish_reason={generation.finish_reason}",
        )


def _path(chat: bool) -> str:
    return "/chat/completions" if chat else "/completions"


def _openai_generation(choice: dict[str, Any]) -> Generation:
    message = choice.get("message")
    text = (message["content"] if message else choice["text"]) or ""
    listed = choice.get("logprobs") or {}
    tokens: list[Token] | None = None
    if listed.get("content"):
        tokens = [Token(one["token"], one["logprob"]) for one in listed["content"]]
    elif listed.get("tokens"):
        tokens = [Token(*pair) for pair in zip(listed["tokens"], listed["token_logprobs"], strict=True)]
    return Generation(text, "length" if choice.get("finish_reason") == "length" else "stop", tokens)


def _openai_piece(event: dict[str, Any], url: str) -> str:
    if event.get("error"):
        error = event["error"]
        code = error.get("code") if isinstance(error, dict) else None
        raise error_from(code if isinstance(code, int) else 500, str(error), url)
    choice = (event.get("choices") or [{}])[0]
    piece: str = (choice.get("delta") or {}).get("content") or choice.get("text") or ""
    return piece
