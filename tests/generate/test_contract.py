"""TGI's HTTP contract, one behaviour a test, over a real socket."""

from __future__ import annotations

import json
import math
import re
import threading
import time
from contextlib import ExitStack

import httpx
import pytest

PROMPT = "Die Police Nr. 4711"


@pytest.fixture
def post(url):
    """Posts JSON to a route of the server."""

    def send(route: str, **body) -> httpx.Response:
        return httpx.post(url + route, json=body, timeout=60)

    return send


@pytest.fixture
def events():
    """The events of a server-sent stream, as JSON; "[DONE]" stays a string."""

    def read(response: httpx.Response) -> list:
        lines = [line for line in response.text.split("\n\n") if line]
        assert all(line.startswith("data: ") for line in lines)
        texts = [line.removeprefix("data: ") for line in lines]
        return [text if text == "[DONE]" else json.loads(text) for text in texts]

    return read


def test_generate_answers_with_the_text_alone_unless_details_are_asked_for(post):
    answer = post("/generate", inputs=PROMPT, parameters={"max_new_tokens": 5})
    assert answer.status_code == 200
    assert set(answer.json()) == {"generated_text"}


def test_details_name_every_token_and_why_the_answer_ended(post):
    answer = post("/generate", inputs=PROMPT, parameters={"max_new_tokens": 5, "details": True}).json()
    details = answer["details"]
    assert details["finish_reason"] == "length"
    assert details["generated_tokens"] == len(details["tokens"]) == 5
    assert details["seed"] is None
    assert details["prefill"] == []
    assert set(details["tokens"][0]) == {"id", "text", "logprob", "special"}
    assert all(token["logprob"] <= 0 for token in details["tokens"])


def test_the_prompt_is_scored_as_the_model_scores_it(post, language):
    import torch

    parameters = {"max_new_tokens": 1, "decoder_input_details": True}
    prefill = post("/generate", inputs=PROMPT, parameters=parameters).json()["details"]["prefill"]
    ids = torch.tensor([language.ids(PROMPT)])
    assert [token["id"] for token in prefill] == ids[0].tolist()
    assert prefill[0]["logprob"] is None
    with torch.inference_mode():
        scores = torch.log_softmax(language.model(ids).logits[0], dim=-1)
    expected = [float(scores[place, token]) for place, token in enumerate(ids[0][1:])]
    assert [token["logprob"] for token in prefill[1:]] == pytest.approx(expected, abs=1e-4)
    assert "".join(token["text"] for token in prefill) == PROMPT


def test_greedy_answers_are_those_of_the_model_itself(post, language):
    import torch

    ids = torch.tensor([language.ids(PROMPT)])
    made = language.model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=20, do_sample=False, pad_token_id=0
    )
    expected = language.text(made[0, ids.shape[1] :].tolist(), special=False)
    answer = post("/generate", inputs=PROMPT, parameters={"max_new_tokens": 20})
    assert answer.json()["generated_text"] == expected


def test_the_full_text_begins_with_the_prompt(post):
    parameters = {"max_new_tokens": 3}
    answer = post("/generate", inputs=PROMPT, parameters=parameters | {"return_full_text": True}).json()
    bare = post("/generate", inputs=PROMPT, parameters=parameters).json()
    assert answer["generated_text"] == PROMPT + bare["generated_text"]


def test_the_root_route_answers_an_array_with_the_full_text(post):
    [answer] = post("/", inputs=PROMPT, parameters={"max_new_tokens": 3}).json()
    assert answer["generated_text"].startswith(PROMPT)
    [bare] = post("/", inputs=PROMPT, parameters={"max_new_tokens": 3, "return_full_text": False}).json()
    assert not bare["generated_text"].startswith(PROMPT)


def test_the_root_route_streams_when_asked(post, events):
    answer = post("/", inputs=PROMPT, parameters={"max_new_tokens": 3}, stream=True)
    assert events(answer)[-1]["generated_text"].startswith(PROMPT)


def test_a_stream_has_one_event_a_token_and_ends_without_done(post, events):
    answer = post("/generate_stream", inputs=PROMPT, parameters={"max_new_tokens": 6})
    assert answer.headers["content-type"].startswith("text/event-stream")
    seen = events(answer)
    assert [event["index"] for event in seen] == [1, 2, 3, 4, 5, 6]
    assert all(event["generated_text"] is None and event["details"] is None for event in seen[:-1])
    assert seen[-1]["details"] == {
        "finish_reason": "length",
        "generated_tokens": 6,
        "seed": None,
        "input_length": seen[-1]["details"]["input_length"],
    }
    whole = post("/generate", inputs=PROMPT, parameters={"max_new_tokens": 6}).json()["generated_text"]
    assert seen[-1]["generated_text"] == whole


def test_headers_tell_what_the_answer_cost(post):
    answer = post("/generate", inputs=PROMPT, parameters={"max_new_tokens": 4})
    assert answer.headers["x-compute-type"] == "cpu"
    assert answer.headers["x-generated-tokens"] == "4"
    for name in ("x-total-time", "x-validation-time", "x-queue-time", "x-inference-time", "x-time-per-token"):
        assert re.fullmatch(r"\d+", answer.headers[name]), name
    assert int(answer.headers["x-prompt-tokens"]) > 0


def test_the_same_seed_gives_the_same_answer_and_is_told(post):
    parameters = {"max_new_tokens": 12, "do_sample": True, "temperature": 1.5, "details": True}
    once = post("/generate", inputs=PROMPT, parameters=parameters | {"seed": 7}).json()
    again = post("/generate", inputs=PROMPT, parameters=parameters | {"seed": 7}).json()
    other = post("/generate", inputs=PROMPT, parameters=parameters | {"seed": 8}).json()
    assert once == again
    assert once["details"]["seed"] == 7
    assert other["generated_text"] != once["generated_text"]
    drawn = post("/generate", inputs=PROMPT, parameters=parameters).json()["details"]["seed"]
    repeated = post("/generate", inputs=PROMPT, parameters=parameters | {"seed": drawn}).json()
    assert repeated["details"]["seed"] == drawn


def test_top_tokens_are_the_likeliest_in_each_place(post):
    parameters = {"max_new_tokens": 3, "details": True, "top_n_tokens": 4}
    details = post("/generate", inputs=PROMPT, parameters=parameters).json()["details"]
    for token, top in zip(details["tokens"], details["top_tokens"], strict=True):
        assert len(top) == 4
        assert top[0]["id"] == token["id"]
        assert [each["logprob"] for each in top] == sorted((each["logprob"] for each in top), reverse=True)


def test_best_of_returns_the_likelier_first(post):
    parameters = {"max_new_tokens": 6, "do_sample": True, "best_of": 2, "details": True}
    details = post("/generate", inputs=PROMPT, parameters=parameters).json()["details"]
    [other] = details["best_of_sequences"]
    mean = [sum(token["logprob"] for token in each["tokens"]) / len(each["tokens"]) for each in (details, other)]
    assert mean[0] >= mean[1]


def test_an_answer_ends_with_its_stop_text(post):
    whole = post("/generate", inputs=PROMPT, parameters={"max_new_tokens": 30, "details": True}).json()
    stop = "".join(token["text"] for token in whole["details"]["tokens"][3:5])
    answer = post("/generate", inputs=PROMPT, parameters={"max_new_tokens": 30, "stop": [stop], "details": True}).json()
    assert answer["details"]["finish_reason"] == "stop_sequence"
    assert answer["generated_text"].endswith(stop)
    assert answer["generated_text"].count(stop) == 1


def test_truncate_keeps_the_end_of_the_prompt(post):
    parameters = {"max_new_tokens": 1, "decoder_input_details": True}
    all_of_it = post("/generate", inputs=PROMPT, parameters=parameters).json()["details"]["prefill"]
    cut = post("/generate", inputs=PROMPT, parameters=parameters | {"truncate": 3}).json()["details"]["prefill"]
    assert [token["id"] for token in cut] == [token["id"] for token in all_of_it[-3:]]


SCHEMA = {
    "type": "object",
    "properties": {
        "amount": {"type": "integer", "minimum": 0, "maximum": 99},
        "kind": {"enum": ["claim", "policy"]},
        "date": {"type": ["string", "null"], "maxLength": 5},
    },
    "required": ["amount", "kind", "date"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["json", "json_object"])
def test_a_schema_is_obeyed_even_by_a_model_that_knows_nothing(post, seed, kind):
    parameters = {"max_new_tokens": 150, "do_sample": True, "seed": seed, "grammar": {"type": kind, "value": SCHEMA}}
    answer = json.loads(post("/generate", inputs="x", parameters=parameters).json()["generated_text"])
    assert set(answer) == {"amount", "kind", "date"}
    assert 0 <= answer["amount"] <= 99
    assert answer["kind"] in ("claim", "policy")


def test_a_regular_expression_is_matched_as_a_whole(post):
    parameters = {
        "max_new_tokens": 60, "do_sample": True, "details": True,
        "grammar": {"type": "regex", "value": "(motor|home)/[0-9]{3}"},
    }  # fmt: skip
    answer = post("/generate", inputs=PROMPT, parameters=parameters).json()
    assert re.fullmatch("(motor|home)/[0-9]{3}", answer["generated_text"])
    assert answer["details"]["finish_reason"] == "eos_token"


def test_log_probabilities_under_a_grammar_are_of_what_it_permits(post):
    parameters = {"max_new_tokens": 5, "details": True, "grammar": {"type": "regex", "value": "a"}}
    [first, end] = post("/generate", inputs=PROMPT, parameters=parameters).json()["details"]["tokens"]
    assert (first["text"], first["logprob"]) == ("a", 0)
    assert (end["special"], end["logprob"]) == (True, 0)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"temperature": 0}, "`temperature` must be strictly positive"),
        ({"repetition_penalty": 0}, "`repetition_penalty` must be strictly positive"),
        ({"frequency_penalty": 2.5}, "`frequency_penalty` must be >= -2.0 and <= 2.0"),
        ({"top_p": 1.0}, "`top_p` must be > 0.0 and < 1.0"),
        ({"typical_p": 0.0}, "`typical_p` must be > 0.0 and < 1.0"),
        ({"top_k": 0}, "`top_k` must be strictly positive"),
        ({"max_new_tokens": 0}, "`max_new_tokens` must be strictly positive"),
        ({"max_new_tokens": 9999}, "`inputs` tokens + `max_new_tokens` must be <= 256"),
        ({"truncate": 0}, "`truncate` must be strictly positive and less than 255"),
        ({"stop": list("abcde")}, "`stop` supports up to 4 stop sequences. Given: 5"),
        ({"top_n_tokens": 6}, "`top_n_tokens` must be >= 0 and <= 5. Given: 6"),
        ({"best_of": 3, "do_sample": True}, "`best_of` must be > 0 and <= 2. Given: 3"),
        ({"best_of": 2}, "you must use sampling when `best_of` is > 1"),
        ({"best_of": 2, "do_sample": True, "seed": 1}, "`seed` must not be set when `best_of` > 1"),
        ({"grammar": {"type": "json", "value": {"type": "object"}}}, "Grammar must have a 'properties' field"),
        ({"grammar": {"type": "regex", "value": "(["}}, "grammar is not valid"),
    ],
)
def test_a_value_out_of_its_range_is_refused_in_tgis_words(post, parameters, said):
    answer = post("/generate", inputs=PROMPT, parameters=parameters)
    assert answer.status_code == 422
    assert answer.json()["error_type"] == "validation"
    assert answer.json()["error"].startswith(f"Input validation error: {said}")


def test_an_empty_or_too_long_prompt_is_refused(post):
    assert post("/generate", inputs="").json()["error"] == "Input validation error: `inputs` cannot be empty"
    answer = post("/generate", inputs=PROMPT * 200)
    assert answer.status_code == 422
    assert answer.json()["error"].startswith("Input validation error: `inputs` must have less than 255 tokens")


def test_inside_a_stream_a_refusal_is_an_event_with_status_200(post, events):
    for parameters in ({"temperature": 0}, {"best_of": 2, "do_sample": True}, {"decoder_input_details": True}):
        answer = post("/generate_stream", inputs=PROMPT, parameters=parameters)
        assert answer.status_code == 200
        [event] = events(answer)
        assert event["error_type"] == "validation"


def test_a_body_without_the_form_is_refused_in_plain_text(url):
    for content, kind, status in [
        (b"{", "application/json", 400),
        (b'{"inputs": "x"}', "text/plain", 415),
        (b'{"parameters": {}}', "application/json", 422),
        (b'{"inputs": "x", "parameters": {"top_k": "many"}}', "application/json", 422),
        (b'{"inputs": "' + b"x" * 2_000_000 + b'"}', "application/json", 413),
    ]:
        answer = httpx.post(f"{url}/generate", content=content, headers={"content-type": kind})
        assert answer.status_code == status
        assert answer.headers["content-type"].startswith("text/plain")


def test_tokens_stand_at_their_places_in_the_text(post):
    tokens = post("/tokenize", inputs="Prämie 12 €").json()
    assert isinstance(tokens, list)
    assert tokens[0]["start"] == 0
    assert tokens[-1]["stop"] == len("Prämie 12 €")
    assert all(token["text"] == "Prämie 12 €"[token["start"] : token["stop"]] for token in tokens)


def test_chat_tokenize_shows_the_prompt_of_a_conversation(post):
    answer = post("/chat_tokenize", messages=[{"role": "user", "content": "Hallo"}]).json()
    assert answer["templated_text"] == "<s>user: Hallo<s>assistant: "
    assert answer["tokenize_response"][0]["text"] == "<s>"


def test_a_conversation_that_the_template_refuses_is_a_template_error(post):
    answer = post("/v1/chat/completions", messages=[{"role": "tool", "content": "x"}])
    assert answer.status_code == 422
    assert answer.json() == {"error": "Template error: no tools here", "error_type": "template_error"}


def test_chat_streams_end_with_usage_where_asked_and_done(post, events):
    answer = post(
        "/v1/chat/completions", messages=[{"role": "user", "content": "Hallo"}], max_tokens=4, temperature=0,
        stream=True, stream_options={"include_usage": True},
    )  # fmt: skip
    *chunks, usage, done = events(answer)
    assert done == "[DONE]"
    assert usage["usage"]["completion_tokens"] == len(chunks) == 4
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None, None, None, "length"]


def test_chat_takes_a_regular_expression_and_refuses_openais_nested_schema(post):
    messages = [{"role": "user", "content": "Hallo"}]
    answer = post("/v1/chat/completions", messages=messages, response_format={"type": "regex", "value": "[0-9]{4}"})
    assert re.fullmatch("[0-9]{4}", answer.json()["choices"][0]["message"]["content"])
    nested = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
    assert post("/v1/chat/completions", messages=messages, response_format=nested).status_code == 422


def test_up_to_four_prompts_are_continued_at_once(post):
    answer = post("/v1/completions", prompt=["a", "b", "c", "d"], max_tokens=3, temperature=0).json()
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2, 3]
    assert answer["usage"]["completion_tokens"] == 12
    assert post("/v1/completions", prompt=list("abcde")).status_code == 422


def test_info_health_models_and_metrics(url):
    info = httpx.get(f"{url}/info").json()
    assert set(info) == {
        "model_id", "model_sha", "model_pipeline_tag", "max_concurrent_requests", "max_best_of", "max_stop_sequences",
        "max_input_tokens", "max_total_tokens", "validation_workers", "max_client_batch_size", "router", "version",
        "sha", "docker_label",
    }  # fmt: skip
    assert (info["max_concurrent_requests"], info["max_total_tokens"]) == (128, 256)
    health = httpx.get(f"{url}/health")
    assert (health.status_code, health.content) == (200, b"")
    assert httpx.get(f"{url}/v1/models").json()["data"][0]["id"] == "tiny"
    assert re.search(r"^tgi_queue_size \d+$", httpx.get(f"{url}/metrics").text, re.MULTILINE)


def test_a_key_guards_everything_but_health_info_and_metrics(serving):
    with serving(api_key="secret") as url:
        body = {"inputs": "x", "parameters": {"max_new_tokens": 1}}
        for route in ("/generate", "/generate_stream", "/", "/tokenize", "/v1/completions", "/v1/chat/completions"):
            refused = httpx.post(url + route, json=body)
            assert (refused.status_code, refused.content) == (401, b""), route
        assert httpx.post(f"{url}/generate", json=body, headers={"Authorization": "Bearer secret"}).status_code == 200
        assert httpx.get(f"{url}/health").status_code == 200


def test_one_request_too_many_is_refused_at_once(serving):
    with serving(pause_s=0.02, max_concurrent_requests=2) as url:
        long = {
            "inputs": PROMPT,
            "parameters": {"max_new_tokens": 200, "grammar": {"type": "regex", "value": "a{200}"}},
        }
        with ExitStack() as open_streams:
            streams = [
                open_streams.enter_context(httpx.stream("POST", f"{url}/generate_stream", json=long, timeout=60))
                for _ in range(2)
            ]
            lines = [stream.iter_lines() for stream in streams]  # an iterator that is dropped closes its stream
            assert all(next(each).startswith("data: ") for each in lines)
            refused = httpx.post(f"{url}/generate", json=long)
        assert refused.status_code == 429
        assert refused.json() == {"error": "Model is overloaded", "error_type": "overloaded"}
        assert "retry-after" not in refused.headers


def test_an_answer_whose_client_has_gone_makes_room(serving):
    with serving(pause_s=0.02, max_concurrent_requests=1) as url:
        long = {
            "inputs": PROMPT,
            "parameters": {"max_new_tokens": 230, "grammar": {"type": "regex", "value": "a{230}"}},
        }
        with httpx.stream("POST", f"{url}/generate_stream", json=long, timeout=60) as first:
            next(first.iter_lines())
        short = {"inputs": "x", "parameters": {"max_new_tokens": 1}}
        for _ in range(50):  # a refusal takes about two milliseconds, the whole answer four seconds
            time.sleep(0.02)
            if httpx.post(f"{url}/generate", json=short).status_code == 200:
                break
        else:
            pytest.fail("the abandoned answer is still being made")


def test_answers_in_flight_finish_while_the_server_stops(serving):
    text: list[str] = []
    with serving(pause_s=0.005) as url:
        long = {
            "inputs": PROMPT,
            "parameters": {"max_new_tokens": 120, "grammar": {"type": "regex", "value": "a{100}"}},
        }
        begun = threading.Event()

        def read() -> None:
            with httpx.stream("POST", f"{url}/generate_stream", json=long, timeout=60) as stream:
                for line in stream.iter_lines():
                    begun.set()
                    text.append(line)

        client = threading.Thread(target=read)
        client.start()
        begun.wait()
    client.join()
    last = json.loads([line for line in text if line][-1].removeprefix("data: "))
    assert last["generated_text"] == "a" * 100
    assert not math.isnan(last["token"]["logprob"])
