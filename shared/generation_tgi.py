"""The generation port over Text Generation Inference 3, through Hugging Face's own client.

The client sends the requests and reads the events; it has no retries and no time limit of its own, and tells
errors apart in several ways: those three things are done here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from shared.errors import Unavailable
from shared.generation import (
    FinishReason,
    Generation,
    Grammar,
    JsonGrammar,
    Prompt,
    Token,
    as_dicts,
    check_health,
    error_from,
    slow,
    stops_from,
    unreachable,
    with_retries,
)


class TgiGenerator:
    """Text Generation Inference 3, through Hugging Face's own client."""

    def __init__(self, url: str, model: str, api_key: str | None, timeout_s: float) -> None:
        self.model = model
        self._url = url
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
        """See `Generator.generate`."""
        if isinstance(prompt, str):
            asked = self._text_options(max_tokens, stop, temperature, seed)
            answer = self._call("/generate", lambda client: client.text_generation(
                prompt, details=True, grammar=_tgi_grammar(grammar), **asked
            ))  # fmt: skip
            made = [Token(one.text, one.logprob) for one in answer.details.tokens if not one.special]
            reason: FinishReason = "length" if answer.details.finish_reason == "length" else "stop"
            return Generation(answer.generated_text, reason, made if logprobs else None)
        asked = self._chat_options(max_tokens, stop, temperature, seed)
        # The grammar goes in as it is: the client would rewrite OpenAI's form, and TGI knows only its own.
        extra = {"response_format": _tgi_grammar(grammar)} if grammar else None
        answer = self._call("", lambda client: client.chat_completion(
            as_dicts(prompt), logprobs=logprobs or None, extra_body=extra, **asked
        ))  # fmt: skip
        choice = answer.choices[0]
        listed = choice.logprobs.content if logprobs and choice.logprobs else None
        tokens = [Token(one.token, one.logprob) for one in listed] if listed else None
        reason = "length" if choice.finish_reason == "length" else "stop"
        return Generation(choice.message.content or "", reason, tokens)

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
        path = "/generate_stream" if isinstance(prompt, str) else ""
        with self._client(path) as client, _tgi_errors(self._url, self._timeout_s):
            if isinstance(prompt, str):
                asked = self._text_options(max_tokens, stop, temperature, seed)
                yield from client.text_generation(prompt, stream=True, **asked)
                return
            asked = self._chat_options(max_tokens, stop, temperature, seed)
            for event in client.chat_completion(as_dicts(prompt), stream=True, **asked):
                if event.choices and event.choices[0].delta.content:
                    yield event.choices[0].delta.content

    def scores(self, text: str) -> list[Token] | None:
        """See `Generator.scores`; TGI calls it `decoder_input_details`."""
        answer = self._call("/generate", lambda client: client.text_generation(
            text, details=True, decoder_input_details=True, max_new_tokens=1
        ))  # fmt: skip
        return [Token(one.text, one.logprob) for one in answer.details.prefill]

    def check(self) -> None:
        """See `Generator.check`."""
        check_health(f"{self._url}/health", self._key, self._timeout_s)

    def _text_options(
        self, max_tokens: int, stop: Sequence[str], temperature: float, seed: int | None
    ) -> dict[str, Any]:
        return {
            "max_new_tokens": max_tokens,
            "stop": stops_from(stop),
            # TGI refuses a temperature of 0; greedy is the absence of sampling.
            "do_sample": temperature > 0,
            "temperature": temperature or None,
            "seed": seed,
            "return_full_text": False,
            "adapter_id": None if self.model == "tgi" else self.model,
        }

    def _chat_options(
        self, max_tokens: int, stop: Sequence[str], temperature: float, seed: int | None
    ) -> dict[str, Any]:
        return {
            "model": self.model,
            "max_tokens": max_tokens,
            "stop": stops_from(stop),
            "temperature": temperature,
            "seed": seed,
        }

    def _client(self, path: str) -> Any:
        from huggingface_hub import InferenceClient

        if self._key:
            return InferenceClient(self._url + path, token=self._key, timeout=self._timeout_s)
        # Left to itself, the client would send the Hugging Face login it finds on this machine to whoever
        # listens.
        no_login = {"authorization": ""}
        return InferenceClient(self._url + path, token="none", headers=no_login, timeout=self._timeout_s)

    def _call(self, path: str, ask: Callable[[Any], Any]) -> Any:
        def once() -> Any:
            with self._client(path) as client, _tgi_errors(self._url, self._timeout_s):
                return ask(client)

        return with_retries(once)


@contextmanager
def _tgi_errors(url: str, timeout_s: float) -> Iterator[None]:
    """Turn what Hugging Face's client raises into Refused and Unavailable."""
    import httpx2
    from huggingface_hub import errors

    try:
        yield
    except errors.ValidationError as refused:
        raise error_from(422, str(refused), url) from refused
    except errors.TextGenerationError as failed:
        raise error_from(500, str(failed), url) from failed
    except (errors.InferenceTimeoutError, httpx2.TimeoutException) as timeout:
        raise slow(timeout_s) from timeout
    except errors.HfHubHTTPError as answered:
        raise error_from(answered.response.status_code, str(answered), url) from answered
    except errors.OfflineModeIsEnabled as offline:
        # The client's offline switch is meant for Hugging Face's servers but stops every request.
        raise Unavailable(
            "HF_HUB_OFFLINE keeps this process from talking to the generation server.",
            action="Unset HF_HUB_OFFLINE; nothing here calls the hub.",
        ) from offline
    except httpx2.TransportError as lost:
        raise unreachable(url) from lost
    except (ValueError, AttributeError, KeyError, TypeError) as garbled:
        raise Unavailable(
            f"The server at {url} gave an answer that is not TGI's.",
            action="Check DOSSIER_GENERATION_URL and DOSSIER_GENERATION_KIND.",
            private=repr(garbled),
        ) from garbled


def _tgi_grammar(grammar: Grammar | None) -> Any:
    if isinstance(grammar, JsonGrammar):
        return {"type": "json", "value": grammar.schema}
    return {"type": "regex", "value": grammar.pattern} if grammar else None
