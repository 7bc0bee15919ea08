"""A real nginx with the gateway's configuration, in front of six servers that only say who they are."""

from __future__ import annotations

import os
import re
import shutil
import socket
import string
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from services import rooms

TEMPLATE = Path(__file__).parent.parent.parent / "helm" / "dossier" / "files" / "gateway.conf.template"
NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
Ask = Callable[..., httpx.Response]

pytestmark = [
    pytest.mark.system,
    # A laptop may do without; a CI that did not install it must not pass over it in silence.
    pytest.mark.skipif(NGINX is None and "CI" not in os.environ, reason="no nginx here: apt-get install nginx-light"),
]


def _upstream(folder: Path, service: str) -> str:
    return f"""
        upstream {service}-api {{ server unix:{folder}/{service}.sock; }}
        server {{
            listen unix:{folder}/{service}.sock;
            location / {{ return 200 "{service} $request_method $request_uri $http_x_request_id"; }}
        }}"""


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Send (method, path, **request) to a running gateway."""
    folder = tmp_path_factory.mktemp("gateway")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    gateway = string.Template(TEMPLATE.read_text()).safe_substitute(
        NGINX_LOCAL_RESOLVERS="127.0.0.1", DOSSIER_GATEWAY_PORT=f"127.0.0.1:{port}", DOSSIER_GATEWAY_BODY_LIMIT="1k",
        DOSSIER_GATEWAY_PREFIX="", DOSSIER_GATEWAY_SUFFIX="",
    )  # fmt: skip
    places = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    upstreams = "".join(_upstream(folder, service) for service in rooms.SERVICES)
    (folder / "nginx.conf").write_text(f"""
        daemon off; pid {folder}/pid; error_log {folder}/errors; user root; worker_processes 1;
        events {{}}
        http {{ {places} {upstreams}
        {gateway.replace("/dev/stdout", str(folder / "access"))} }}""")
    server = subprocess.Popen([NGINX, "-p", folder, "-e", folder / "errors", "-c", folder / "nginx.conf"])

    try:
        _until_it_listens(port, folder / "errors")
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            yield client.request
    finally:
        server.terminate()
        server.wait(timeout=10)


def _until_it_listens(port: int, errors: Path) -> None:
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nginx does not start:\n{errors.read_text() if errors.exists() else ''}")


@pytest.mark.parametrize("service", rooms.SERVICES)
def test_every_route_reaches_the_service_that_declares_it(ask, service):
    routes = [
        (method, re.sub(r"\{[^}]+\}", "doc_1", route.path))
        for route in iter_route_contexts(rooms.router(service).routes)
        for method in route.methods or ["GET"]
    ]
    assert routes
    for method, path in routes:
        if method != "HEAD":
            assert ask(method, path).text.split()[:3] == [service, method, path]


def test_the_query_and_the_callers_request_id_arrive(ask):
    answer = ask("GET", "/v1/documents?q=a%20b&limit=5", headers={"X-Request-Id": "abc"}).content
    assert answer == b"ingest GET /v1/documents?q=a%20b&limit=5 abc"


def test_a_request_without_an_id_gets_one(ask):
    assert re.fullmatch(rb"review GET / [0-9a-f]{32}", ask("GET", "/").content)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_what_is_for_operators_is_not_on_the_origin(ask, path):
    assert ask("GET", path).status_code == 404


def test_the_gateway_has_a_health_of_its_own(ask):
    assert ask("GET", "/gateway/healthz").content == b"ok\n"


def test_a_body_beyond_the_limit_is_refused(ask):
    assert ask("POST", "/v1/batches", content=b"x" * 1025).status_code == 413


def test_a_path_that_only_looks_like_a_prefix_is_not_taken_for_it(ask):
    assert ask("GET", "/v1/documentsandmore").content.startswith(b"review ")
