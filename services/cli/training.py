"""`dossier train`: runs that learn, what they made, a base to begin with, and the whole loop."""

from __future__ import annotations

import json as json_module
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from services.cli import output
from services.cli.client import connect
from services.cli.work import Json
from shared.errors import Refused

Role = Annotated[Literal["classifier", "extractor", "generator"], typer.Option(help="What to learn.")]
Method = Annotated[
    Literal["fit", "qlora", "lora", "full"] | None,
    typer.Option(help="How; a classifier or extractor is fitted, a generator tuned by qlora."),
]
Parameter = Annotated[
    list[str] | None, typer.Option(help="A parameter of the method, such as rank=16; may be repeated.")
]


def start(
    role: Role = "classifier",
    method: Method = None,
    promote: Annotated[bool, typer.Option(help="Promote the result where the gate allows it.")] = True,
    parameter: Parameter = None,
    wait: Annotated[bool, typer.Option(help="Wait for the end.")] = True,
    json: Json = False,
) -> None:
    """Learn from the labels of today as a run."""
    client = connect()
    asked = {"role": role, "method": method, "promote": promote, "parameters": _parameters(parameter or [])}
    run = client.post("/v1/runs", json=asked)
    while wait and run["state"] in ("pending", "running"):
        time.sleep(0.5)
        run = client.get(f"/v1/runs/{run['id']}")
    if json:
        output.as_json(run)
        return
    output.out.print(f"{run['id']}: {run['state']}", highlight=False)
    if run.get("reason"):
        output.out.print(f"{run['reason']['message']} {run['reason']['action']}", highlight=False)
    output.table("", ["metric", "value"], sorted((run.get("metrics") or {}).items()))


def status(
    run: Annotated[str | None, typer.Argument(help="A run; without one, the newest runs.")] = None, json: Json = False
) -> None:
    """Show runs, or one run with its log and newest measurements."""
    client = connect()
    if run is None:
        items = client.get("/v1/runs", limit=20)["items"]
        if json:
            output.as_json(items)
            return
        rows = [(one["id"], one["role"], one["method"], one["state"], one["created_at"]) for one in items]
        output.table("Runs", ["run", "role", "method", "state", "started"], rows)
        return
    found = client.get(f"/v1/runs/{run}")
    if json:
        output.as_json(found)
        return
    output.out.print(f"{run}: {found['state']}", highlight=False)
    output.table("", ["at", "what"], [(line["at"], line["message"]) for line in found["log"]])
    if found["measured"]:
        output.table("", ["measured", "value"], sorted(found["measured"][-1].items()))


def cancel(run: str, json: Json = False) -> None:
    """End a run; what it makes from now on is not recorded."""
    ended = connect().post(f"/v1/runs/{run}/cancel", json={})
    output.as_json(ended) if json else output.out.print(f"{run}: {ended['state']}", highlight=False)


def tiny(
    out: Annotated[Path, typer.Argument(help="Folder for the model.")],
    texts: Annotated[
        list[Path] | None, typer.Option(help="UTF-8 files to learn from; without any, the mail of the samples.")
    ] = None,
    minutes: Annotated[float, typer.Option(help="How long it learns.")] = 10,
    hidden: Annotated[int, typer.Option(help="Width; more on a GPU.")] = 192,
    layers: Annotated[int, typer.Option(help="Depth.")] = 4,
    seed: int = 0,
    json: Json = False,
) -> None:
    """Make a small base model with a tokenizer of its own: no download, and no knowledge of the world."""
    from services.cli.loop import language
    from services.train.tiny import Shape, write_base

    if hidden % 64:
        raise Refused(f"{hidden} is no multiple of 64.", action="NF4 quantizes in blocks of 64: choose 192, 256, …")
    learned = [path.read_text() for path in texts] if texts else language()
    last: dict[str, Any] = {}
    with output.doing(f"Learning for {minutes:g} minutes …"):
        shape = Shape(hidden=hidden, layers=layers, heads=hidden // 32)
        write_base(learned, out, shape, seconds=60 * minutes, seed=seed, report=last.update)
    if json:
        output.as_json({"folder": str(out), **last})
    else:
        loss = f", {last['loss']:.2f} nats a token" if last else ""
        output.out.print(f"{out}: {last.get('step', 0)} steps{loss}. It writes plausible fragments and knows nothing.")


def _parameters(given: list[str]) -> dict[str, Any]:
    """`rank=16` as {"rank": 16}; what is no JSON is a text."""
    found: dict[str, Any] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals:
            raise Refused(f"{one!r} has no value.", action="Write --parameter rank=16.")
        try:
            found[name] = json_module.loads(value)
        except ValueError:
            found[name] = value
    return found
