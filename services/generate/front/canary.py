"""What a new version must answer before anybody sees it.

A version may bring `canary.json`: `{"nats_per_token": {"a text": 3.21, …}}`, the mean negative log-probability of each
text as the model gave it when it was made. The server must give the same: other weights, a half-written shard or
another tokenizer do not. It must also answer a conversation. A version without the file is asked only the latter.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx

from shared.errors import Refused

NAME = "canary.json"
#: Half a percent of a nat lies between float32 and bfloat16 on one machine; wrong weights are off by whole nats.
TOLERANCE_NATS = 0.05
_TIMEOUT_S = 120.0


async def sing(client: httpx.AsyncClient, url: str, folder: Path, headers: dict[str, str]) -> int:
    """Ask the server at `url` the canary of the version in `folder`; how many questions it was.

    Raises Refused where it answers otherwise than the model that was made.
    """
    expected = _expected(folder)
    for text, nats in expected.items():
        answered = await _nats(client, url, text, headers)
        if abs(answered - nats) > TOLERANCE_NATS:
            raise Refused(
                f"The served model is not the one that was made: {answered:.3f} nats a token where {nats:.3f} belong.",
                action="The version in use stays. Register the version again from its run.",
                code="canary",
            )
    talk = {"messages": [{"role": "user", "content": "?"}], "max_tokens": 4, "temperature": 0}
    answer = await client.post(f"{url}/v1/chat/completions", json=talk, headers=headers, timeout=_TIMEOUT_S)
    _checked(answer)
    return len(expected) + 1


def _expected(folder: Path) -> dict[str, float]:
    if not (folder / NAME).is_file():
        return {}
    kept: dict[str, float] = json.loads((folder / NAME).read_text())["nats_per_token"]
    return kept


async def _nats(client: httpx.AsyncClient, url: str, text: str, headers: dict[str, str]) -> float:
    parameters = {"decoder_input_details": True, "details": True, "max_new_tokens": 1}
    body = {"inputs": text, "parameters": parameters}
    answer = await client.post(f"{url}/generate", json=body, headers=headers, timeout=_TIMEOUT_S)
    prefill: list[dict[str, Any]] = _checked(answer)["details"]["prefill"]
    scored = [float(token["logprob"]) for token in prefill if token["logprob"] is not None]
    return -sum(scored) / max(len(scored), 1)


def _checked(answer: httpx.Response) -> Any:
    if answer.status_code != 200:
        raise Refused(
            f"The new version answers with status {answer.status_code}.",
            action="The version in use stays. Its chat template may be missing.",
            code="canary",
            private=answer.text,
        )
    return answer.json()
