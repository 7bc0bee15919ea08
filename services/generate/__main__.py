"""`python -m services.generate --model FOLDER`: serve a model until told to stop; SIGTERM lets answers finish."""

from __future__ import annotations

import argparse
from pathlib import Path

import uvicorn

from services.generate.api.application import application
from services.generate.language_model import language_model_from
from services.generate.settings import GenerateSettings
from shared import logs

#: What a request in flight may still take after SIGTERM, in seconds.
DRAIN_S = 60


def main() -> None:
    """Read the command line, load, serve."""
    parser = argparse.ArgumentParser(prog="python -m services.generate", description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="folder with config.json, *.safetensors, tokenizer")
    parser.add_argument("--name", help="what /info calls the model; the folder where it is not given")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=3000)
    arguments = parser.parse_args()
    logs.configure("generate")
    settings = GenerateSettings()
    app = application(language_model_from(arguments.model, settings.device, arguments.name), settings)
    uvicorn.run(
        app,
        host=arguments.host,
        port=arguments.port,
        log_config=None,
        timeout_graceful_shutdown=DRAIN_S,
    )
    app.state.house.scheduler.stop(DRAIN_S)


if __name__ == "__main__":
    main()
