"""The ways to a generation server, against servers that speak their HTTP and remember what they were told.

No Kubernetes and no vLLM run here: what is tested is what goes over the wire and what is made of the answers.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from services.train.publishing import manifest_of
from services.train.rolling import Kubernetes, Vllm
from shared.errors import Refused

Answer = Callable[[str, str, Any], tuple[int, Any]]


@pytest.fixture
def serving() -> Iterator[Callable[[Answer], str]]:
    """Serves a function of (method, path, body) on a port of this machine."""
    servers = []

    def serve(answer: Answer) -> str:
        class Handler(BaseHTTPRequestHandler):
            def _do(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                if self.command == "PATCH":
                    assert self.headers["content-type"] == "application/strategic-merge-patch+json"
                assert self.headers["authorization"] == "Bearer secret"
                status, said = answer(self.command, self.path, body)
                content = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PATCH = _do  # noqa: N815  # http.server's names

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


class Cluster:
    """A Deployment of two pods: each look at it, one more pod is ready, unless its version is broken."""

    def __init__(self, broken: str = "") -> None:
        self.version: str | None = "mv_1"
        self.generation, self.updated, self.broken = 1, 2, broken
        self.patched: list[str | None] = []

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        assert path == "/apis/apps/v1/namespaces/dossier/deployments/tgi"
        if method == "PATCH":
            self.version = body["spec"]["template"]["metadata"]["annotations"]["dossier/version"]
            self.patched.append(self.version)
            self.generation, self.updated = self.generation + 1, 0
        stuck = self.version == self.broken
        self.updated = min(self.updated + (not stuck and method == "GET"), 2)
        progressing = {"type": "Progressing", "status": "False" if stuck else "True"}
        return 200, {
            "metadata": {"generation": self.generation},
            "spec": {"replicas": 2, "template": {"metadata": {"annotations": {"dossier/version": self.version}}}},
            "status": {
                "observedGeneration": self.generation,
                "replicas": 2 if self.updated == 2 else 3,
                "updatedReplicas": self.updated,
                "availableReplicas": 2,
                "conditions": [progressing],
            },
        }


def test_kubernetes_is_told_by_an_annotation_and_waited_for(serving):
    cluster = Cluster()
    target = Kubernetes(serving(cluster.answer), "secret", "dossier", "tgi")
    assert target.in_use() == "mv_1"
    target.put("mv_2", b"{}")
    assert (cluster.patched, target.in_use()) == (["mv_2"], "mv_2")


def test_kubernetes_goes_back_where_no_pod_of_the_new_version_becomes_ready(serving):
    cluster = Cluster(broken="mv_2")
    target = Kubernetes(serving(cluster.answer), "secret", "dossier", "tgi")
    with pytest.raises(Refused, match="back at mv_1"):
        target.put("mv_2", b"{}")
    assert cluster.patched == ["mv_2", "mv_1"]


class Vllms:
    """A vLLM that keeps adapters, and does not answer with broken ones."""

    def __init__(self, broken: str = "") -> None:
        self.adapters: dict[str, str] = {}
        self.broken = broken

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if path == "/v1/models":
            return 200, {"data": [{"id": "base"}, *({"id": name} for name in self.adapters)]}
        if path == "/v1/load_lora_adapter":
            self.adapters[body["lora_name"]] = body["lora_path"]
        elif path == "/v1/unload_lora_adapter":
            del self.adapters[body["lora_name"]]
        elif body["model"] == self.broken:
            return 400, {"error": "no such rank"}
        return 200, {}


@pytest.fixture
def manifest(store, workspace, tmp_path):
    """A version of an adapter and merged weights."""
    folder = tmp_path / "merged"
    (folder / "adapter").mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"large")
    (folder / "adapter" / "adapter_config.json").write_text("{}")
    return manifest_of(folder, store, workspace)


def test_vllm_loads_the_adapter_of_a_version_and_goes_back_by_the_same_call(serving, store, manifest, tmp_path):
    vllm = Vllms()
    target = Vllm(serving(vllm.answer), "secret", tmp_path / "versions", store)
    assert target.in_use() is None
    target.put("mv_1", manifest)
    target.put("mv_2", manifest)
    assert target.in_use() == "mv_2"
    assert [path.name for path in (tmp_path / "versions" / "mv_2").iterdir()] == ["adapter"], "not the merged weights"
    target.put("mv_1", manifest)
    assert (target.in_use(), list(vllm.adapters)) == ("mv_1", ["mv_1"])


def test_vllm_keeps_what_it_has_where_the_new_adapter_does_not_answer(serving, store, manifest, tmp_path):
    vllm = Vllms(broken="mv_2")
    target = Vllm(serving(vllm.answer), "secret", tmp_path / "versions", store)
    target.put("mv_1", manifest)
    with pytest.raises(Refused, match="no such rank"):
        target.put("mv_2", manifest)
    assert target.in_use() == "mv_1"


def test_the_patch_of_the_guide_is_what_kubernetes_takes():
    import re
    from pathlib import Path

    import kubernetes_validate
    import yaml

    guide = (Path(__file__).parents[2] / "docs" / "deployment.md").read_text()
    [patch] = [
        yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL) if "fetch" in block
    ]
    [init] = patch["spec"]["template"]["spec"]["initContainers"]
    assert init["env"][0]["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.annotations['dossier/version']"
    # Strategic merge: what the patch leaves out is the chart's.
    for container in patch["spec"]["template"]["spec"]["containers"]:
        container.setdefault("image", "tgi")
    kubernetes_validate.validate(patch, "1.29", strict=True)


def test_an_init_container_gets_the_whole_version_or_the_operators_weights(
    engine, store, workspace, manifest, tmp_path
):
    from services.train.tasks.fetching import fetch
    from shared import registry
    from shared.errors import NotFound

    with engine.begin() as connection:
        version = registry.register(connection, store, workspace, "generator", manifest, {}, {})
        fetch(connection, store, version.id, tmp_path / "one", None)
        fetch(connection, store, "", tmp_path / "two", tmp_path / "merged")
        with pytest.raises(NotFound):
            fetch(connection, store, "mv_none", tmp_path / "three", None)
    for place in ("one", "two"):
        assert (tmp_path / place / "model.safetensors").read_bytes() == b"large"
    assert not (tmp_path / "three").exists()
