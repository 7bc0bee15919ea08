"""Long runs: take one, train in a process of its own, merge, prove, register, promote.

    python -m services.train.tasks.long_runs            (runs for ever; SIGTERM stops it, the run waits for the next)

A long run is held by a lease in `train.runs`, not by the queue: `fence` says who holds it, `heartbeat_at` that they
live. Where the holder dies, the next one continues after the newest checkpoint if it finds the same folder, and from
the start otherwise. Nothing is registered before the merged model was proven to be the tuned one.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any
from zlib import crc32

from sqlalchemy import Row

from services.train import failpoints, licences, tables
from services.train.failpoints import reached
from services.train.gate import Verdict
from services.train.publishing import fetched, manifest_of
from services.train.settings import TrainSettings
from services.train.supervising import supervise
from services.train.tasks import put_in_use, verdict_on
from services.train.tasks.recording import brought, records_of
from services.train.validation import check, report
from shared import logs, registry
from shared.database import engine_from
from shared.desk import Desk, Silent
from shared.errors import DossierError, Refused
from shared.registry import Version
from shared.settings import load
from shared.store import store_from

#: services/train/qlora.py ends with this where it was told to stop; the run waits to be taken again.
STOPPED = 75
#: How often a run whose process died is taken again.
MAX_TAKEN = 3
IDLE_S = 2.0
#: What is learned from, and what the gate compares on, in a run's folder.
RECORDS, HELD_OUT = "records.jsonl", "held-out.jsonl"
#: What early stopping looks at: one document in ten of those to learn from. The gate's are never looked at before.
WATCHED, WATCHED_ONE_IN = "watched.jsonl", 10
#: The process that trains; it gets the job's file as its last argument.
TRAINER = (sys.executable, "-m", "services.train.qlora")


def work_once(
    desk: Desk,
    settings: TrainSettings,
    folder: Path,
    stopping: Callable[[], bool] = lambda: False,
    trainer: Sequence[str] = TRAINER,
) -> bool:
    """Take a run and bring it to its end; False where there was none. The run lives in `folder`/<its id>.

    Once `stopping` is true the training is told to save and stop, and the run waits for the next worker.
    """
    with desk.transaction() as transaction:
        run = tables.take(transaction, settings.lease_s)
    if run is None:
        return False
    place = folder / run.id
    try:
        job = _job(desk, settings, run, place)
        status = _trained(desk, settings, run, [*trainer, str(job)], stopping)
        if status == 0:
            _register(desk, settings, run, place)
        elif status is not None or stopping():
            _unfinished(desk, run, place, status)
    except DossierError as wrong:
        _fail(desk, run, wrong.code, wrong.public, wrong.action)
    return True


def _trained(
    desk: Desk, settings: TrainSettings, run: Row[Any], command: Sequence[str], stopping: Callable[[], bool]
) -> int | None:
    """Supervise the training process; see `supervise` for the answer."""
    with desk.transaction() as transaction:
        tables.log(transaction, run.id, f"Training began (attempt {run.fence}).")

    def beat(lines: list[dict[str, Any]]) -> bool:
        wanted = not stopping()
        with desk.transaction() as transaction:
            tables.measured(transaction, run.id, lines)
            return tables.beat(transaction, run.id, run.fence) and wanted

    metrics = Path(command[-1]).with_name("metrics.jsonl")
    return supervise(command, metrics, beat, every_s=min(settings.lease_s / 4, 5))


def _job(desk: Desk, settings: TrainSettings, run: Row[Any], place: Path) -> Path:
    if settings.base is None:
        raise Refused("No base model is configured.", action="Set DOSSIER_TRAIN_BASE to the folder of one.")
    place.mkdir(parents=True, exist_ok=True)
    given = {name: value for name, value in run.parameters.items() if name != "datasets"}
    with desk.engine.connect() as connection:
        learned = records_of(connection, desk.store, run.snapshot_key, held_out=False)
        measured = records_of(connection, desk.store, run.snapshot_key, held_out=True)
    learned += brought(desk.store, run.workspace_id, run.parameters.get("datasets", []))
    found = report(learned, measured)
    check(found)
    with desk.transaction() as transaction:
        tables.log(transaction, run.id, f"What it learns from: {json.dumps(found.as_json())}")
    watched = [record for record in learned if given.get("evaluate_every") and _watched(record)]
    learned = [record for record in learned if record not in watched]
    for name, records in ((RECORDS, learned), (WATCHED, watched), (HELD_OUT, measured)):
        (place / name).write_text("".join(json.dumps(record) + "\n" for record in records))
    # The base is the operator's choice: its licence goes with every version made from it.
    recipe = given | {"base": str(settings.base), "method": run.method}
    written = {
        "recipe": recipe,
        "records": str(place / RECORDS),
        "folder": str(place),
        "held_out": str(place / WATCHED),
    }
    (place / "job.json").write_text(json.dumps(written))
    return place / "job.json"


def _watched(record: dict[str, Any]) -> bool:
    """Whether early stopping looks at this record: all of a document's, or none."""
    return crc32(str(record.get("document", record)).encode()) % WATCHED_ONE_IN == 0


def _register(desk: Desk, settings: TrainSettings, run: Row[Any], place: Path) -> None:
    """Merge, prove, compare, keep, judge; the run ends together with the registration."""
    from services.train.finishing import finished  # needs torch, which this process otherwise does without

    with _beating(desk, run, settings.lease_s / 4):
        model, metrics = finished(place, licence=settings.base_licence)
        with desk.engine.connect() as connection:
            in_use = registry.promoted(connection, run.workspace_id, run.role)
        if in_use is not None:
            metrics |= _comparison(desk, run, place, model, in_use)
        manifest = manifest_of(model, desk.store, run.workspace_id)
    reached("registering")
    lineage = {"snapshot": run.snapshot_key, "base": str(settings.base)}
    lineage |= {"datasets": run.parameters["datasets"]} if run.parameters.get("datasets") else {}
    with desk.transaction() as transaction:
        version = registry.register(
            transaction,
            desk.store,
            run.workspace_id,
            run.role,
            manifest,
            lineage,
            metrics,
            run.id,
            settings.base_licence,
        )
        in_use = registry.promoted(transaction, run.workspace_id, run.role)
        verdict = _verdict(desk, settings, version, in_use)
        refused = run.promote and not verdict.passed
        ended = tables.end(
            transaction,
            run.id,
            run.fence,
            state="refused" if refused else "succeeded",
            reason=_reason(verdict) if refused else None,
            version_id=version.id,
            metrics=metrics | {"gate": verdict.as_json()},
        )
        if not ended:
            transaction.rollback()
            return
        tables.log(transaction, run.id, f"Made version {version.id}. {verdict.why}")
        if run.promote and verdict.passed:
            put_in_use(transaction, run, version, in_use, verdict)


def _comparison(desk: Desk, run: Row[Any], place: Path, model: Path, in_use: Version) -> dict[str, Any]:
    """What the gate will judge: both models' answers on the held-out documents; nothing where there are none."""
    from services.train.answering import pairs_of

    records = [json.loads(line) for line in (place / HELD_OUT).read_text().splitlines()]
    if not records:
        return {}
    other = fetched(registry.artefact(desk.store, in_use), desk.store, place / "in-use")
    pairs = pairs_of(model, other, records)
    lines = b"".join(json.dumps(asdict(pair)).encode() + b"\n" for pair in pairs)
    key = desk.store.put(run.workspace_id, "comparisons", lines).key
    return {"compared_with": in_use.id, "comparison_key": key}


def _verdict(desk: Desk, settings: TrainSettings, version: Version, in_use: Version | None) -> Verdict:
    """The gate's word; a licence that is not allowed refuses before anything is compared."""
    try:
        licences.check(version.licence, settings.licences)
    except Refused as refused:
        return Verdict(False, refused.public, None, None, [])
    return verdict_on(desk.store, version, in_use, settings.margin)


@contextmanager
def _beating(desk: Desk, run: Row[Any], every_s: float) -> Iterator[None]:
    """Hold the run's lease while this process works on it without looking up."""
    done = threading.Event()

    def beat() -> None:
        while not done.wait(every_s):
            with desk.transaction() as transaction:
                tables.beat(transaction, run.id, run.fence)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _unfinished(desk: Desk, run: Row[Any], place: Path, status: int | None) -> None:
    if (place / "refused.json").is_file():
        refused = json.loads((place / "refused.json").read_text())
        _fail(desk, run, refused["code"], refused["message"], refused["action"])
    elif status not in (STOPPED, None) and run.fence >= MAX_TAKEN:
        why = f"The training process ended {MAX_TAKEN} times with status {status}."
        _fail(desk, run, "crashed", why, "Look into the log of the training machine: memory is the usual reason.")
    else:
        with desk.transaction() as transaction:
            if tables.end(transaction, run.id, run.fence, state="pending"):
                tables.log(transaction, run.id, "The training was interrupted; the run waits to continue.")


def _fail(desk: Desk, run: Row[Any], code: str, message: str, action: str) -> None:
    reason = {"code": code, "message": message, "action": action}
    with desk.transaction() as transaction:
        if tables.end(transaction, run.id, run.fence, state="failed", reason=reason):
            tables.log(transaction, run.id, message)


def _reason(verdict: Verdict) -> dict[str, str]:
    return {"code": "gate", "message": verdict.why, "action": "Look at the table, or promote the version by hand."}


def main() -> None:
    """Work until told to stop."""
    logs.configure("train")
    environment, settings = load(), TrainSettings()
    failpoints.arm(settings.failpoint)
    desk = Desk(
        engine=engine_from(environment.database_url.get_secret_value()),
        store=store_from(environment.resolved_store_url()),
        doorbell=Silent(),
        cache=environment.home / "cache",
    )
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))
    while not told:
        if not work_once(desk, settings, environment.home / "runs", lambda: bool(told)):
            time.sleep(IDLE_S)


if __name__ == "__main__":
    main()
