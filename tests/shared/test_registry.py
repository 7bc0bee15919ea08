from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine

from shared import registry
from shared.errors import Conflict, NotFound, Unavailable
from shared.store import FolderStore


@pytest.fixture
def made(engine: Engine, store: FolderStore, workspace: str) -> list[str]:
    """The ids of three classifier versions, oldest first; none is promoted."""
    with engine.begin() as connection:
        return [
            registry.register(connection, store, workspace, "classifier", content, {"labels": 3}, {}).id
            for content in (b"first", b"second", b"third")
        ]


def test_the_same_artefact_and_role_give_the_same_version(engine: Engine, store: FolderStore, workspace: str) -> None:
    with engine.begin() as connection:
        once = registry.register(connection, store, workspace, "classifier", b"model", {"a": 1}, {"f1": 0.9})
        again = registry.register(connection, store, workspace, "classifier", b"model", {"a": 2}, {"f1": 0.1})
        other = registry.register(connection, store, workspace, "extractor", b"model", {}, {})
    assert again == once
    assert once.lineage == {"a": 1}
    assert other.id != once.id


def test_eight_that_register_the_same_bytes_at_once_share_one_version(
    engine: Engine, store: FolderStore, workspace: str
) -> None:
    def one(_: int) -> str:
        with engine.begin() as connection:
            return registry.register(connection, store, workspace, "classifier", b"race", {}, {}).id

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(one, range(8)))) == 1


def test_nothing_is_in_use_before_the_first_promotion(engine: Engine, workspace: str, made: list[str]) -> None:
    with engine.begin() as connection:
        assert registry.promoted(connection, workspace, "classifier") is None
        with pytest.raises(Conflict):
            registry.rollback(connection, workspace, "classifier", by="anna")


def test_each_rollback_goes_one_promotion_further_back_and_stays_in_the_history(
    engine: Engine, workspace: str, made: list[str]
) -> None:
    with engine.begin() as connection:
        for version in made:
            registry.promote(connection, workspace, "classifier", version, by="anna", reason="better")
        undone = [registry.rollback(connection, workspace, "classifier", by="boris").id for _ in range(2)]
        assert undone == [made[1], made[0]]
        with pytest.raises(Conflict):
            registry.rollback(connection, workspace, "classifier", by="boris")
        registry.promote(connection, workspace, "classifier", made[2], by="anna", reason="after all")
        assert registry.rollback(connection, workspace, "classifier", by="boris").id == made[0]
        lines = registry.history(connection, workspace, "classifier")
    actions = [line.action for line in reversed(lines)]
    assert actions == ["promote"] * 3 + ["rollback"] * 2 + ["promote", "rollback"]
    assert lines[0].version == made[0]
    assert lines[0].by == "boris"


def test_promoting_what_is_in_use_adds_no_line(engine: Engine, workspace: str, made: list[str]) -> None:
    with engine.begin() as connection:
        for _ in range(2):
            registry.promote(connection, workspace, "classifier", made[0], by="anna", reason="better")
        assert len(registry.history(connection, workspace, "classifier")) == 1


def test_two_rollbacks_at_once_undo_two_promotions(engine: Engine, workspace: str, made: list[str]) -> None:
    with engine.begin() as connection:
        for version in made:
            registry.promote(connection, workspace, "classifier", version, by="anna", reason="better")

    def back(_: int) -> str:
        with engine.begin() as connection:
            return registry.rollback(connection, workspace, "classifier", by="anna").id

    with ThreadPoolExecutor(2) as pool:
        assert set(pool.map(back, range(2))) == {made[1], made[0]}


def test_a_version_of_another_workspace_or_role_looks_like_a_missing_one(
    engine: Engine, workspace: str, made: list[str]
) -> None:
    with engine.begin() as connection:
        with pytest.raises(NotFound, match=made[0]):
            registry.promote(connection, "ws_other", "classifier", made[0], by="eve", reason="mine")
        with pytest.raises(NotFound, match=made[0]):
            registry.promote(connection, workspace, "extractor", made[0], by="anna", reason="mistake")
        assert registry.versions(connection, "ws_other", "classifier") == []


def test_an_artefact_is_read_back_only_as_it_was(
    engine: Engine, store: FolderStore, workspace: str, made: list[str]
) -> None:
    with engine.begin() as connection:
        version = registry.find(connection, workspace, "classifier", made[0])
    assert registry.artefact(store, version) == b"first"
    with pytest.raises(Unavailable, match="other bytes"):
        registry.artefact(store, dataclasses.replace(version, digest="0" * 64))
    (store.folder / version.artefact_key).write_bytes(b"tampered")
    with pytest.raises(Unavailable, match="other bytes"):
        registry.artefact(store, version)
    store.delete(version.artefact_key)
    with pytest.raises(Unavailable, match=made[0]):
        registry.artefact(store, version)


def test_an_unknown_role_is_a_bug_and_says_so(engine: Engine, store: FolderStore, workspace: str) -> None:
    with engine.begin() as connection, pytest.raises(ValueError, match="translator"):
        registry.register(connection, store, workspace, "translator", b"x", {}, {})
