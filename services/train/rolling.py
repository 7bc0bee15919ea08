"""The generation server's side of a promotion: the ways to put a version in use on it.

A `Target` says which version it serves, and puts another one in use: whole, or not at all. Three are here:

- `Front`: `services.generate.front`, which fetches nothing itself; embedded, or beside TGI in a container.
- `Kubernetes`: an annotation on the pods of a Deployment, whose init container fetches the version.
- `Vllm`: a server that loads adapters while it runs; it serves a version under the version's own id.

What decides which version that is (the registry) and what is done where one fails is in `tasks/rollouts.py`.
"""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any, Protocol

import httpx

from services.train.failpoints import reached
from services.train.publishing import fetched
from shared.errors import Refused, Unavailable
from shared.store import Store

#: Folders of versions that are kept beside those in use.
KEPT = 2
_ANNOTATION = "dossier/version"
#: Where a version keeps its adapter, beside the merged weights.
ADAPTER = "adapter/"


class Target(Protocol):
    """A generation server. Every method raises Unavailable where it cannot be reached."""

    def in_use(self) -> str | None:
        """The id of the version it serves, None where it serves none of ours."""

    def put(self, version: str, manifest: bytes) -> dict[str, float]:
        """Put a version in use; the seconds that each step took.

        Raises Refused where the version does not serve as it should: then the one before goes on.
        """


class Front:
    """`services.generate.front` at `url`; `folder` is seen by both, and holds the versions' files."""

    def __init__(self, url: str, key: str, folder: Path, store: Store, timeout_s: float = 1800) -> None:
        self._url, self._folder, self._store, self._timeout_s = url.rstrip("/"), folder, store, timeout_s
        self._headers = {"Authorization": f"Bearer {key}"}

    def in_use(self) -> str | None:
        """See `Target.in_use`."""
        found: str | None = self._asked("GET", "/versions")["current"]
        return found

    def put(self, version: str, manifest: bytes) -> dict[str, float]:
        """See `Target.put`. The version before is still there: going back to it fetches and starts nothing."""
        shown = self._asked("GET", "/versions")
        if shown["previous"] == version:
            took: dict[str, float] = self._asked("POST", "/versions/rollback")["took_s"]
            return took
        began = time.monotonic()
        place = fetched(manifest, self._store, self._folder / version)
        took = {"fetched": round(time.monotonic() - began, 3)}
        reached("switching")
        sha256 = {name: file["sha256"] for name, file in json.loads(manifest)["files"].items()}
        body = {"version": version, "folder": str(place.resolve()), "sha256": sha256}
        done = self._asked("POST", "/versions", body)
        self._forget({done["current"], done["previous"]})
        took |= done["took_s"]
        return took

    def _forget(self, used: set[str]) -> None:
        """Delete folders of versions that are neither in use nor among the newest."""
        unused = [place for place in sorted(self._folder.glob("mv_*")) if place.name not in used]
        for place in unused[:-KEPT]:
            shutil.rmtree(place, ignore_errors=True)

    def _asked(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        return _answer(method, f"{self._url}{path}", self._headers, body, self._timeout_s)


class Kubernetes:
    """A Deployment whose init container fetches the version that an annotation of its pods names.

    docs/deployment.md has the patch for it. The Deployment's own rolling update starts, waits for readiness, switches
    and drains; old pods go on until a new one is ready. There is no canary here before requests arrive: readiness is
    all that Kubernetes asks. A rollout that makes no progress is taken back by the annotation it replaced. `api` is the
    API server's address, `token` a service account's that may get and patch this Deployment.
    """

    def __init__(self, api: str, token: str, namespace: str, deployment: str, timeout_s: float = 1800) -> None:
        self._url = f"{api.rstrip('/')}/apis/apps/v1/namespaces/{namespace}/deployments/{deployment}"
        self._headers = {"Authorization": f"Bearer {token}"}
        self._timeout_s = timeout_s

    def in_use(self) -> str | None:
        """See `Target.in_use`; None too while a rollout is under way."""
        found = self._deployment()
        return _annotated(found) if _rolled_out(found) else None

    def put(self, version: str, manifest: bytes) -> dict[str, float]:
        """See `Target.put`; the init container fetches the files, not this."""
        before = _annotated(self._deployment())
        began = time.monotonic()
        self._annotate(version)
        reached("switching")
        while time.monotonic() - began < self._timeout_s:
            found = self._deployment()
            if _rolled_out(found):
                return {"rolled_out": round(time.monotonic() - began, 3)}
            if _stuck(found):
                break
            time.sleep(1)
        self._annotate(before)
        raise Refused(
            f"No pod became ready with version {version}; the Deployment is back at {before or 'its first model'}.",
            action="The new pod's init and canary containers say why.",
            code="version_unhealthy",
        )

    def _annotate(self, version: str | None) -> None:
        body = {"spec": {"template": {"metadata": {"annotations": {_ANNOTATION: version}}}}}
        headers = self._headers | {"Content-Type": "application/strategic-merge-patch+json"}
        _answer("PATCH", self._url, headers, body, 30)

    def _deployment(self) -> dict[str, Any]:
        found: dict[str, Any] = _answer("GET", self._url, self._headers, None, 30)
        return found


class Vllm:
    """A vLLM server with `--enable-lora` and VLLM_ALLOW_RUNTIME_LORA_UPDATING; `folder` is seen by both.

    Adapters live beside each other, so nothing is drained: a request names its version as its model, and old ones
    finish on theirs. In use is the newest version that it lists.
    """

    def __init__(self, url: str, key: str | None, folder: Path, store: Store, timeout_s: float = 600) -> None:
        self._url, self._folder, self._store, self._timeout_s = url.rstrip("/"), folder, store, timeout_s
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}

    def in_use(self) -> str | None:
        """See `Target.in_use`."""
        return max(self._loaded(), default=None)

    def put(self, version: str, manifest: bytes) -> dict[str, float]:
        """See `Target.put`; versions newer than this one are unloaded, so that going back is the same call."""
        began = time.monotonic()
        loaded = self._loaded()
        if version not in loaded:
            place = fetched(_adapter_of(manifest), self._store, self._folder / version)
            reached("switching")
            self._posted("/v1/load_lora_adapter", {"lora_name": version, "lora_path": str((place / ADAPTER).resolve())})
        try:
            self._posted("/v1/completions", {"model": version, "prompt": "?", "max_tokens": 1, "temperature": 0})
        except Refused:
            self._posted("/v1/unload_lora_adapter", {"lora_name": version})
            raise
        for newer in (name for name in loaded if name > version):
            self._posted("/v1/unload_lora_adapter", {"lora_name": newer})
        return {"loaded": round(time.monotonic() - began, 3)}

    def _loaded(self) -> list[str]:
        listed = _answer("GET", f"{self._url}/v1/models", self._headers, None, 30)["data"]
        return [model["id"] for model in listed if model["id"].startswith("mv_")]

    def _posted(self, path: str, body: dict[str, Any]) -> None:
        _answer("POST", f"{self._url}{path}", self._headers, body, self._timeout_s)


def _adapter_of(manifest: bytes) -> bytes:
    files = {name: file for name, file in json.loads(manifest)["files"].items() if name.startswith(ADAPTER)}
    if not files:
        raise Refused("The version has no adapter.", action="vLLM loads adapters alone: tune with qlora or lora.")
    return json.dumps({"files": files}).encode()


def _annotated(deployment: dict[str, Any]) -> str | None:
    found: str | None = deployment["spec"]["template"]["metadata"].get("annotations", {}).get(_ANNOTATION)
    return found


def _rolled_out(deployment: dict[str, Any]) -> bool:
    """What `kubectl rollout status` waits for."""
    status, wanted = deployment.get("status", {}), deployment["spec"].get("replicas", 1)
    return bool(
        status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
        and status.get("updatedReplicas", 0) >= wanted
        and status.get("replicas", 0) <= status.get("updatedReplicas", 0)
        and status.get("availableReplicas", 0) >= wanted
    )


def _stuck(deployment: dict[str, Any]) -> bool:
    status = deployment.get("status", {})
    seen = bool(status.get("observedGeneration", 0) >= deployment["metadata"]["generation"])
    return seen and any(
        condition["type"] == "Progressing" and condition["status"] == "False"
        for condition in status.get("conditions", [])
    )


def _answer(method: str, url: str, headers: dict[str, str], body: dict[str, Any] | None, timeout_s: float) -> Any:
    """The JSON of an answer, None where it has none. Raises Refused on a 4xx, else Unavailable."""
    try:
        # Written by hand: a PATCH of Kubernetes has a content type of its own.
        content = None if body is None else json.dumps(body)
        given = {"Content-Type": "application/json"} | headers
        answer = httpx.request(method, url, content=content, headers=given, timeout=timeout_s, trust_env=False)
    except httpx.HTTPError as lost:
        raise Unavailable(
            f"The generation server at {url} cannot be reached.",
            action="Start it, or correct DOSSIER_TRAIN_ROLLOUT_URL.",
            private=repr(lost),
        ) from lost
    if answer.is_success:
        return answer.json() if "json" in answer.headers.get("content-type", "") else None
    said = answer.text[:2000]
    unfit = _part(answer, "error_type") == "version_unhealthy"  # asking again starts the same version again
    if not unfit and (answer.status_code in (401, 403, 409, 429) or answer.status_code >= 500):
        raise Unavailable(
            f"The generation server answers with status {answer.status_code}.",
            action="Check its key and its log.",
            private=said,
        )
    wrong = _part(answer, "error") or f"status {answer.status_code}"
    raise Refused(f"The generation server refuses the version: {wrong}", code="canary", private=said)


def _part(answer: httpx.Response, name: str) -> str | None:
    try:
        found: str | None = answer.json()[name]
    except (ValueError, KeyError, TypeError):
        return None
    return found
