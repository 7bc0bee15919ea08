"""Runs, and the registry of what they made."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, Row, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as insert_or

from services.train import licences
from services.train.settings import TrainSettings
from services.train.snapshots import Snapshot, snapshot_from
from services.train.tables import events, log, runs, snapshot_labels, snapshots
from services.train.tasks.recording import brought
from shared import access, facts, ledger, queues, registry
from shared.access import Caller
from shared.desk import Desk
from shared.errors import Conflict, NotFound, Refused
from shared.http import admin, desk, reader
from shared.jobs import FitClassifier, FitExtractor
from shared.registry import ROLES, Role, Version

router = APIRouter()

#: What a run's job in the ledger means for a run that has not ended itself.
_STATE_OF_JOB = {"waiting": "pending", "leased": "running", "done": "running", "quarantined": "failed"}


#: The roles that another room learns, in seconds to minutes; the others are long runs (tasks/long_runs.py).
_FITTING: dict[str, type[FitClassifier] | type[FitExtractor]] = {
    "classifier": FitClassifier,
    "extractor": FitExtractor,
}


class NewRun(BaseModel):
    """What to learn. `promote` puts the version in use at once where the gate allows it.

    `method` None is "fit" for a classifier or extractor, "qlora" for a generator. `parameters` are those of the
    method; of a long run the fields of services/train/qlora.py's Recipe.
    """

    model_config = ConfigDict(extra="forbid")

    role: Role
    promote: bool = False
    method: Literal["fit", "qlora", "lora", "full"] | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    #: SHA-256s of data sets (POST /v1/datasets) that a generator learns from beside the labels.
    datasets: list[Annotated[str, Field(pattern="^[0-9a-f]{64}$")]] = Field(default_factory=list)


class Choice(BaseModel):
    """A version that a person puts in use, past the gate; `reason` stays in the history."""

    model_config = ConfigDict(extra="forbid")

    version: str
    reason: str = Field(default="chosen by a person", min_length=1, max_length=500)


@router.post("/runs", status_code=202)
def start(new: NewRun, caller: Caller = Depends(admin), desk: Desk = Depends(desk)) -> dict[str, Any]:
    """Freeze the labels of today and have the role learned from them."""
    run = ledger.new_id("run")
    method, parameters = _method(new), new.parameters
    if new.datasets:
        brought(desk.store, caller.workspace, new.datasets)
        parameters = parameters | {"datasets": new.datasets}
    with desk.engine.connect() as connection:
        frozen = snapshot_from(facts.labels(connection, caller.workspace, audit=None), new.role)
    stored = desk.store.put(caller.workspace, "snapshots", frozen.content)
    with desk.transaction() as transaction:
        _keep(transaction, caller.workspace, frozen, stored.key)
        transaction.execute(
            insert(runs).values(
                id=run,
                workspace_id=caller.workspace,
                role=new.role,
                method=method,
                parameters=parameters,
                snapshot_digest=frozen.digest,
                snapshot_key=stored.key,
                promote=new.promote,
                created_by=caller.name,
            )
        )
        counts = frozen.counts
        log(
            transaction,
            run,
            f"{counts['labels']} labels on {counts['documents']} documents frozen as {frozen.digest[:12]},"
            f" {counts['held_out']} documents held out.",
        )
        access.record(transaction, caller.workspace, caller.name, "run.start", run, role=new.role)
        if method == "fit":
            queues.send(transaction, caller.workspace, [_FITTING[new.role](run=run)])
        return _shown(transaction, _run(transaction, caller.workspace, run))


@router.get("/runs")
def listed(
    role: Role | None = None,
    cursor: str | None = None,
    limit: int = Query(50, ge=1, le=200),
    caller: Caller = Depends(reader),
    desk: Desk = Depends(desk),
) -> dict[str, Any]:
    """The runs of the workspace, newest first."""
    query = select(runs).where(runs.c.workspace_id == caller.workspace).order_by(runs.c.id.desc()).limit(limit + 1)
    if role is not None:
        query = query.where(runs.c.role == role)
    if cursor is not None:
        query = query.where(runs.c.id < cursor)
    with desk.engine.connect() as connection:
        rows = connection.execute(query).all()
        items = [_shown(connection, row) for row in rows[:limit]]
    return {"items": items, "next_cursor": rows[limit - 1].id if len(rows) > limit else None}


@router.get("/runs/{run}")
def one(run: str, caller: Caller = Depends(reader), desk: Desk = Depends(desk)) -> dict[str, Any]:
    """A run with its log, its measurements over time, and what it learned from."""
    with desk.engine.connect() as connection:
        row = _run(connection, caller.workspace, run)
        counts = connection.execute(
            select(snapshots.c.counts).where(
                snapshots.c.workspace_id == caller.workspace, snapshots.c.digest == row.snapshot_digest
            )
        ).scalar_one()
        deleted = _deleted(connection, caller.workspace).get(run, 0)
        lines = connection.execute(select(events).where(events.c.run_id == run).order_by(events.c.id)).all()
        shown = _shown(connection, row)
    return shown | {
        "snapshot": {"digest": row.snapshot_digest, "counts": counts, "deleted_documents": deleted},
        "log": [{"at": line.at, "message": line.message} for line in lines if line.kind == "log"],
        "measured": [{"at": line.at, **line.measured} for line in lines if line.kind == "metrics"],
    }


@router.post("/runs/{run}/cancel")
def cancel(run: str, caller: Caller = Depends(admin), desk: Desk = Depends(desk)) -> dict[str, Any]:
    """End a run that is still open; whatever it makes from now on is neither recorded with it nor promoted."""
    reason = {"code": "canceled", "message": f"Canceled by {caller.name}.", "action": "Start a new run."}
    with desk.transaction() as transaction:
        _run(transaction, caller.workspace, run)
        ended = transaction.execute(
            update(runs)
            .where(runs.c.id == run, runs.c.state.in_(("pending", "running")))
            .values(state="canceled", reason=reason, fence=runs.c.fence + 1, finished_at=func.clock_timestamp())
        )
        row = _run(transaction, caller.workspace, run)
        if not ended.rowcount:
            raise Conflict(f"Run {run} has ended already: it {row.state}.")
        access.record(transaction, caller.workspace, caller.name, "run.cancel", run)
        return _shown(transaction, row)


@router.get("/registry")
def shelves(caller: Caller = Depends(reader), desk: Desk = Depends(desk)) -> dict[str, Any]:
    """For each role: the version in use, every version, and the history of promotions, newest first."""
    with desk.engine.connect() as connection:
        return {"items": [_shelf(connection, caller.workspace, role) for role in ROLES], "next_cursor": None}


@router.post("/registry/{role}/promote")
def promote(role: Role, choice: Choice, caller: Caller = Depends(admin), desk: Desk = Depends(desk)) -> dict[str, Any]:
    """Put a version in use. A generator's licence is held to the list of those allowed, whoever asks."""
    with desk.transaction() as transaction:
        if role == "generator":
            version = registry.find(transaction, caller.workspace, role, choice.version)
            licences.check(version.licence, TrainSettings().licences)
        registry.promote(transaction, caller.workspace, role, choice.version, caller.name, choice.reason)
        access.record(transaction, caller.workspace, caller.name, "registry.promote", choice.version, role=role)
        return _shelf(transaction, caller.workspace, role)


@router.post("/registry/{role}/rollback")
def rollback(role: Role, caller: Caller = Depends(admin), desk: Desk = Depends(desk)) -> dict[str, Any]:
    """Put the version before the one in use back in use."""
    with desk.transaction() as transaction:
        back = registry.rollback(transaction, caller.workspace, role, caller.name)
        access.record(transaction, caller.workspace, caller.name, "registry.rollback", back.id, role=role)
        return _shelf(transaction, caller.workspace, role)


def _method(new: NewRun) -> str:
    """The method asked for, or the role's own; raises Refused where the two do not go together."""
    method = new.method or ("fit" if new.role in _FITTING else "qlora")
    if (method == "fit") != (new.role in _FITTING):
        raise Refused(f"A {new.role} is not learned by {method!r}.", action="Leave `method` out.")
    if new.datasets and method == "fit":
        raise Refused(f"A {new.role} learns from labels alone.", action="Leave `datasets` out.")
    return method


def _keep(transaction: Connection, workspace: str, frozen: Snapshot, key: str) -> None:
    """Record a snapshot and its lineage; nothing changes where the same labels were frozen before."""
    named = {"workspace_id": workspace, "digest": frozen.digest}
    transaction.execute(insert_or(snapshots).values(**named, key=key, counts=frozen.counts).on_conflict_do_nothing())
    transaction.execute(
        insert_or(snapshot_labels).on_conflict_do_nothing(),
        [{**named, "label_id": label, "document_id": document} for label, document in frozen.lineage],
    )


def _run(connection: Connection, workspace: str, run: str) -> Row[Any]:
    row = connection.execute(select(runs).where(runs.c.id == run, runs.c.workspace_id == workspace)).first()
    if row is None:
        raise NotFound(f"There is no run {run}.", action="GET /v1/runs lists them.")
    return row


def _shown(connection: Connection, row: Row[Any]) -> dict[str, Any]:
    """A run for the caller. An open run of the queue's is as far as its job in the ledger is."""
    state, reason = row.state, row.reason
    if row.method == "fit" and state in ("pending", "running"):
        state, reason = _state_of_job(connection, row.id)
    return {
        "id": row.id,
        "role": row.role,
        "method": row.method,
        "state": state,
        "reason": reason,
        "parameters": row.parameters,
        "promote": row.promote,
        "metrics": row.metrics,
        "version": row.version_id,
        "created_by": row.created_by,
        "created_at": row.created_at,
        "finished_at": row.finished_at,
    }


def _state_of_job(connection: Connection, run: str) -> tuple[str, dict[str, Any] | None]:
    job = connection.execute(
        select(ledger.jobs.c.state, ledger.jobs.c.reason)
        .where(ledger.jobs.c.body["run"].astext == run)
        .order_by(ledger.jobs.c.id.desc())
        .limit(1)
    ).one()
    return _STATE_OF_JOB[job.state], job.reason


def _shelf(connection: Connection, workspace: str, role: str) -> dict[str, Any]:
    in_use = registry.promoted(connection, workspace, role)
    deleted = _deleted(connection, workspace)
    return {
        "role": role,
        "promoted": None if in_use is None else in_use.id,
        "versions": [
            _version(version) | {"deleted_documents": deleted.get(version.run or "", 0)}
            for version in registry.versions(connection, workspace, role)
        ],
        "history": [
            {
                "action": line.action,
                "version": line.version,
                "by": line.by,
                "reason": line.reason,
                "at": line.created_at,
            }
            for line in registry.history(connection, workspace, role)
        ],
    }


def _deleted(connection: Connection, workspace: str) -> dict[str, int]:
    """By run, how many documents that it learned from or was measured on were deleted since; runs without are left out.

    Whoever must forget a document finds here which models still hold something of it.
    """
    return {row.run: row.documents for row in connection.execute(_DELETED, {"workspace": workspace})}


_DELETED = text(
    "SELECT r.id AS run, count(DISTINCT l.document_id) AS documents FROM train.runs r"
    " JOIN train.snapshot_labels l ON l.workspace_id = r.workspace_id AND l.digest = r.snapshot_digest"
    " WHERE r.workspace_id = :workspace"
    " AND NOT EXISTS (SELECT 1 FROM ledger.documents d WHERE d.id = l.document_id) GROUP BY r.id"
)


def _version(version: Version) -> dict[str, Any]:
    return {
        "id": version.id,
        "digest": version.digest,
        "run": version.run,
        "licence": version.licence,
        "lineage": version.lineage,
        "metrics": version.metrics,
        "created_at": version.created_at,
    }
