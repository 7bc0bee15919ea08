"""The tables of schema `train`. Only this service writes them; others see `train.published_runs`.

One row in `runs` serves every method: a classifier learned in seconds by another room's handler, and a QLoRA run of
hours that holds its row by a lease (`fence`, `heartbeat_at`) outside of the queue's time limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    DateTime,
    Identity,
    Integer,
    MetaData,
    Row,
    Table,
    Text,
    UniqueConstraint,
    func,
    insert,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(schema="train")

snapshots = Table(
    "snapshots",
    metadata,
    Column("workspace_id", Text, primary_key=True),
    #: SHA-256 of the JSONL in the store, in hex.
    Column("digest", Text, primary_key=True),
    Column("key", Text, nullable=False),
    #: {labels, documents, held_out, by_class}
    Column("counts", JSONB, nullable=False),
    Column("created_at", DateTime(timezone=True), server_default=func.clock_timestamp(), nullable=False),
)

#: Lineage: which labels of which documents went into a snapshot, and so into every version made from it.
snapshot_labels = Table(
    "snapshot_labels",
    metadata,
    Column("workspace_id", Text, primary_key=True),
    Column("digest", Text, primary_key=True),
    Column("label_id", Text, primary_key=True),
    Column("document_id", Text, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("workspace_id", Text, nullable=False),
    Column("role", Text, nullable=False),
    #: "fit" (the room that owns the model learns it), "qlora", "lora" or "full".
    Column("method", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="pending"),
    Column("parameters", JSONB, nullable=False, server_default="{}"),
    Column("snapshot_digest", Text, nullable=False),
    Column("snapshot_key", Text, nullable=False),
    Column("promote", Boolean, nullable=False, server_default="false"),
    #: What was measured, and the gate's table.
    Column("metrics", JSONB, nullable=False, server_default="{}"),
    #: {code, message, action}: why it was refused, failed or canceled.
    Column("reason", JSONB),
    Column("version_id", Text),
    Column("fence", Integer, nullable=False, server_default="0"),
    Column("heartbeat_at", DateTime(timezone=True)),
    Column("created_by", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), server_default=func.clock_timestamp(), nullable=False),
    Column("started_at", DateTime(timezone=True)),
    Column("finished_at", DateTime(timezone=True)),
)

events = Table(
    "events",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("run_id", Text, nullable=False),
    Column("at", DateTime(timezone=True), server_default=func.clock_timestamp(), nullable=False),
    #: "log" (for people, in `message`) or "metrics" (numbers by name, in `measured`).
    Column("kind", Text, nullable=False),
    Column("message", Text, nullable=False, server_default=""),
    Column("measured", JSONB),
)

#: Each attempt to put a promoted generator in use on the generation server.
rollouts = Table(
    "rollouts",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("workspace_id", Text, nullable=False),
    Column("version_id", Text, nullable=False),
    #: The line of the promotion history that asked for it: one attempt each, so that a failure is not tried for ever.
    Column("promotion", Text, nullable=False),
    #: "running", "succeeded" or "failed".
    Column("state", Text, nullable=False, server_default="running"),
    #: Seconds by step.
    Column("took_s", JSONB, nullable=False, server_default="{}"),
    Column("reason", JSONB),
    Column("started_at", DateTime(timezone=True), server_default=func.clock_timestamp(), nullable=False),
    Column("finished_at", DateTime(timezone=True)),
    UniqueConstraint("workspace_id", "promotion"),
)


def log(connection: Connection, run: str, message: str) -> None:
    """Add a line for people to the log of a run."""
    connection.execute(insert(events).values(run_id=run, kind="log", message=message))


def measured(connection: Connection, run: str, lines: Sequence[dict[str, Any]]) -> None:
    """Add measurements of a run, in order."""
    if lines:
        connection.execute(insert(events), [{"run_id": run, "kind": "metrics", "measured": line} for line in lines])


def take(connection: Connection, lease_s: float) -> Row[Any] | None:
    """Take the oldest long run that waits, or whose holder has not been heard of for `lease_s`; None where none is.

    The row's `fence` counts how often it was taken; only who knows the newest may `beat` or `end` it.
    """
    return connection.execute(_TAKE, {"lease": lease_s}).first()


def beat(connection: Connection, run: str, fence: int) -> bool:
    """Say that the run is still being worked on; False where it was canceled or taken by somebody else."""
    return connection.execute(_BEAT, {"run": run, "fence": fence}).rowcount == 1


def end(connection: Connection, run: str, fence: int, **values: Any) -> bool:
    """Write the end (or, with state "pending", the release) of a held run; False where it is not held any more."""
    held = (runs.c.id == run) & (runs.c.fence == fence) & (runs.c.state == "running")
    if values["state"] != "pending":
        values["finished_at"] = func.clock_timestamp()
    return connection.execute(update(runs).where(held).values(**values)).rowcount == 1


_TAKE = text(
    "UPDATE train.runs SET state = 'running', fence = fence + 1, heartbeat_at = clock_timestamp(),"
    " started_at = coalesce(started_at, clock_timestamp()) WHERE id = ("
    "  SELECT id FROM train.runs WHERE method <> 'fit' AND (state = 'pending' OR (state = 'running'"
    "   AND heartbeat_at < clock_timestamp() - make_interval(secs => :lease)))"
    "  ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING *"
)
_BEAT = text(
    "UPDATE train.runs SET heartbeat_at = clock_timestamp() WHERE id = :run AND fence = :fence AND state = 'running'"
)
