"""The model registry: what was learned, from what, and which version of each role is in use.

A version is content-addressed: the same artefact registered twice for one role is one version, whoever wins
the race. Its artefact lies in the store; a model of many files registers its manifest (JSON: path to key,
SHA-256 and size). Versions and promotions are only ever appended: a rollback is one more line of history.

This module decides nothing: the gate (`services/train/gate.py`) says whether a version may be promoted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    DateTime,
    Identity,
    Row,
    Table,
    Text,
    UniqueConstraint,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as insert_or

from shared.errors import Conflict, NotFound, Unavailable
from shared.ledger import metadata, new_id
from shared.store import Store

Role = Literal["classifier", "extractor", "generator"]
ROLES: tuple[str, ...] = get_args(Role)

model_versions = Table(
    "model_versions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("workspace_id", Text, nullable=False),
    Column("role", Text, nullable=False),
    #: SHA-256 of the artefact, in hex.
    Column("digest", Text, nullable=False),
    Column("artefact_key", Text, nullable=False),
    Column("lineage", JSONB, nullable=False),
    Column("metrics", JSONB, nullable=False),
    #: SPDX expression of what the version was made from; null where it was learned from labels alone.
    Column("licence", Text),
    Column("run", Text),
    Column("created_at", DateTime(timezone=True), server_default=func.clock_timestamp(), nullable=False),
    UniqueConstraint("workspace_id", "role", "digest"),
)

promotions = Table(
    "promotions",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("workspace_id", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("action", Text, nullable=False),
    #: The version in use from here on.
    Column("version_id", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), server_default=func.clock_timestamp(), nullable=False),
)


@dataclass(frozen=True)
class Version:
    """One learned model.

    `digest` is the SHA-256 of the artefact in hex. `lineage` names what it was learned from (snapshot,
    labels, base), `metrics` what was measured when it was made. `licence` is the SPDX expression of its base,
    None where there is no base. `run` is the training run that made it, None where it was imported.
    """

    id: str
    workspace: str
    role: str
    digest: str
    artefact_key: str
    lineage: dict[str, Any]
    metrics: dict[str, Any]
    licence: str | None
    run: str | None
    created_at: datetime


@dataclass(frozen=True)
class Promotion:
    """One line of history: from `created_at` on, `version` is the one in use."""

    action: str
    version: str
    by: str
    reason: str
    created_at: datetime


def register(
    connection: Connection,
    store: Store,
    workspace: str,
    role: str,
    artefact: bytes,
    lineage: dict[str, Any],
    metrics: dict[str, Any],
    run: str | None = None,
    licence: str | None = None,
) -> Version:
    """Keep `artefact` and record it as a version; where the bytes are known, the version already there.

    Promotes nothing. Raises Unavailable where the store cannot write and ValueError on an unknown role.
    """
    stored = store.put(workspace, "models", artefact)
    row = {
        "id": new_id("mv"),
        "workspace_id": workspace,
        "role": _known(role),
        "digest": stored.sha256,
        "artefact_key": stored.key,
        "lineage": lineage,
        "metrics": metrics,
        "licence": licence,
        "run": run,
    }
    connection.execute(
        insert_or(model_versions).values(row).on_conflict_do_nothing(index_elements=["workspace_id", "role", "digest"])
    )
    return _version(connection.execute(_of(workspace, role).where(model_versions.c.digest == stored.sha256)).one())


def artefact(store: Store, version: Version) -> bytes:
    """The bytes of `version`, checked against its digest.

    Raises Unavailable where they are gone or changed: only a backup brings them back.
    """
    restore = "Restore the object store from a backup, or promote another version."
    try:
        content = store.get(version.artefact_key)
    except KeyError:
        raise Unavailable(f"The files of model version {version.id} are gone.", action=restore) from None
    if not version.artefact_key.endswith(version.digest):
        raise Unavailable(f"Model version {version.id} points at other bytes than it was made of.", action=restore)
    return content


def find(connection: Connection, workspace: str, role: str, version: str) -> Version:
    """The version with the id `version`; raises NotFound where this workspace has none such for `role`."""
    row = connection.execute(_of(workspace, role).where(model_versions.c.id == version)).first()
    if row is None:
        raise NotFound(
            f"There is no {role} version {version}.",
            action="GET /v1/registry lists the versions.",
        )
    return _version(row)


def versions(connection: Connection, workspace: str, role: str) -> list[Version]:
    """Every version of `role`, newest first."""
    return [_version(row) for row in connection.execute(_of(workspace, role).order_by(model_versions.c.id.desc()))]


def promoted(connection: Connection, workspace: str, role: str) -> Version | None:
    """The version in use, None where nothing was ever promoted."""
    last = (
        select(promotions.c.version_id)
        .where(promotions.c.workspace_id == workspace, promotions.c.role == _known(role))
        .order_by(promotions.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    row = connection.execute(_of(workspace, role).where(model_versions.c.id == last)).first()
    return None if row is None else _version(row)


def promote(connection: Connection, workspace: str, role: str, version: str, by: str, reason: str) -> Version:
    """Put `version` in use; nothing is written where it already is. Raises NotFound on an unknown version."""
    _wait_for_turn(connection, workspace, role)
    chosen = find(connection, workspace, role, version)
    if promoted(connection, workspace, role) != chosen:
        _append(connection, chosen, "promote", by, reason)
    return chosen


def rollback(connection: Connection, workspace: str, role: str, by: str) -> Version:
    """Put the version before the one in use back in use; each further call goes one step further back.

    Raises Conflict where there is nothing before it.
    """
    _wait_for_turn(connection, workspace, role)
    standing = _standing(reversed(history(connection, workspace, role)))
    if len(standing) < 2:
        raise Conflict(f"No {role} was in use before the present one.", action="Promote another version instead.")
    chosen = find(connection, workspace, role, standing[-2])
    _append(connection, chosen, "rollback", by, f"instead of {standing[-1]}")
    return chosen


def history(connection: Connection, workspace: str, role: str) -> list[Promotion]:
    """Every promotion and rollback of `role`, newest first."""
    lines = connection.execute(
        select(promotions)
        .where(promotions.c.workspace_id == workspace, promotions.c.role == _known(role))
        .order_by(promotions.c.id.desc())
    )
    return [Promotion(line.action, line.version_id, line.by, line.reason, line.created_at) for line in lines]


def _standing(oldest_first: Iterable[Promotion]) -> list[str]:
    """The versions in use, one upon the other: a promotion adds one on top, a rollback takes the top off."""
    standing: list[str] = []
    for line in oldest_first:
        if line.action == "promote":
            standing.append(line.version)
        else:
            standing.pop()
    return standing


def _append(connection: Connection, version: Version, action: str, by: str, reason: str) -> None:
    connection.execute(
        insert(promotions).values(
            workspace_id=version.workspace,
            role=version.role,
            action=action,
            version_id=version.id,
            by=by,
            reason=reason,
        )
    )


def _wait_for_turn(connection: Connection, workspace: str, role: str) -> None:
    """Hold a lock until the transaction ends: two rollbacks at once must not both undo the same promotion."""
    connection.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"),
        {"name": f"registry/{workspace}/{_known(role)}"},
    )


def _of(workspace: str, role: str) -> Any:
    return select(model_versions).where(
        model_versions.c.workspace_id == workspace, model_versions.c.role == _known(role)
    )


def _known(role: str) -> str:
    if role not in ROLES:
        raise ValueError(f"no role is called {role!r}; known: {', '.join(ROLES)}")
    return role


def _version(row: Row[Any]) -> Version:
    return Version(
        id=row.id,
        workspace=row.workspace_id,
        role=row.role,
        digest=row.digest,
        artefact_key=row.artefact_key,
        lineage=row.lineage,
        metrics=row.metrics,
        licence=row.licence,
        run=row.run,
        created_at=row.created_at,
    )
