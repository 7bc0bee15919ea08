"""Who may do what: workspaces, hashed API keys, three roles, and a tamper-evident audit log.

A key is `dk_<prefix>_<secret>`: the prefix finds the row, the SHA-256 of the whole (256 random bits, so no slow
hash is needed) proves it. Pages use a session key in an HttpOnly cookie. Roles include the ones before them:
reader < reviewer < admin. A foreign id must look like a missing one, so every query filters by `caller.workspace`.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Row, text

from shared.errors import NotFound, Refused
from shared.ledger import new_id

Role = Literal["reader", "reviewer", "admin"]
ROLES: tuple[Role, ...] = ("reader", "reviewer", "admin")
Kind = Literal["key", "session", "login"]

#: How long a sign-in through the pages holds.
SESSION_HOURS = 12
#: How long the one-time link that `make up` prints can be used.
LOGIN_MINUTES = 60


@dataclass(frozen=True)
class Caller:
    """Whoever holds a valid key. `name` is the name of the key (for sessions: of the key that signed in)."""

    key: str
    workspace: str
    name: str
    role: Role

    def may(self, role: Role) -> bool:
        """Whether this caller's role is `role` or above."""
        return ROLES.index(self.role) >= ROLES.index(role)


def add_workspace(connection: Connection, name: str) -> str:
    """Make a workspace; its id."""
    workspace = new_id("ws")
    connection.execute(
        text("INSERT INTO ledger.workspaces (id, name) VALUES (:id, :name)"), {"id": workspace, "name": name}
    )
    return workspace


def workspaces(connection: Connection) -> Sequence[Row[Any]]:
    """All workspaces (id, name), oldest first."""
    return connection.execute(text("SELECT id, name FROM ledger.workspaces ORDER BY id")).all()


def issue(
    connection: Connection,
    workspace: str,
    name: str,
    role: Role,
    *,
    kind: Kind = "key",
    by: str = "system",
    valid: datetime.timedelta | None = None,
) -> tuple[str, str]:
    """Make a key; (id, the key itself). The key is shown this once and kept only as a hash.

    `valid` None means it does not expire by itself.
    """
    prefix, secret = secrets.token_hex(5), secrets.token_urlsafe(32)
    key, key_id = f"dk_{prefix}_{secret}", new_id("key")
    connection.execute(
        _ISSUE,
        {
            "id": key_id,
            "workspace": workspace,
            "kind": kind,
            "name": name,
            "role": role,
            "prefix": prefix,
            "hash": _hash(key),
            "valid": valid,
            "by": by,
        },
    )
    return key_id, key


def caller_of(connection: Connection, key: str, kinds: Sequence[Kind] = ("key", "session")) -> Caller | None:
    """Who holds `key`; None where it is unknown, revoked, expired or of another kind."""
    parts = key.split("_", 2)
    if len(parts) != 3 or parts[0] != "dk":
        return None
    row = connection.execute(_FIND, {"prefix": parts[1], "kinds": list(kinds)}).first()
    if row is None or not hmac.compare_digest(bytes(row.hash), _hash(key)):
        return None
    return Caller(row.id, row.workspace_id, row.name, row.role)


def sign_in(connection: Connection, key: str) -> str:
    """Exchange a key or a one-time login link for a session key; raises Refused where it is not valid."""
    caller = caller_of(connection, key, kinds=("key", "login"))
    if caller is None:
        raise Refused(
            "This link or key is not valid any more.",
            action="Run `dossier login` for a new link, or paste an API key.",
            code="sign_in_refused",
        )
    connection.execute(_USE_UP, {"id": caller.key})
    hours = datetime.timedelta(hours=SESSION_HOURS)
    return issue(connection, caller.workspace, caller.name, caller.role, kind="session", valid=hours)[1]


def keys(connection: Connection, workspace: str) -> Sequence[Row[Any]]:
    """The API keys of a workspace, without any secret: id, name, role, prefix, created_at, expires_at, created_by."""
    return connection.execute(_LIST, {"workspace": workspace}).all()


def revoke(connection: Connection, workspace: str, key_id: str) -> None:
    """Make a key invalid from now on; raises NotFound where this workspace has none with that id."""
    if connection.execute(_REVOKE, {"id": key_id, "workspace": workspace}).rowcount == 0:
        raise NotFound(f"No key {key_id} in this workspace.")


def record(connection: Connection, workspace: str, actor: str, action: str, subject: str, **detail: Any) -> None:
    """Append to the audit log, in the caller's transaction: who did what to which thing.

    Each entry's hash covers its content and the hash before it, so that a changed or missing entry shows.
    `detail` must be JSON and hold no document content.
    """
    connection.execute(_AUDIT_LOCK, {"workspace": workspace})
    previous = connection.execute(_AUDIT_LAST, {"workspace": workspace}).scalar() or b""
    at = datetime.datetime.now(datetime.UTC)
    entry = _entry_bytes(workspace, at, actor, action, subject, detail)
    connection.execute(
        _AUDIT,
        {
            "workspace": workspace,
            "at": at,
            "actor": actor,
            "action": action,
            "subject": subject,
            "detail": json.dumps(detail),
            "previous": bytes(previous),
            "hash": hashlib.sha256(bytes(previous) + entry).digest(),
        },
    )


def first_broken_entry(connection: Connection, workspace: str) -> int | None:
    """The id of the first audit entry whose hash does not follow from the one before; None where all do."""
    previous = b""
    for row in connection.execute(_AUDIT_ALL, {"workspace": workspace}):
        entry = _entry_bytes(workspace, row.at, row.actor, row.action, row.subject, row.detail)
        if bytes(row.previous) != previous or bytes(row.hash) != hashlib.sha256(previous + entry).digest():
            return int(row.id)
        previous = bytes(row.hash)
    return None


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def _entry_bytes(
    workspace: str, at: datetime.datetime, actor: str, action: str, subject: str, detail: dict[str, Any]
) -> bytes:
    when = at.astimezone(datetime.UTC).isoformat(timespec="microseconds")
    return json.dumps([workspace, when, actor, action, subject, detail], sort_keys=True).encode()


_ISSUE = text(
    "INSERT INTO ledger.api_keys (id, workspace_id, kind, name, role, prefix, hash, expires_at, created_by)"
    " VALUES (:id, :workspace, :kind, :name, :role, :prefix, :hash, now() + CAST(:valid AS interval), :by)"
)
_FIND = text(
    "SELECT id, workspace_id, name, role, hash FROM ledger.api_keys WHERE prefix = :prefix"
    " AND kind = ANY(:kinds) AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())"
)
_USE_UP = text("UPDATE ledger.api_keys SET revoked_at = now() WHERE id = :id AND kind = 'login'")
_LIST = text(
    "SELECT id, name, role, prefix, created_at, expires_at, created_by FROM ledger.api_keys"
    " WHERE workspace_id = :workspace AND kind = 'key' AND revoked_at IS NULL ORDER BY id"
)
_REVOKE = text(
    "UPDATE ledger.api_keys SET revoked_at = now() WHERE id = :id AND workspace_id = :workspace AND revoked_at IS NULL"
)
_AUDIT_LOCK = text("SELECT pg_advisory_xact_lock(hashtext('dossier.audit.' || :workspace))")
_AUDIT_LAST = text("SELECT hash FROM ledger.audit WHERE workspace_id = :workspace ORDER BY id DESC LIMIT 1")
_AUDIT = text(
    "INSERT INTO ledger.audit (workspace_id, at, actor, action, subject, detail, previous, hash)"
    " VALUES (:workspace, :at, :actor, :action, :subject, CAST(:detail AS jsonb), :previous, :hash)"
)
_AUDIT_ALL = text(
    "SELECT id, at, actor, action, subject, detail, previous, hash FROM ledger.audit"
    " WHERE workspace_id = :workspace ORDER BY id"
)
