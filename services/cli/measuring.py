"""`dossier measure` and `dossier bench`: how good it is on labelled data, and how fast, in process.

`measure` runs the code that the services run. The gold of a test file is there for `score`, not for us: a test
proves that predictions are the same with and without it.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from services.cli import output
from services.cli.client import home
from shared.documents import Reading
from shared.errors import Refused

Train = Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Labelled records to learn from.")]
Test = Annotated[Path, typer.Option(exists=True, dir_okay=False, help="Records to predict; their gold is not read.")]
Out = Annotated[Path, typer.Option(help="Where the predictions go.")]
Engine = Annotated[Literal["cpu", "generated"], typer.Option(help="CPU engines, or the generation server.")]

#: `dossier bench NAME` -> the module that times it; each has `bench() -> dict` and prints its own table.
BENCHES = {
    "ingest": "services.ingest.bench",
    "queue": "services.cli.bench_queue",
    "upload": "services.cli.bench_upload",
    "classify": "services.classify.bench",
    "extract": "services.extract.bench",
    "retrieve": "services.chat.bench",
    "train": "services.train.bench",
    "generate": "services.generate.bench",
}


def classify(test: Test, out: Out, train: Train = None, engine: Engine = "cpu") -> None:
    """Classify the records of TEST with what TRAIN teaches; without TRAIN, from the taxonomy's words alone."""
    from services.classify import evaluate

    _cpu_only(engine)
    _check(train, test)
    evaluate.measure(train, test, out, encoder=_encoder(), read_file=_reader())
    output.out.print(f"predictions: {out}", highlight=False)


def extract(
    schema: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="The fields to fill.")],
    test: Test,
    out: Out,
    train: Train = None,
    engine: Engine = "cpu",
) -> None:
    """Fill the fields of SCHEMA for the records of TEST with what TRAIN teaches; without TRAIN, from anchors alone."""
    from services.extract import evaluate

    _cpu_only(engine)
    _check(train, test)
    figures = evaluate.measure(schema, train, test, out, _reader())
    rows = [
        (name, field["documents"], field["candidate_recall"], field["f1_out_of_fold"])
        for name, field in figures["fields"].items()
    ]
    output.table("Learned, out of fold", ["field", "documents", "candidate recall", "F1"], rows)
    output.out.print(f"predictions: {out} ({figures['documents_per_s']} documents/s)", highlight=False)


def answer(
    test: Test,
    out: Out,
    collection: Annotated[bool, typer.Option("--collection", help="Search the record's whole collection.")] = False,
    index_only: Annotated[bool, typer.Option("--index-only", help="Retrieve, and answer nothing.")] = False,
    engine: Engine = "cpu",
) -> None:
    """Answer the questions of TEST from their documents, or say that they do not say."""
    from services.chat import evaluate

    _cpu_only(engine)
    _check(test)
    evaluate.measure(test, out, _encoder(), _reader(), collection=collection, index_only=index_only)
    output.out.print(f"predictions: {out}", highlight=False)


def bench(name: Annotated[str, typer.Argument(help=f"{', '.join(BENCHES)}, or all.")] = "all") -> None:
    """Time a service against a named reference in the same run; the last line of stdout is JSON."""
    if name != "all" and name not in BENCHES:
        raise Refused(f"There is no bench {name!r}.", action=f"The benches are {', '.join(BENCHES)}, all.")
    figures: dict[str, Any] = {"cores": os.cpu_count()}
    for one in BENCHES if name == "all" else [name]:
        figures[one] = importlib.import_module(BENCHES[one]).bench()
    print(json.dumps(figures, separators=(",", ":")))


def _cpu_only(engine: str) -> None:
    if engine != "cpu":
        raise Refused(
            "Measuring the generated engine is not there yet.", action="Leave --engine out to measure the CPU engines."
        )


def _check(*files: Path | None) -> None:
    """Raise Refused, naming the line, where a record is no JSON object with an id: before minutes of learning."""
    for path in files:
        if path is not None:
            _check_lines(path)


def _check_lines(path: Path) -> None:
    # Line by line as the file has them: str.splitlines also cuts at characters that JSON may hold as they are.
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                fits = not line.strip() or "id" in json.loads(line)
            except (ValueError, TypeError):
                fits = False
            if not fits:
                raise Refused(f"{path}, line {number} is no JSON object with an id.", action="One record a line.")


def _encoder() -> Any:
    from shared.encoder import Encoder
    from shared.settings import load

    cache = home() / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    return Encoder.load(load().encoder_folder, cache, threads=os.cpu_count() or 1)


def _reader() -> Callable[[Path], Reading]:
    """Reads a file as the ingest service does; each of the last 256 files once."""
    from services.ingest.reading import Request, read

    @functools.lru_cache(maxsize=256)
    def read_file(path: Path) -> Reading:
        return read(path.read_bytes(), Request(path.name, threads=os.cpu_count() or 1)).reading

    return read_file
