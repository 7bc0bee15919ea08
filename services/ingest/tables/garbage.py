"""Objects in the store that no row points at: found, swept, and never one that somebody is about to point at.

Bytes come before rows, so whatever dies in between leaves bytes behind. The danger is the other way round: content
that is there already is not written again, so a sweep between somebody's put and their commit would leave a row
without bytes. Who commits keys therefore calls `hold` first, in the same transaction: it keeps sweeps away until the
commit and notices one that came before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from sqlalchemy import Connection, Engine, text

from services.ingest.tables import uploads
from shared.errors import Unavailable
from shared.store import Store

#: What ingest alone puts into the store; other rooms' kinds are not looked at.
KINDS = ("originals", "readings", "pictures", "pieces", "keys")
#: Keys looked at, and swept, in one transaction: admissions wait for a sweep of so many.
_GROUP = 200


def hold(connection: Connection, store: Store, workspace: str, keys: Sequence[str]) -> None:
    """Promise that `keys`, which this transaction is about to point at, stay in the store.

    Raises Unavailable where one was swept after it was put: what put it is to be done again.
    """
    connection.execute(_SHARED, {"workspace": workspace})
    found = connection.execute(_FOUND, {"keys": list(keys)}).all()
    gone = [row.key for row in found if row.swept and not store.exists(row.key)]
    if gone:
        raise Unavailable("The store was being cleaned at this moment; send the same again.", private=gone[0])
    if found:
        connection.execute(_CLEAR, {"keys": [row.key for row in found]})


def mark(engine: Engine, store: Store, workspace: str) -> int:
    """Note every key of the workspace that nothing points at; how many are noted now."""
    found = 0
    for kind in KINDS:
        for group in _groups(store.keys(f"{workspace}/{kind}/")):
            with engine.begin() as connection:
                found += connection.execute(_MARK, {"keys": group, "workspace": workspace}).rowcount
    return found


def discard(connection: Connection, workspace: str, keys: Sequence[str]) -> None:
    """Note keys that this transaction stops pointing at, to be swept at the next `sweep`."""
    connection.execute(_DISCARD, {"keys": list(keys), "workspace": workspace})


def sweep(engine: Engine, store: Store, workspace: str, *, older_s: float = 0, keys: Sequence[str] = ()) -> int:
    """Delete from the store what was noted more than `older_s` seconds ago and still has no row; how many.

    With `keys`, only those.
    """
    swept = 0
    while True:
        with engine.begin() as connection:
            connection.execute(_EXCLUSIVE, {"workspace": workspace})
            values = {"workspace": workspace, "older": older_s, "limit": _GROUP, "keys": list(keys), "all": not keys}
            due = list(connection.execute(_DUE, values).scalars())
            unused = list(connection.execute(_UNUSED, {"keys": due}).scalars())
            for key in unused:
                store.delete(key)
            connection.execute(_CLEAR, {"keys": list(set(due) - set(unused))})
            connection.execute(_SWEPT, {"keys": unused})
        swept += len(unused)
        if len(due) < _GROUP:
            return swept


def collect(engine: Engine, store: Store, workspace: str, *, older_s: float) -> int:
    """End expired uploads; sweep everything that has had no row for `older_s` seconds; how many objects went."""
    with engine.begin() as connection:
        discard(connection, workspace, uploads.remove_expired(connection, workspace))
        connection.execute(_FORGET, {"workspace": workspace})
    mark(engine, store, workspace)
    swept = sweep(engine, store, workspace, older_s=older_s)
    store.clear_unfinished(older_s)
    return swept


def _groups(keys: Iterable[str]) -> Iterator[list[str]]:
    iterator = iter(keys)
    while group := list(islice(iterator, _GROUP)):
        yield group


_LOCK = "hashtext('dossier.garbage.' || :workspace)"
_SHARED = text(f"SELECT pg_advisory_xact_lock_shared({_LOCK})")
_EXCLUSIVE = text(f"SELECT pg_advisory_xact_lock({_LOCK})")
_FOUND = text("SELECT key, swept_at IS NOT NULL AS swept FROM ingest.garbage WHERE key = ANY(:keys)")
_CLEAR = text("DELETE FROM ingest.garbage WHERE key = ANY(:keys)")
_POINTED_AT = " AND ".join(
    f"NOT EXISTS (SELECT FROM ingest.{table} WHERE {column} = key)"
    for table, column in (
        ("files", "original_key"),
        ("readings", "reading_key"),
        ("pictures", "picture_key"),
        ("pieces", "piece_key"),
        ("passwords", "secret_key"),
        ("webhooks", "secret_key"),
    )
)
_UNUSED = text(f"SELECT key FROM unnest(CAST(:keys AS text[])) AS key WHERE {_POINTED_AT}")
_NOTE = (
    " ON CONFLICT (key) DO UPDATE SET swept_at = NULL, found_at = clock_timestamp() WHERE garbage.swept_at IS NOT NULL"
)
_MARK = text(
    "INSERT INTO ingest.garbage (key, workspace_id) SELECT key, :workspace"
    f" FROM unnest(CAST(:keys AS text[])) AS key WHERE {_POINTED_AT}{_NOTE}"
)
_DISCARD = text(
    "INSERT INTO ingest.garbage (key, workspace_id) SELECT DISTINCT key, :workspace"
    f" FROM unnest(CAST(:keys AS text[])) AS key{_NOTE}"
)
_DUE = text(
    "SELECT key FROM ingest.garbage WHERE workspace_id = :workspace AND swept_at IS NULL"
    " AND found_at <= clock_timestamp() - make_interval(secs => :older) AND (:all OR key = ANY(:keys)) LIMIT :limit"
)
_SWEPT = text("UPDATE ingest.garbage SET swept_at = clock_timestamp() WHERE key = ANY(:keys)")
#: Tombstones are kept for a day: no request from before them is still on its way then.
_FORGET = text(
    "DELETE FROM ingest.garbage WHERE workspace_id = :workspace AND swept_at < clock_timestamp() - interval '1 day'"
)
