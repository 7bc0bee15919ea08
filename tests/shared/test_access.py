from __future__ import annotations

import datetime

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DatabaseError

from shared import access
from shared.errors import NotFound, Refused


def test_a_key_is_known_by_its_holder_and_kept_only_as_a_hash(engine: Engine, workspace: str) -> None:
    with engine.begin() as connection:
        key_id, key = access.issue(connection, workspace, "scanner", "reviewer")
        assert access.caller_of(connection, key) == access.Caller(key_id, workspace, "scanner", "reviewer")
        stored = connection.execute(text("SELECT * FROM ledger.api_keys")).one()
    assert key.split("_", 2)[2] not in str(stored)


@pytest.mark.parametrize("wrong", ["", "dk", "dk_x_y", "Bearer", "dk_0000000000_" + "a" * 43])
def test_an_unknown_key_is_nobody(engine: Engine, wrong: str) -> None:
    with engine.connect() as connection:
        assert access.caller_of(connection, wrong) is None


def test_a_changed_secret_is_nobody(engine: Engine, workspace: str) -> None:
    with engine.begin() as connection:
        key = access.issue(connection, workspace, "scanner", "reader")[1]
        assert access.caller_of(connection, key[:-1] + ("a" if key[-1] != "a" else "b")) is None


def test_a_revoked_key_stops_at_once(engine: Engine, workspace: str) -> None:
    with engine.begin() as connection:
        key_id, key = access.issue(connection, workspace, "scanner", "reader")
        access.revoke(connection, workspace, key_id)
        assert access.caller_of(connection, key) is None
        with pytest.raises(NotFound):
            access.revoke(connection, workspace, key_id)


def test_an_expired_key_is_nobody(engine: Engine, workspace: str) -> None:
    with engine.begin() as connection:
        key = access.issue(connection, workspace, "x", "reader", valid=datetime.timedelta(seconds=-1))[1]
        assert access.caller_of(connection, key) is None


def test_a_login_link_works_once(engine: Engine, workspace: str) -> None:
    with engine.begin() as connection:
        link = access.issue(connection, workspace, "admin", "admin", kind="login")[1]
        session = access.sign_in(connection, link)
        caller = access.caller_of(connection, session)
        assert caller is not None
        assert caller.role == "admin"
        assert access.caller_of(connection, link) is None
        with pytest.raises(Refused, match="not valid any more"):
            access.sign_in(connection, link)


def test_a_key_of_another_workspace_cannot_be_revoked(engine: Engine, workspace: str) -> None:
    with engine.begin() as connection:
        key_id, key = access.issue(connection, workspace, "scanner", "reader")
        other = access.add_workspace(connection, "other")
        with pytest.raises(NotFound):
            access.revoke(connection, other, key_id)
        assert access.caller_of(connection, key) is not None


def test_roles_include_the_ones_before_them() -> None:
    reviewer = access.Caller("key_1", "ws_1", "x", "reviewer")
    assert reviewer.may("reader")
    assert reviewer.may("reviewer")
    assert not reviewer.may("admin")


def test_the_audit_log_cannot_be_changed(engine: Engine, workspace: str) -> None:
    with engine.begin() as connection:
        access.record(connection, workspace, "ann", "document.read", "doc_1")
    with pytest.raises(DatabaseError, match="append-only"), engine.begin() as connection:
        connection.execute(text("UPDATE ledger.audit SET actor = 'bob'"))


def test_tampering_with_the_audit_log_shows(engine: Engine, workspace: str) -> None:
    with engine.begin() as connection:
        for number in range(5):
            access.record(connection, workspace, "ann", "document.read", f"doc_{number}", page=number)
        assert access.first_broken_entry(connection, workspace) is None
        connection.execute(text("ALTER TABLE ledger.audit DISABLE TRIGGER audit_append_only"))
        tampered = connection.execute(
            text("UPDATE ledger.audit SET actor = 'bob' WHERE subject = 'doc_2' RETURNING id")
        ).scalar_one()
        assert access.first_broken_entry(connection, workspace) == tampered
