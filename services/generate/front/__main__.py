"""`python -m services.generate.front --home FOLDER`: serve the version in use on one port, until told to stop."""

from __future__ import annotations

import argparse
import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx
import uvicorn

from services.generate.front.backend import another_server, own_server, started
from services.generate.front.proxy import application
from services.generate.front.switching import Placed, Switch
from services.generate.settings import GenerateSettings
from shared import logs
from shared.errors import Refused

#: The version that was never registered: the folder that the operator named.
FIRST = "base"


def main() -> None:
    """Read the command line, start what was in use, serve."""
    parser = argparse.ArgumentParser(prog="python -m services.generate.front", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="keeps which version is in use")
    parser.add_argument("--model", type=Path, help="what to serve until a version is promoted")
    parser.add_argument("--server", help="another server's command, with {folder}, {version} and {port} in it")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=3000)
    arguments = parser.parse_args()
    logs.configure("generate-front")
    settings = GenerateSettings()
    if settings.admin_key is None:
        raise Refused("The front has no key of its own.", action="Set DOSSIER_GENERATE_ADMIN_KEY.")
    arguments.home.mkdir(parents=True, exist_ok=True)
    own = {} if settings.api_key is None else {"authorization": f"Bearer {settings.api_key.get_secret_value()}"}
    # A stream may be silent for as long as a long prompt is read; whoever asked has a time limit of their own.
    client = httpx.AsyncClient(timeout=httpx.Timeout(None, connect=10), trust_env=False)
    server = own_server if arguments.server is None else another_server(arguments.server)
    switch = Switch(arguments.home, client, own, killed_at(settings.failpoint), partial(started, server=server))
    model = arguments.model or settings.model
    first = None if model is None else Placed(FIRST, model)
    app = application(switch, client, settings.admin_key.get_secret_value(), first)
    uvicorn.run(app, host=arguments.host, port=arguments.port, log_config=None, timeout_graceful_shutdown=60)


def killed_at(failpoint: str | None) -> Callable[[str], None]:
    """For tests of crashes: kills this process, as the machine would, at the step of that name."""

    def reached(step: str) -> None:
        if step == failpoint:
            os.kill(os.getpid(), signal.SIGKILL)

    return reached


if __name__ == "__main__":
    main()
