"""The generation server follows the registry: what is tried, what is taken back, what an interruption leaves."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from services.train.settings import TrainSettings
from services.train.tasks.rollouts import roll_once, target_from, workspace_of
from shared import registry
from shared.errors import Refused, Unavailable


class Serving:
    """A generation server in memory; `broken` versions do not pass their canary."""

    def __init__(self, broken: str | None = None) -> None:
        self.version: str | None = None
        self.broken = broken
        self.tried: list[str] = []

    def in_use(self) -> str | None:
        return self.version

    def put(self, version: str, manifest: bytes) -> dict[str, float]:
        self.tried.append(version)
        if version == self.broken:
            raise Refused("other answers", code="canary")
        self.version = version
        return {"switched": 0.1}


@pytest.fixture
def version(engine, store, workspace):
    """Registers and promotes a generator made of these bytes; its id."""

    def make(content: bytes, promote: bool = True) -> str:
        with engine.begin() as connection:
            made = registry.register(connection, store, workspace, "generator", content, {}, {}, licence="MIT")
            if promote:
                registry.promote(connection, workspace, "generator", made.id, "anna", "better")
        return made.id

    return make


def test_a_promotion_and_a_rollback_reach_the_server_once_each(desk, engine, workspace, version):
    server = Serving()
    assert not roll_once(desk, server, workspace), "nothing was ever promoted"
    one, two = version(b"one"), ""
    assert roll_once(desk, server, workspace)
    assert not roll_once(desk, server, workspace)
    two = version(b"two")
    assert roll_once(desk, server, workspace)
    with engine.begin() as connection:
        registry.rollback(connection, workspace, "generator", "anna")
    assert roll_once(desk, server, workspace)
    assert server.tried == [one, two, one]
    with engine.connect() as connection:
        states = connection.execute(text("SELECT version_id, state FROM train.rollouts ORDER BY id")).all()
    assert [tuple(row) for row in states] == [(one, "succeeded"), (two, "succeeded"), (one, "succeeded")]


def test_a_version_that_fails_its_canary_is_taken_back_in_the_registry_too(desk, engine, workspace, version):
    one = version(b"one")
    server = Serving()
    roll_once(desk, server, workspace)
    server.broken = version(b"two")
    assert roll_once(desk, server, workspace)
    with engine.connect() as connection:
        in_use = registry.promoted(connection, workspace, "generator")
        [reason] = connection.execute(text("SELECT reason FROM train.rollouts WHERE state = 'failed'")).scalars()
    assert (in_use.id, server.in_use(), reason["code"]) == (one, one, "canary")
    assert not roll_once(desk, server, workspace)
    assert server.tried == [one, server.broken]


def test_the_first_version_that_fails_is_not_tried_for_ever(desk, workspace, version):
    server = Serving(broken=version(b"one"))
    assert roll_once(desk, server, workspace)
    assert not roll_once(desk, server, workspace)
    assert len(server.tried) == 1


def test_an_attempt_that_was_interrupted_goes_on(desk, workspace, version):
    class Lost(Serving):
        def put(self, version: str, manifest: bytes) -> dict[str, float]:
            raise Unavailable("gone")

    one = version(b"one")
    with pytest.raises(Unavailable):
        roll_once(desk, Lost(), workspace)
    server = Serving()
    assert roll_once(desk, server, workspace)
    assert server.in_use() == one


def test_with_several_workspaces_somebody_must_say_whose_promotions_count(desk, engine, workspace):
    from shared import access

    assert workspace_of(desk, TrainSettings()) == workspace
    with engine.begin() as connection:
        access.add_workspace(connection, "other")
    with pytest.raises(Refused, match="2 workspaces"):
        workspace_of(desk, TrainSettings())
    assert workspace_of(desk, TrainSettings(rollout_workspace=workspace)) == workspace


def test_without_a_server_it_says_what_to_set(store, tmp_path):
    with pytest.raises(Refused) as refused:
        target_from(TrainSettings(), store, tmp_path)
    assert "DOSSIER_TRAIN_ROLLOUT" in refused.value.action
