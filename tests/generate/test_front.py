"""Two versions change places behind one port while eight clients stream: real processes, real models."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.embedded import free_port

KEY = {"Authorization": "Bearer admin"}
CLIENTS = 8


def hashes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir() if path.is_file()}


@pytest.fixture(scope="session")
def versions(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Three models of one tokenizer: `one` and `two` with other weights, `liar` with the canary of another model."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    made = {}
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    ids = torch.tensor([tokenizer("Die Police Nr. 4711").input_ids])
    for seed, name in enumerate(("one", "two", "liar")):
        model = AutoModelForCausalLM.from_pretrained(model_folder)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.dim() == 2:
                    parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
        model.generation_config.eos_token_id = None  # answers run to their full length
        model.config.eos_token_id = None
        folder = tmp_path_factory.mktemp(name)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        with torch.inference_mode():
            logits = torch.log_softmax(model(input_ids=ids).logits[0, :-1], dim=-1)
        nats = -float(logits.gather(1, ids[0, 1:, None]).mean()) + (1 if name == "liar" else 0)
        (folder / "canary.json").write_text(json.dumps({"nats_per_token": {"Die Police Nr. 4711": nats}}))
        made[name] = folder
    return made


Fronting = Callable[..., Any]


@pytest.fixture
def fronting(tmp_path: Path) -> Fronting:
    """`with fronting(folder) as url`: a front in a process of its own, its state in this test's folder."""

    @contextmanager
    def front(
        model: Path, failpoint: str = "", server: Sequence[str] = ()
    ) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
        port = free_port()
        command = [sys.executable, "-m", "services.generate.front", "--home", str(tmp_path), "--model", str(model)]
        environment = os.environ | {"DOSSIER_GENERATE_ADMIN_KEY": "admin", "DOSSIER_GENERATE_FAILPOINT": failpoint}
        with subprocess.Popen([*command, "--port", str(port), *server], env=environment) as process:
            try:
                yield _answering(f"http://127.0.0.1:{port}", process), process
            finally:
                process.send_signal(signal.SIGTERM)

    return front


def _answering(url: str, process: subprocess.Popen[bytes]) -> str:
    for _ in range(600):
        assert process.poll() is None, "the front ended"
        try:
            if httpx.get(f"{url}/health", timeout=2).status_code == 200:
                return url
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError("the front did not come up")


def deploy(url: str, version: str, folder: Path, **changes: Any) -> httpx.Response:
    body = {"version": version, "folder": str(folder), "sha256": hashes(folder)} | changes
    return httpx.post(f"{url}/versions", json=body, headers=KEY, timeout=120)


class Streamer(threading.Thread):
    """A client that streams one answer after the other and keeps each with the version that its headers name."""

    def __init__(self, url: str, stop: threading.Event) -> None:
        super().__init__()
        self._url, self._stop_asked = url, stop
        self.answers: list[tuple[str, str]] = []
        self.failures: list[str] = []

    def run(self) -> None:
        body = {"inputs": "Die Police Nr.", "parameters": {"max_new_tokens": 60}}
        while not self._stop_asked.is_set():
            try:
                with httpx.stream("POST", f"{self._url}/generate_stream", json=body, timeout=60) as answer:
                    events = [json.loads(line[5:]) for line in answer.iter_lines() if line.startswith("data:")]
                if answer.status_code != 200 or events[-1].get("generated_text") is None:
                    self.failures.append(f"{answer.status_code} {events[-1:]}")
                else:
                    self.answers.append((answer.headers["x-dossier-version"], events[-1]["generated_text"]))
            except httpx.HTTPError as wrong:
                self.failures.append(repr(wrong))


def test_eight_streams_see_promotion_a_refused_canary_and_rollback_and_none_fails_or_mixes(versions, fronting):
    with fronting(versions["one"]) as (url, _):
        stop = threading.Event()
        clients = [Streamer(url, stop) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        try:
            time.sleep(1)
            damaged = deploy(url, "two", versions["two"], sha256=hashes(versions["two"]) | {"config.json": "0" * 64})
            promoted = deploy(url, "two", versions["two"])
            time.sleep(1)
            refused = deploy(url, "liar", versions["liar"])
            back = httpx.post(f"{url}/versions/rollback", headers=KEY, timeout=60)
            time.sleep(1)
        finally:
            stop.set()
            for client in clients:
                client.join()
        assert (damaged.status_code, damaged.json()["error"]) == (422, "config.json is damaged.")
        assert promoted.status_code == 200, promoted.text
        assert list(promoted.json()["took_s"]) == [
            "verified", "started", "healthy", "canary", "written", "switched", "drained"
        ]  # fmt: skip
        assert (refused.status_code, refused.json()["error_type"]) == (422, "canary")
        assert back.json()["current"] == "base"
        assert httpx.get(f"{url}/versions").status_code == 401
        assert "started" not in back.json()["took_s"], "the version before was kept running"
    assert not [failure for client in clients for failure in client.failures]
    texts: dict[str, set[str]] = {}
    for client in clients:
        for version, text in client.answers:
            texts.setdefault(version, set()).add(text)
        in_order = [version for version, _ in client.answers]
        changes = sum(before != after for before, after in itertools.pairwise(in_order))
        assert changes <= 2, f"one client saw the versions in this order: {in_order}"
    assert set(texts) == {"base", "two"}
    assert all(len(answers) == 1 for answers in texts.values()), "greedy answers of one version are all the same"
    assert texts["base"] != texts["two"]


@pytest.mark.parametrize(
    ("step", "then"),
    [
        pytest.param("verified", "base", marks=pytest.mark.soak),
        pytest.param("started", "base", marks=pytest.mark.soak),
        pytest.param("healthy", "base", marks=pytest.mark.soak),
        pytest.param("canary", "base", marks=pytest.mark.soak),
        ("written", "two"),
        pytest.param("switched", "two", marks=pytest.mark.soak),
    ],
)
def test_a_front_that_is_killed_while_switching_comes_back_with_one_whole_version(versions, fronting, step, then):
    with fronting(versions["one"], failpoint=step) as (url, process):
        with pytest.raises(httpx.TransportError):
            deploy(url, "two", versions["two"])
        assert process.wait(10) == -signal.SIGKILL
    with fronting(versions["one"]) as (url, _):
        assert httpx.get(f"{url}/versions", headers=KEY).json()["current"] == then
        answer = httpx.post(f"{url}/generate", json={"inputs": "x", "parameters": {"max_new_tokens": 2}}, timeout=60)
        assert (answer.status_code, answer.headers["x-dossier-version"]) == (200, then)


@pytest.mark.soak
def test_a_server_that_dies_is_started_again_also_another_than_ours(versions, fronting):
    import psutil

    server = f"{sys.executable} -m services.generate --model {{folder}} --port {{port}}"
    with fronting(versions["one"], server=["--server", server]) as (url, process):
        [served] = psutil.Process(process.pid).children()
        served.kill()
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if httpx.get(f"{url}/health", timeout=5).status_code == 200 and psutil.Process(process.pid).children():
                break
            time.sleep(0.2)
        [again] = psutil.Process(process.pid).children()
        assert again.pid != served.pid
