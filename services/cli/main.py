"""The `dossier` command: one table of commands, one place where errors become words.

Exit codes: 0 done, 1 refused or trouble found, 2 wrong usage, 3 something of ours is unavailable.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence

import typer

from services.cli import loop, machine, measuring, output, training, webhooks, work
from shared.errors import DossierError, Unavailable

app = typer.Typer(
    name="dossier",
    help="A self-hosted document desk for insurers: documents in, checked facts out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
label = typer.Typer(help="Ground truth.", no_args_is_help=True)
measure = typer.Typer(
    help="Measure on labelled data, in process, with the code the services run.", no_args_is_help=True
)
webhook = typer.Typer(help="Tell other programs what has ended.", no_args_is_help=True)
train = typer.Typer(help="Learn from people's labels, and from nothing else.", no_args_is_help=True)

INSTALLATION = (machine.up, machine.down, machine.doctor, machine.login, machine.api, machine.worker, machine.migrate)
WORK = (work.upload, work.status, work.retry, work.export, work.ask, work.registry, measuring.bench)
TRAINING = (training.start, training.status, training.cancel, training.tiny, loop.loop)
WEBHOOKS = (webhooks.add, webhooks.remove, webhooks.deliveries, webhooks.replay)
MEASURES = (measuring.classify, measuring.extract, measuring.answer)


def _add(to: typer.Typer, commands: Sequence[Callable[..., None]]) -> None:
    for command in commands:
        to.command()(command)


_add(app, INSTALLATION)
_add(app, WORK)
_add(measure, MEASURES)
label.command("import")(work.import_labels)
app.add_typer(label, name="label")
_add(webhook, WEBHOOKS)
webhook.command("list")(webhooks.listed)
app.add_typer(webhook, name="webhook")
app.add_typer(measure, name="measure")
_add(train, TRAINING)
app.add_typer(train, name="train")


def main() -> None:
    """Run the command line; a DossierError is said in words, anything else is a bug and shows its traceback."""
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        app()
    except DossierError as wrong:
        output.complain(wrong)
        sys.exit(3 if isinstance(wrong, Unavailable) else 1)


if __name__ == "__main__":
    main()
