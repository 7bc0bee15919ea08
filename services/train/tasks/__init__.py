"""Queue in: the end of a run. `long_runs.py` has the runs that are too long for a queue."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, func, select, text, update

from services.train.gate import Verdict, judge, pairs_from
from services.train.settings import TrainSettings
from services.train.tables import log, runs
from shared import access, registry
from shared.errors import NotFound, Unavailable
from shared.jobs import Classify, Extract, Job, Settle
from shared.ledger import Work
from shared.queues import handles
from shared.registry import Version
from shared.store import Store

_FIRST = Verdict(True, "The first version of its role: there is nothing to compare it with.", None, None, [])
_SAME = Verdict(True, "This very version is in use already.", None, None, [])


@handles(Settle, soft_time_limit_s=120)
def settle(job: Settle, work: Work) -> list[Job]:
    """Close the run: judge its version against the one in use, and promote it where the run asked for that.

    The room that learned the version left, in its metrics, `compared_with` (the id of the version in use then) and
    `comparison_key` (in the store, JSONL as `gate.pairs_from` reads it). Idempotent: a run that has ended stays so.
    """
    run = work.read.execute(select(runs).where(runs.c.id == job.run, runs.c.workspace_id == work.workspace)).first()
    if run is None:
        raise NotFound(f"There is no run {job.run}.")
    if run.state not in ("pending", "running"):
        return []
    version = registry.find(work.read, work.workspace, run.role, job.version)
    in_use = registry.promoted(work.read, work.workspace, run.role)
    verdict = verdict_on(work.store, version, in_use, TrainSettings().margin)
    if not (_end(work.write, run, version, verdict) and run.promote and verdict.passed):
        return []
    put_in_use(work.write, run, version, in_use, verdict)
    return looked_at_again(work.write, work.workspace, run.role)


def looked_at_again(connection: Connection, workspace: str, role: str) -> list[Job]:
    """The jobs by which a newly promoted version looks at what still waits for a person, and at the audit sample.

    What a person has decided, or the desk has accepted, stays as it is: nobody's facts change behind their back.
    """
    again = {"classifier": Classify, "extractor": Extract}.get(role)
    if again is None:
        return []
    return [again(document=document) for document in connection.execute(_AGAIN, {"workspace": workspace}).scalars()]


_AGAIN = text(
    "SELECT d.id FROM ledger.documents d JOIN review.published_verdicts v ON v.document_id = d.id"
    " WHERE d.workspace_id = :workspace AND d.state = 'succeeded' AND (v.decision = 'needs_review'"
    "  OR EXISTS (SELECT 1 FROM review.published_labels l WHERE l.document_id = d.id AND l.audit)) ORDER BY d.id"
)


def verdict_on(store: Store, version: Version, in_use: Version | None, margin: float) -> Verdict:
    """Whether `version` may replace `in_use`, from the comparison that its metrics point at.

    Refuses where the comparison is missing or was made against a version that is no longer the one in use.
    """
    if in_use is None:
        return _FIRST
    if in_use == version:
        return _SAME
    compared_with = version.metrics.get("compared_with")
    if compared_with is None:
        return Verdict(False, "It was not compared with the version in use.", None, None, [])
    if compared_with != in_use.id:
        why = f"It was compared with {compared_with}, but {in_use.id} is in use now: run it again."
        return Verdict(False, why, None, None, [])
    return judge(pairs_from(store.get(version.metrics["comparison_key"])), margin)


def _end(connection: Connection, run: Row[Any], version: Version, verdict: Verdict) -> bool:
    """Write the end of the run; False where somebody canceled it meanwhile."""
    refused = run.promote and not verdict.passed
    reason = {
        "code": "gate",
        "message": verdict.why,
        "action": "Look at the table; correct more documents of those classes, or promote the version by hand.",
    }
    ended = connection.execute(
        update(runs)
        .where(runs.c.id == run.id, runs.c.state.in_(("pending", "running")))
        .values(
            state="refused" if refused else "succeeded",
            reason=reason if refused else None,
            version_id=version.id,
            metrics=version.metrics | {"gate": verdict.as_json()},
            started_at=func.coalesce(runs.c.started_at, runs.c.created_at),
            finished_at=func.clock_timestamp(),
        )
    )
    log(connection, run.id, f"Made version {version.id}. {verdict.why}")
    return ended.rowcount == 1


def put_in_use(
    connection: Connection, run: Row[Any], version: Version, in_use: Version | None, verdict: Verdict
) -> None:
    """Promote `version` for a run, with the gate's words as the reason.

    Raises Unavailable where `in_use` was replaced while the version was judged: it must be judged again.
    """
    if registry.promoted(connection, run.workspace_id, run.role) != in_use:
        raise Unavailable("Another version was promoted while this one was judged.")
    registry.promote(connection, run.workspace_id, run.role, version.id, by=run.created_by, reason=verdict.why)
    access.record(
        connection,
        run.workspace_id,
        run.created_by,
        "registry.promote",
        version.id,
        role=run.role,
        run=run.id,
        instead_of=None if in_use is None else in_use.id,
    )
    log(connection, run.id, f"Version {version.id} is in use now.")
