"""What a workspace holds, counted when it matters."""

from __future__ import annotations

from sqlalchemy import Connection, text

from services.ingest import quotas
from services.ingest.quotas import Quota, Usage


def usage(connection: Connection, workspace: str) -> Usage:
    """What the workspace holds, with what this transaction added."""
    return Usage(*connection.execute(_USAGE, {"workspace": workspace}).one())


def check(connection: Connection, workspace: str, quota: Quota, *, more_bytes: int = 0) -> None:
    """Raise the refusal of a workspace that holds too much, with `more_bytes` that are about to come.

    One transaction of a workspace at a time looks and commits, so that two cannot both take the last place.
    """
    if quota.any:
        connection.execute(_ALONE, {"workspace": workspace})
        held = usage(connection, workspace)
        quotas.check(held._replace(bytes=held.bytes + more_bytes), quota)


_ALONE = text("SELECT pg_advisory_xact_lock(hashtext('dossier.quota.' || :workspace))")
_USAGE = text(
    "SELECT (SELECT CAST(COALESCE(sum(size_bytes), 0) AS bigint) FROM ingest.files WHERE workspace_id = :workspace"
    "  AND duplicate_of IS NULL),"
    " (SELECT count(*) FROM ledger.documents WHERE workspace_id = :workspace),"
    " (SELECT count(*) FROM ledger.documents WHERE workspace_id = :workspace AND state IN ('pending', 'running'))"
)
