"""What was decided, in SQL: thresholds from the labels, verdicts from the thresholds, and the queue."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, func, select, text
from sqlalchemy.dialects.postgresql import insert

from services.review.acceptance import Threshold, Verdict, decide, fewest_labels, in_audit_sample, threshold_from
from services.review.settings import ReviewSettings
from services.review.tables import calibrations, thresholds, verdicts
from services.review.tables.stated import Stated, class_observations, field_observations, stated_about

#: How many waiting documents one call of `settle_waiting` looks at again: well under a tenth of a second of SQL.
SETTLE_AT_ONCE = 200
#: How long thresholds may lag behind statements that change.
PATIENCE_S = 10


def decide_on(connection: Connection, workspace: str, documents: Sequence[str], policy: ReviewSettings) -> None:
    """Decide anew on these documents and keep the verdicts, in the caller's transaction."""
    if not documents:
        return
    known = current_thresholds(connection, workspace, policy)
    rows = [
        {"document_id": document, "workspace_id": workspace, **_row(_verdict(document, stated, known, policy))}
        for document, stated in stated_about(connection, documents).items()
    ]
    query = insert(verdicts)
    replaced = {name: query.excluded[name] for name in ("decision", "reasons", "usefulness")}
    connection.execute(
        query.on_conflict_do_update(
            index_elements=["document_id"], set_=replaced | {"created_at": func.clock_timestamp()}
        ),
        rows,
    )


def settle_waiting(connection: Connection, workspace: str, policy: ReviewSettings) -> None:
    """Look again at waiting documents that were decided on before the thresholds moved, the least doubtful first.

    A few at a time, called wherever thresholds may have moved: documents are set free without a job for each.
    """
    current_thresholds(connection, workspace, policy)
    waiting = connection.execute(_OUTDATED, {"workspace": workspace, "limit": SETTLE_AT_ONCE}).scalars().all()
    decide_on(connection, workspace, waiting, policy)


def current_thresholds(connection: Connection, workspace: str, policy: ReviewSettings) -> dict[str, Threshold]:
    """The threshold of each field by name, that of the class under ""; computed anew where labels came since."""
    named = {"workspace": workspace, "patience": PATIENCE_S}
    if connection.execute(_STALE, named).scalar_one():
        connection.execute(_TURN, {"workspace": workspace})
        if connection.execute(_STALE, named).scalar_one():  # nobody computed them while we waited for our turn
            _compute(connection, workspace, policy)
    rows = connection.execute(select(thresholds).where(thresholds.c.workspace_id == workspace))
    found = {row.name: Threshold(row.value, row.judged, row.wanted) for row in rows}
    found.setdefault("", Threshold(None, 0, fewest_labels(policy.target, policy.probability)))
    return found


def queue(
    connection: Connection, workspace: str, *, batch: str | None, after: tuple[float, str] | None, limit: int
) -> list[Row[Any]]:
    """Documents that wait for a person (document_id, name, path, reasons, usefulness, created_at), most useful first.

    `after` is the usefulness and the id that the last page ended with.
    """
    usefulness, document = after or (None, None)
    return list(
        connection.execute(
            _QUEUE,
            {"workspace": workspace, "batch": batch, "usefulness": usefulness, "document": document, "limit": limit},
        )
    )


def waiting(connection: Connection, workspace: str, batch: str | None) -> int:
    """How many documents wait for a person."""
    return int(connection.execute(_WAITING, {"workspace": workspace, "batch": batch}).scalar_one())


def decisions(connection: Connection, workspace: str) -> dict[str, int]:
    """How many documents were accepted, reviewed, or wait."""
    counted = connection.execute(
        select(verdicts.c.decision, func.count().label("documents"))
        .where(verdicts.c.workspace_id == workspace)
        .group_by(verdicts.c.decision)
    )
    return {"accepted": 0, "reviewed": 0, "needs_review": 0} | {row.decision: row.documents for row in counted}


def _verdict(document: str, stated: Stated, known: dict[str, Threshold], policy: ReviewSettings) -> Verdict:
    if stated.is_closed:
        return Verdict("reviewed", (), 0.0)
    return decide(
        stated.class_statement(),
        stated.field_statements(),
        known[""],
        known,
        audited=in_audit_sample(document, policy.audit_share),
    )


def _row(verdict: Verdict) -> dict[str, Any]:
    return {
        "decision": verdict.decision,
        "reasons": [asdict(reason) for reason in verdict.reasons],
        "usefulness": verdict.usefulness,
    }


def _compute(connection: Connection, workspace: str, policy: ReviewSettings) -> None:
    judged: dict[tuple[str, str], list[tuple[float, bool]]] = defaultdict(list)
    for about in class_observations(connection, workspace):
        if about.confidence is not None:
            judged["class", ""].append((about.confidence, about.right))
    for seen in field_observations(connection, workspace):
        if seen.stated is not None and seen.confidence is not None:
            judged["field", seen.name].append((seen.confidence, seen.right))
    kinds = [f"{task}/{name}" for task, name in judged]
    connection.execute(_FORGET, {"workspace": workspace, "kinds": kinds})
    for (task, name), pairs in sorted(judged.items()):
        found = threshold_from(pairs, policy.target, policy.probability)
        kept = {"workspace": workspace, "task": task, "name": name}
        connection.execute(_KEEP, kept | {"value": found.value, "judged": found.judged, "wanted": found.wanted})
    query = insert(calibrations).values(workspace_id=workspace)
    connection.execute(
        query.on_conflict_do_update(index_elements=["workspace_id"], set_={"computed_at": func.clock_timestamp()})
    )


#: Thresholds follow every label at once; statements that change (a promoted model looks at thousands of documents
#: again) they follow every few seconds.
_STALE = text(
    "SELECT NOT EXISTS (SELECT 1 FROM review.calibrations c WHERE c.workspace_id = :workspace"
    " AND NOT EXISTS (SELECT 1 FROM review.labels l WHERE l.workspace_id = :workspace"
    "  AND l.superseded_at IS NULL AND l.created_at > c.computed_at)"
    " AND (c.computed_at > clock_timestamp() - make_interval(secs => :patience) OR NOT EXISTS ("
    "  SELECT 1 FROM review.labels l WHERE l.workspace_id = :workspace AND l.superseded_at IS NULL"
    "  AND (EXISTS (SELECT 1 FROM classify.published_classes s"
    "    WHERE s.document_id = l.document_id AND s.created_at > c.computed_at)"
    "   OR EXISTS (SELECT 1 FROM extract.published_fields s"
    "    WHERE s.document_id = l.document_id AND s.created_at > c.computed_at)))))"
)
_TURN = text("SELECT pg_advisory_xact_lock(hashtext('review.thresholds.' || :workspace))")
_FORGET = text(
    "DELETE FROM review.thresholds WHERE workspace_id = :workspace AND NOT (task || '/' || name) = ANY(:kinds)"
)
_KEEP = text(
    "INSERT INTO review.thresholds AS t (workspace_id, task, name, value, judged, wanted)"
    " VALUES (:workspace, :task, :name, :value, :judged, :wanted)"
    " ON CONFLICT (workspace_id, task, name) DO UPDATE SET value = excluded.value, judged = excluded.judged,"
    "  wanted = excluded.wanted, changed_at = CASE WHEN t.value IS NOT DISTINCT FROM excluded.value"
    "  THEN t.changed_at ELSE clock_timestamp() END"
)
_OUTDATED = text(
    "SELECT document_id FROM review.verdicts WHERE workspace_id = :workspace AND decision = 'needs_review'"
    " AND created_at < (SELECT max(changed_at) FROM review.thresholds WHERE workspace_id = :workspace)"
    " ORDER BY usefulness, document_id LIMIT :limit FOR UPDATE SKIP LOCKED"
)
_QUEUE = text(
    "SELECT v.document_id, d.name, v.reasons, v.usefulness, v.created_at, coalesce(l.path, c.path) AS path"
    " FROM review.verdicts v JOIN ledger.documents d ON d.id = v.document_id"
    " LEFT JOIN review.labels l ON l.document_id = v.document_id AND l.task = 'class'"
    "  AND l.superseded_at IS NULL AND NOT l.audit"
    " LEFT JOIN classify.published_classes c ON c.document_id = v.document_id"
    " WHERE v.workspace_id = :workspace AND v.decision = 'needs_review'"
    " AND (CAST(:batch AS text) IS NULL OR d.batch_id = :batch)"
    " AND (CAST(:document AS text) IS NULL OR v.usefulness < :usefulness"
    "  OR (v.usefulness = :usefulness AND v.document_id > :document))"
    " ORDER BY v.usefulness DESC, v.document_id LIMIT :limit"
)
_WAITING = text(
    "SELECT count(*) FROM review.verdicts v JOIN ledger.documents d ON d.id = v.document_id"
    " WHERE v.workspace_id = :workspace AND v.decision = 'needs_review'"
    " AND (CAST(:batch AS text) IS NULL OR d.batch_id = :batch)"
)
