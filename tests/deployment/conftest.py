"""What the chart renders with each set of values, and the compose file, as plain values."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="session")
def deploy_lint() -> ModuleType:
    """lint.py beside this file, which renders the chart."""
    spec = importlib.util.spec_from_file_location("deploy_lint", Path(__file__).parent / "lint.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session", params=["default", "smallest-values", "gpu-values", "closed-values"])
def manifests(request: pytest.FixtureRequest, deploy_lint: ModuleType) -> list[dict[str, Any]]:
    """Everything that the chart renders, once for each set of values."""
    return deploy_lint.rendered(deploy_lint.values_matrix()[request.param])


@pytest.fixture(scope="session")
def pods(manifests: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The pod specs among the manifests, by `Kind/name`."""
    found = {}
    for manifest in manifests:
        if manifest["kind"] in ("Deployment", "Job"):
            found[f"{manifest['kind']}/{manifest['metadata']['name']}"] = manifest["spec"]["template"]["spec"]
        elif manifest["kind"] == "Pod":
            found[f"Pod/{manifest['metadata']['name']}"] = manifest["spec"]
    return found


@pytest.fixture(scope="session")
def containers(pods: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The one container of each pod, by the pod's name."""
    assert {len(pod["containers"]) for pod in pods.values()} == {1}
    return {name: pod["containers"][0] for name, pod in pods.items()}


@pytest.fixture(scope="session")
def compose() -> dict[str, Any]:
    """docker-compose.yml with its anchors filled in, its extension fields left out."""
    whole = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return {name: value for name, value in whole.items() if not name.startswith("x-")}
