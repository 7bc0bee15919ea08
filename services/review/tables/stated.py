"""What the machine said beside what people said, in SQL: the input of every decision and of every measurement."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, text

from services.review.acceptance import ClassStatement, FieldStatement
from services.review.quality import ClassObservation, FieldObservation, compared, heldout
from shared import registry


@dataclass
class Stated:
    """What is known about one document: the machine's class (None before it has one), and a person's words on top.

    `closed` is the path of the last closed review, None where no review was closed.
    """

    machine: Row[Any] | None = None
    fields: dict[str, list[Row[Any]]] = field(default_factory=lambda: defaultdict(list))
    class_label: Row[Any] | None = None
    field_labels: dict[str, Row[Any]] = field(default_factory=dict)
    closed: tuple[str, ...] | None = None

    @property
    def path(self) -> tuple[str, ...] | None:
        """The class that counts: a person's word, else the machine's; () outside of the taxonomy, None unknown."""
        if self.class_label is not None:
            return tuple(self.class_label.path)
        if self.machine is None:
            return None
        return tuple(self.machine.path or ()) if self.machine.in_scope else ()

    @property
    def is_closed(self) -> bool:
        """Whether a person declared the document done and its class has not changed since."""
        return self.closed is not None and self.closed == self.path

    def class_statement(self) -> ClassStatement:
        """The class as `acceptance.decide` wants it."""
        if self.class_label is not None:
            return ClassStatement(tuple(self.class_label.path), None, by_person=True)
        if self.machine is None:
            return ClassStatement((), None)
        return ClassStatement(self.path or (), path_confidence(self.machine.confidence), self.machine.in_scope)

    def field_statements(self) -> list[FieldStatement]:
        """The fields as `acceptance.decide` wants them, those that only a person filled included."""
        names = [*self.fields, *(name for name in self.field_labels if name not in self.fields)]
        return [self._field(name) for name in names]

    def _field(self, name: str) -> FieldStatement:
        values = [row for row in self.fields.get(name, []) if row.value is not None]
        scores = [row.confidence for row in values]
        return FieldStatement(
            name,
            stated=bool(values),
            confidence=None if not scores or None in scores else min(scores),
            grounded=all(row.evidence is not None for row in values),
            # Extract publishes a row without a value for a required field that it could not fill.
            required=not values and bool(self.fields.get(name)),
            by_person=name in self.field_labels,
        )


def path_confidence(levels: Sequence[float | None] | None) -> float | None:
    """The confidence of a whole path: that of its least certain level, None where one was not scored."""
    scored = [level for level in levels or () if level is not None]
    return min(scored) if levels and len(scored) == len(levels) else None


def stated_about(connection: Connection, documents: Sequence[str]) -> dict[str, Stated]:
    """What is known about each of these documents. Audit labels stay out: they measure, they do not decide."""
    found = {document: Stated() for document in documents}
    wanted = {"documents": list(documents)}
    for row in connection.execute(_CLASSES, wanted):
        found[row.document_id].machine = row
    for row in connection.execute(_FIELDS, wanted):
        found[row.document_id].fields[row.name].append(row)
    for row in connection.execute(_LABELS, wanted):
        if row.task == "class":
            found[row.document_id].class_label = row
        else:
            found[row.document_id].field_labels[row.name] = row
    for row in connection.execute(_CLOSED, wanted):
        found[row.document_id].closed = tuple(row.path)
    return found


def class_observations(connection: Connection, workspace: str) -> list[ClassObservation]:
    """Held-out comparisons of the machine's class with a person's; an audit label wins over one from a review.

    Only what the model in use stated counts: what an earlier one said promises nothing about this one.
    """
    seen = []
    in_use = registry.promoted(connection, workspace, "classifier")
    wanted = {"workspace": workspace, "model": in_use and in_use.id}
    for row in _newest_first_wins(connection.execute(_JUDGED_CLASSES, wanted)):
        if row.audit or heldout(row.labelled_at, row.learned_at):
            stated = tuple(row.stated or ()) if row.in_scope else ()
            seen.append(ClassObservation(stated, tuple(row.expected), path_confidence(row.confidence)))
    return seen


def field_observations(connection: Connection, workspace: str) -> list[FieldObservation]:
    """Held-out comparisons of the machine's field values with a person's, of the model in use alone.

    Values that need no learned model (read from inside the file) have no version; they count from its promotion on.
    """
    in_use = registry.promoted(connection, workspace, "extractor")
    since = registry.history(connection, workspace, "extractor")[0].created_at if in_use else None
    wanted = {"workspace": workspace, "model": in_use and in_use.id, "since": since}
    rows = connection.execute(_JUDGED_FIELDS, wanted)
    seen: list[FieldObservation] = []
    for row in _newest_first_wins(rows):
        if row.audit or heldout(row.labelled_at, row.learned_at):
            stated = [(one["value"], one["confidence"]) for one in row.stated or () if one["value"] is not None]
            seen += compared(row.name, [(str(value), score) for value, score in stated], _texts(row.expected))
    return seen


def _newest_first_wins(rows: Iterable[Row[Any]]) -> list[Row[Any]]:
    """One row per document and name: audit labels come first in the queries, and the first one stays."""
    kept: dict[tuple[str, str], Row[Any]] = {}
    for row in rows:
        kept.setdefault((row.document_id, row.name), row)
    return list(kept.values())


def _texts(value: Any) -> list[str]:
    if value is None:
        return []
    return [str(one) for one in value] if isinstance(value, list) else [str(value)]


_CLASSES = text(
    "SELECT document_id, path, confidence, in_scope, model FROM classify.published_classes"
    " WHERE document_id = ANY(:documents)"
)
_FIELDS = text(
    "SELECT document_id, name, position, value, confidence, evidence FROM extract.published_fields"
    " WHERE document_id = ANY(:documents) ORDER BY name, position"
)
_LABELS = text(
    "SELECT document_id, task, name, path, value, created_at FROM review.labels"
    " WHERE document_id = ANY(:documents) AND superseded_at IS NULL AND NOT audit"
)
_CLOSED = text(
    "SELECT DISTINCT ON (document_id) document_id, path FROM review.reviews"
    " WHERE document_id = ANY(:documents) ORDER BY document_id, id DESC"
)
#: `learned_at` is null where the model is not in the registry: a built-in engine, which learns from no labels.
_JUDGED_CLASSES = text(
    "SELECT l.document_id, l.name, l.path AS expected, l.audit, l.created_at AS labelled_at,"
    " c.path AS stated, c.in_scope, c.confidence, v.created_at AS learned_at"
    " FROM review.labels l JOIN classify.published_classes c USING (document_id)"
    " LEFT JOIN ledger.model_versions v ON v.id = c.model"
    " WHERE l.workspace_id = :workspace AND l.task = 'class' AND l.superseded_at IS NULL"
    " AND (CAST(:model AS text) IS NULL OR c.model = :model) ORDER BY l.audit DESC"
)
#: Only documents whose fields were looked for (they have a verdict) can have missed one.
_JUDGED_FIELDS = text(
    "SELECT l.document_id, l.name, l.value AS expected, l.audit, l.created_at AS labelled_at, f.stated, f.learned_at"
    " FROM review.labels l JOIN review.verdicts d USING (document_id)"
    " LEFT JOIN LATERAL (SELECT jsonb_agg(jsonb_build_object('value', p.value, 'confidence', p.confidence)"
    "   ORDER BY p.position) AS stated, max(v.created_at) AS learned_at"
    "  FROM extract.published_fields p LEFT JOIN ledger.model_versions v ON v.id = p.model"
    "  WHERE p.document_id = l.document_id AND p.name = l.name) f ON true"
    " WHERE l.workspace_id = :workspace AND l.task = 'field' AND l.superseded_at IS NULL"
    " AND (CAST(:model AS text) IS NULL"
    "  OR EXISTS (SELECT 1 FROM extract.published_fields p WHERE p.document_id = l.document_id AND p.model = :model)"
    "  OR NOT EXISTS (SELECT 1 FROM extract.published_fields p WHERE p.document_id = l.document_id"
    "   AND p.created_at < :since)) ORDER BY l.audit DESC"
)
