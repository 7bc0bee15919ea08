"""How the command line speaks: tables and progress for people, `--json` for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from shared.errors import DossierError

#: Tables and messages; stderr keeps progress and errors, so that stdout can be piped.
out = Console()
err = Console(stderr=True)


def as_json(value: Any) -> None:
    """Print one JSON value on stdout."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table; None is shown as a dash."""
    shown = Table(title=title, title_justify="left", title_style="bold", header_style="dim", box=None, pad_edge=False)
    for column in columns:
        shown.add_column(column, overflow="fold")
    for row in rows:
        shown.add_row(*("–" if cell is None else str(cell) for cell in row))
    out.print(shown)


def progress() -> Progress:
    """A progress bar on stderr; plain lines where stderr is not a terminal."""
    return Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=err, transient=True,
    )  # fmt: skip


@contextmanager
def doing(what: str) -> Iterator[None]:
    """Say what goes on: a spinner on a terminal, one line elsewhere."""
    if err.is_terminal:
        with err.status(what):
            yield
    else:
        err.print(what, highlight=False)
        yield


def complain(wrong: DossierError) -> None:
    """Say what was wrong and what to do, on stderr."""
    err.print(f"[bold red]{wrong.public}[/]", highlight=False)
    if wrong.action:
        err.print(wrong.action, highlight=False)
