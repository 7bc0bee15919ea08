"""Keep the generation server at what the registry says is in use.

    python -m services.train.tasks.rollouts            (for ever; SIGTERM stops it between two rollouts)

It compares and acts, so it needs no job and survives being killed anywhere: the next look finds what the registry
wants and what the server serves. A version that the server refuses is rolled back in the registry too, so that the two
agree; each line of the promotion history is tried once.
"""

from __future__ import annotations

import logging
import signal
import time
from pathlib import Path

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or

from services.train import failpoints
from services.train.rolling import Front, Kubernetes, Target, Vllm
from services.train.settings import TrainSettings
from services.train.tables import rollouts
from shared import access, logs, registry
from shared.database import engine_from
from shared.desk import Desk, Silent
from shared.errors import Conflict, Refused, Unavailable
from shared.registry import Version
from shared.settings import load
from shared.store import Store, store_from

log = logging.getLogger(__name__)

ROLE = "generator"
BY = "rollout"
IDLE_S = 2.0


def roll_once(desk: Desk, target: Target, workspace: str) -> bool:
    """Bring `target` to what `workspace` has in use; False where nothing was to be done.

    Raises Unavailable where the server cannot be reached: it is tried again.
    """
    with desk.engine.connect() as connection:
        wanted = registry.promoted(connection, workspace, ROLE)
        history = registry.history(connection, workspace, ROLE)
    if wanted is None:
        return False
    promotion = history[0].created_at.isoformat()
    if target.in_use() == wanted.id:
        return _ended(desk, workspace, promotion, "succeeded", {})
    if not _begun(desk, workspace, promotion, wanted):
        return False
    try:
        took = target.put(wanted.id, registry.artefact(desk.store, wanted))
    except Refused as refused:
        _take_back(desk, workspace, promotion, wanted, refused)
    else:
        _ended(desk, workspace, promotion, "succeeded", took)
    return True


def _begun(desk: Desk, workspace: str, promotion: str, version: Version) -> bool:
    """Write down the attempt; False where it failed before. One that is "running" was interrupted: it goes on."""
    attempt = {"workspace_id": workspace, "promotion": promotion, "version_id": version.id}
    with desk.transaction() as transaction:
        transaction.execute(insert_or(rollouts).values(attempt).on_conflict_do_nothing())
        state = transaction.execute(
            select(rollouts.c.state).where(rollouts.c.workspace_id == workspace, rollouts.c.promotion == promotion)
        ).scalar_one()
    return bool(state != "failed")


def _ended(desk: Desk, workspace: str, promotion: str, state: str, took: dict[str, float]) -> bool:
    """Close the attempt; False where it was closed before, or there was none."""
    with desk.transaction() as transaction:
        closed = transaction.execute(
            update(rollouts)
            .where(
                rollouts.c.workspace_id == workspace,
                rollouts.c.promotion == promotion,
                rollouts.c.state == "running",
            )
            .values(state=state, took_s=took, finished_at=func.clock_timestamp())
        )
    return bool(closed.rowcount)


def _take_back(desk: Desk, workspace: str, promotion: str, version: Version, refused: Refused) -> None:
    """Keep why, and put the version before back in use in the registry, unless somebody has promoted meanwhile."""
    reason = {"code": refused.code, "message": refused.public, "action": refused.action}
    log.error("version %s was not put in use: %s", version.id, refused.public)
    with desk.transaction() as transaction:
        transaction.execute(
            update(rollouts)
            .where(rollouts.c.workspace_id == workspace, rollouts.c.promotion == promotion)
            .values(state="failed", reason=reason, finished_at=func.clock_timestamp())
        )
        if registry.promoted(transaction, workspace, ROLE) != version:
            return
        try:
            back = registry.rollback(transaction, workspace, ROLE, BY)
        except Conflict:
            return  # it was the first: the server goes on with what it had
        access.record(transaction, workspace, BY, "registry.rollback", back.id, role=ROLE, reason=refused.public)


def target_from(settings: TrainSettings, store: Store, home: Path) -> Target:
    """The generation server that the settings name. Raises Refused where they name none, or no key."""
    key = settings.rollout_key.get_secret_value() if settings.rollout_key else None
    if settings.rollout_key_file is not None:
        key = settings.rollout_key_file.read_text().strip()
    folder = settings.rollout_folder or home / "versions"
    if settings.rollout == "vllm":
        return Vllm(settings.rollout_url, key, folder, store)
    if settings.rollout is None or key is None:
        raise Refused(
            "Nothing says where promoted generators go.",
            action="Set DOSSIER_TRAIN_ROLLOUT, DOSSIER_TRAIN_ROLLOUT_URL and DOSSIER_TRAIN_ROLLOUT_KEY.",
        )
    if settings.rollout == "kubernetes":
        namespace, _, deployment = settings.rollout_deployment.partition("/")
        return Kubernetes(settings.rollout_url, key, namespace, deployment)
    return Front(settings.rollout_url, key, folder, store)


def workspace_of(desk: Desk, settings: TrainSettings) -> str:
    """Whose promotions count. Raises Refused where there are several workspaces and none is named."""
    if settings.rollout_workspace is not None:
        return settings.rollout_workspace
    with desk.engine.connect() as connection:
        there = access.workspaces(connection)
    if len(there) != 1:
        raise Refused(
            f"There are {len(there)} workspaces, and the generation server serves one model to all.",
            action="Name the one whose promotions count: DOSSIER_TRAIN_ROLLOUT_WORKSPACE.",
        )
    return str(there[0].id)


def main() -> None:
    """Look, act, wait, until told to stop."""
    logs.configure("rollouts")
    environment, settings = load(), TrainSettings()
    failpoints.arm(settings.failpoint)
    store = store_from(environment.resolved_store_url())
    engine = engine_from(environment.database_url.get_secret_value())
    desk = Desk(engine=engine, store=store, doorbell=Silent(), cache=environment.home / "cache")
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))
    while not told:
        try:
            target = target_from(settings, store, environment.home)
            if roll_once(desk, target, workspace_of(desk, settings)):
                continue
        except (Refused, Unavailable) as wrong:
            log.warning("%s %s", wrong.public, wrong.action)
        time.sleep(IDLE_S)


if __name__ == "__main__":
    main()
