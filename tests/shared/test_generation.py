"""The generation port against servers that speak TGI's and OpenAI's contracts on a real socket."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from shared import generation
from shared.errors import Refused, Unavailable
from shared.generation import (
    Generation,
    Generator,
    JsonGrammar,
    Message,
    RegexGrammar,
    ScriptedGenerator,
    Token,
    generator_from,
)

SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
TOKENS = [("Bonjour", -0.1), (" le", -0.2), (" monde", -0.3)]


class Server(ThreadingHTTPServer):
    """Answers as TGI 3 and vLLM do; `script` holds the errors to answer first, `asked` what came."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, dict[str, Any], str | None]] = []
        self.script: list[tuple[int, str]] = []
        self.answer = "Bonjour le monde"
        self.delay_s = 0.0
        self.break_stream = False
        self.key: str | None = None

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gave up is not news."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        if self.path == "/health" or self.path == "/v1/models":
            self._send(200, b"")
        else:
            self._send(404, b"")

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, body, self.headers.get("Authorization")))
        if self.server.key and self.headers.get("Authorization") != f"Bearer {self.server.key}":
            self._send(401, b"")
            return
        time.sleep(self.server.delay_s)
        if self.server.script:
            status, kind = self.server.script.pop(0)
            self._json(status, {"error": "Model is overloaded", "error_type": kind})
            return
        routes: dict[str, Callable[[dict[str, Any]], None]] = {
            "/generate": self._generate,
            "/generate_stream": self._generate_stream,
            "/v1/chat/completions": self._chat,
            "/v1/completions": self._completions,
        }
        routes[self.path](body)

    def _generate(self, body: dict[str, Any]) -> None:
        parameters = body["parameters"]
        details: dict[str, Any] = {
            "finish_reason": "eos_token",
            "generated_tokens": 3,
            "seed": None,
            "prefill": [],
            "tokens": [
                {"id": number, "text": text, "logprob": logprob, "special": False}
                for number, (text, logprob) in enumerate(TOKENS)
            ],
        }
        if parameters.get("decoder_input_details"):
            details["prefill"] = [
                {"id": 0, "text": "Bon", "logprob": None},
                {"id": 1, "text": "jour", "logprob": -1.5},
            ]
        self._json(200, {"generated_text": self.server.answer, "details": details})

    def _generate_stream(self, body: dict[str, Any]) -> None:
        events: list[dict[str, Any]] = [
            {
                "index": number,
                "token": {"id": number, "text": text, "logprob": logprob, "special": False},
                "generated_text": None,
                "details": None,
            }
            for number, (text, logprob) in enumerate(TOKENS)
        ]
        if self.server.break_stream:
            events[1:] = [{"error": "Request failed during generation", "error_type": "generation"}]
        self._events(events, done=False)

    def _chat(self, body: dict[str, Any]) -> None:
        if body.get("stream"):
            self._events(
                [
                    {
                        "id": "",
                        "object": "chat.completion.chunk",
                        "created": 1,
                        "model": "m",
                        "system_fingerprint": "",
                        "choices": [
                            {
                                "index": 0,
                                "delta": {"role": "assistant", "content": text},
                                "logprobs": None,
                                "finish_reason": None,
                            }
                        ],
                    }
                    for text, _ in TOKENS
                ],
                done=True,
            )
            return
        content = [{"token": text, "logprob": logprob, "top_logprobs": []} for text, logprob in TOKENS]
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": self.server.answer},
            "logprobs": {"content": content} if body.get("logprobs") else None,
            "finish_reason": "length",
        }
        usage = {"prompt_tokens": 1, "completion_tokens": 3, "total_tokens": 4}
        self._json(
            200,
            {
                "id": "",
                "object": "chat.completion",
                "created": 1,
                "model": "m",
                "system_fingerprint": "",
                "choices": [choice],
                "usage": usage,
            },
        )

    def _completions(self, body: dict[str, Any]) -> None:
        logprobs = {
            "tokens": ["Bon", "jour", " monde"],
            "token_logprobs": [None, -1.5, -0.3],
            "text_offset": [0, 3, 7],
        }
        choice = {"text": self.server.answer, "finish_reason": "stop", "logprobs": logprobs}
        self._json(200, {"choices": [choice if body.get("logprobs") else choice | {"logprobs": None}]})

    def _events(self, events: list[dict[str, Any]], done: bool) -> None:
        lines = [f"data: {json.dumps(event)}\n\n" for event in events] + ["data: [DONE]\n\n"] * done
        self._send(200, "".join(lines).encode(), "text/event-stream")

    def _json(self, status: int, body: dict[str, Any]) -> None:
        self._send(status, json.dumps(body).encode(), "application/json")

    def _send(self, status: int, body: bytes, media_type: str = "text/plain") -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(params=["tgi", "openai"])
def generator(request: pytest.FixtureRequest, server: Server, monkeypatch: pytest.MonkeyPatch) -> Generator:
    monkeypatch.setattr(generation, "RETRY_WAITS_S", (0.01, 0.01))
    return generator_from(server.url, request.param, "tgi", None, timeout_s=2)


@pytest.fixture
def tgi(server: Server) -> Generator:
    return generator_from(server.url, "tgi", "tgi", None, timeout_s=2)


@pytest.fixture
def openai(server: Server) -> Generator:
    return generator_from(server.url, "openai", "small", None, timeout_s=2)


CHAT = [Message("system", "Be short."), Message("user", "Hello?")]


@pytest.mark.parametrize("prompt", ["Hello", CHAT], ids=["text", "chat"])
def test_an_answer_comes_back_with_its_tokens(generator: Generator, prompt: Any) -> None:
    answer = generator.generate(prompt, logprobs=True, max_tokens=5, stop=["\n"])
    assert answer.text == "Bonjour le monde"
    assert answer.tokens is not None
    assert answer.tokens[-1] == Token(" monde", -0.3)
    assert answer.finish_reason == ("stop" if prompt == "Hello" else "length")


@pytest.mark.parametrize("prompt", ["Hello", CHAT], ids=["text", "chat"])
def test_tokens_that_were_not_asked_for_are_absent(generator: Generator, prompt: Any) -> None:
    assert generator.generate(prompt).tokens is None


def test_a_stream_comes_piece_by_piece(generator: Generator) -> None:
    assert list(generator.stream(CHAT)) == ["Bonjour", " le", " monde"]


def test_tgi_streams_plain_texts_too(tgi: Generator) -> None:
    assert list(tgi.stream("Hello")) == ["Bonjour", " le", " monde"]


def test_a_text_is_scored_token_by_token(generator: Generator) -> None:
    assert generator.scores("Bonjour") == [Token("Bon", None), Token("jour", -1.5)]


def test_greedy_decoding_sends_tgi_no_temperature_because_it_refuses_zero(tgi: Generator, server: Server) -> None:
    tgi.generate("Hello", max_tokens=7, stop=["###"], seed=3)
    path, body, _ = server.asked[0]
    assert path == "/generate"
    sent = {name: value for name, value in body["parameters"].items() if value is not None}
    assert sent == {
        "details": True,
        "do_sample": False,
        "max_new_tokens": 7,
        "return_full_text": False,
        "seed": 3,
        "stop": ["###"],
    }


@pytest.mark.parametrize("prompt", ["Hello", CHAT], ids=["text", "chat"])
def test_tgi_gets_a_json_schema_in_its_own_form(tgi: Generator, server: Server, prompt: Any) -> None:
    tgi.generate(prompt, grammar=JsonGrammar(SCHEMA))
    _, body, _ = server.asked[0]
    sent = body["parameters"]["grammar"] if prompt == "Hello" else body["response_format"]
    assert sent == {"type": "json", "value": SCHEMA}


def test_an_openai_server_gets_the_schema_in_openais_form(openai: Generator, server: Server) -> None:
    server.answer = '{"path": "claim"}'
    openai.generate(CHAT, grammar=JsonGrammar(SCHEMA))
    path, body, _ = server.asked[0]
    assert path == "/v1/chat/completions"
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True},
    }


@pytest.mark.parametrize("grammar", [JsonGrammar(SCHEMA), RegexGrammar("yes|no")], ids=["json", "regex"])
def test_an_answer_outside_of_the_grammar_is_no_answer(openai: Generator, grammar: Any) -> None:
    with pytest.raises(Unavailable) as caught:
        openai.generate(CHAT, grammar=grammar)
    assert caught.value.code == "off_grammar"


def test_an_overloaded_server_is_asked_again(generator: Generator, server: Server) -> None:
    server.script = [(429, "overloaded"), (503, "unhealthy")]
    assert generator.generate("Hello").text == "Bonjour le monde"
    assert len(server.asked) == 3


@pytest.mark.parametrize(("status", "kind"), [(429, "overloaded"), (424, "generation"), (500, "unknown")])
def test_a_server_that_stays_overloaded_or_failing_is_unavailable(
    generator: Generator, server: Server, status: int, kind: str
) -> None:
    server.script = [(status, kind)] * 3
    with pytest.raises(Unavailable):
        generator.generate(CHAT)


@pytest.mark.parametrize("prompt", ["Hello", CHAT], ids=["text", "chat"])
def test_a_request_the_server_finds_wrong_is_refused_and_not_repeated(
    generator: Generator, server: Server, prompt: Any
) -> None:
    server.script = [(422, "validation")]
    with pytest.raises(Refused):
        generator.generate(prompt)
    assert len(server.asked) == 1


def test_a_wrong_key_says_which_setting_to_correct(server: Server) -> None:
    server.key = "right"
    for kind in ("tgi", "openai"):
        with pytest.raises(Unavailable) as caught:
            generator_from(server.url, kind, "tgi", "wrong", 2).generate("Hello")
        assert "DOSSIER_GENERATION_KEY" in caught.value.action
        assert generator_from(server.url, kind, "tgi", "right", 2).generate("Hello").text


def test_no_key_is_sent_where_none_is_configured(
    generator: Generator, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_login_of_this_machine")
    generator.generate("Hello")
    assert not server.asked[0][2]


def test_an_error_inside_a_stream_is_raised(tgi: Generator, server: Server) -> None:
    server.break_stream = True
    pieces = tgi.stream("Hello")
    assert next(pieces) == "Bonjour"
    with pytest.raises(Unavailable):
        next(pieces)


def test_a_silent_server_is_given_up_after_the_time_limit(server: Server) -> None:
    server.delay_s = 1.0
    for kind in ("tgi", "openai"):
        begun = time.monotonic()
        with pytest.raises(Unavailable, match=r"no answer in 0\.2 s"):
            generator_from(server.url, kind, "tgi", None, 0.2).generate("Hello")
        assert time.monotonic() - begun < 0.9


@pytest.mark.parametrize("kind", ["tgi", "openai"])
def test_nobody_listening_is_unavailable_with_the_address(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation, "RETRY_WAITS_S", (0.01, 0.01))
    nobody = generator_from("http://127.0.0.1:9", kind, "tgi", None, 1)
    for ask in (nobody.check, lambda: nobody.generate("Hello")):
        with pytest.raises(Unavailable, match=r"http://127\.0\.0\.1:9.* cannot be reached"):
            ask()


def test_a_healthy_server_passes_the_check(generator: Generator) -> None:
    generator.check()


def test_more_than_four_stop_texts_are_a_mistake(generator: Generator) -> None:
    with pytest.raises(ValueError, match="at most 4"):
        generator.generate("Hello", stop=["a", "b", "c", "d", "e"])


def test_a_schema_without_properties_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="properties"):
        JsonGrammar({"type": "string"})


def test_the_scripted_generator_plays_its_replies_in_order() -> None:
    scripted = ScriptedGenerator(["one two", Unavailable("down"), Generation("x", "length")])
    assert list(scripted.stream("a")) == ["one ", "two"]
    with pytest.raises(Unavailable):
        scripted.generate("b")
    assert scripted.generate("c").finish_reason == "length"
    assert scripted.asked == ["a", "b", "c"]
