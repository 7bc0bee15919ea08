"""The first run: an admin key for the command line, then the samples from upload to measured accuracy.

Each step asks what is already there, so that a first run that was interrupted goes on where it was.
"""

from __future__ import annotations

import json
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from services.cli import output
from services.cli.client import Client
from services.cli.uploading import upload_paths, wait_for
from services.embedded import Place, write_private
from shared import access
from shared import settings as settings_module
from shared.database import engine_from
from shared.errors import Refused

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
BATCH_NAME = "Samples"
#: Learning from the samples' labels takes seconds; a loaded machine may need much longer.
RUN_TIMEOUT_S = 900


def prepare(place: Place, url: str, *, samples: bool) -> None:
    """Make the key of the command line where there is none, and load the samples where they were never loaded."""
    key = _key(place, url)
    marker = place.home / "samples.loaded"
    if samples and not marker.exists():
        with closing(Client(url, key)) as client:
            load_samples(client)
        marker.touch()


def _key(place: Place, url: str) -> str:
    try:
        known: dict[str, Any] = json.loads(place.client.read_text())
    except (OSError, ValueError):
        known = {}
    if "key" not in known:
        engine = engine_from(settings_module.load().database_url.get_secret_value())
        with engine.begin() as connection:
            existing = access.workspaces(connection)
            workspace = existing[0].id if existing else access.add_workspace(connection, "default")
            known["key"] = access.issue(connection, workspace, "command line", "admin")[1]
        engine.dispose()
    write_private(place.client, {"url": url, "key": known["key"]})
    return str(known["key"])


def load_samples(client: Client, folder: Path = SAMPLES) -> None:
    """Taxonomy, schemas, documents, half of the labels, a trained classifier, and the other half to measure with."""
    if not (folder / "gold.jsonl").exists() or not (folder / "documents").is_dir():
        with output.doing("Writing the sample documents …"):
            from samples.make import make  # needs reportlab, which only this does

            make(folder)
    _load_configuration(client, folder)
    batch = next((found for found in client.pages("/v1/batches") if found["name"] == BATCH_NAME), None)
    if batch is None:
        batch = upload_paths(client, [folder / "documents"], name=BATCH_NAME).batch
    wait_for(client, batch["id"])
    documents = {found["name"]: found["id"] for found in client.pages("/v1/documents", batch=batch["id"])}
    gold = [json.loads(line) for line in (folder / "gold.jsonl").read_text().splitlines()]
    _post_labels(client, documents, gold)
    _fit(client, "classifier")
    _fit(client, "extractor")
    wait_for(client, batch["id"])


def _load_configuration(client: Client, folder: Path) -> None:
    yaml = {"Content-Type": "application/yaml"}
    if not client.get("/v1/taxonomy")["nodes"]:
        client.put("/v1/taxonomy", content=(folder / "taxonomy.yaml").read_bytes(), headers=yaml)
    if not client.get("/v1/schemas")["items"]:
        client.put("/v1/schemas", content=(folder / "schemas.yaml").read_bytes(), headers=yaml)


def _post_labels(client: Client, documents: dict[str, str], gold: list[dict[str, Any]]) -> None:
    """Half of the gold teaches; the other half is an audit sample, which only measures."""
    items: list[dict[str, Any]] = []
    for record in gold:
        document = documents.get(Path(record["file"]).name)
        if document is None:
            continue
        audit = record["split"] == "measure"
        items.append({"document": document, "task": "class", "path": record["path"], "audit": audit})
        for name, value in record.get("fields", {}).items():
            items.append({"document": document, "task": "field", "name": name, "value": value, "audit": audit})
    for start in range(0, len(items), 500):
        client.post("/v1/labels", json={"items": items[start : start + 500]})


def _fit(client: Client, role: str) -> None:
    with output.doing(f"Learning the {role} from the labels …"):
        run = client.post("/v1/runs", json={"role": role, "promote": True})
        give_up_at = time.monotonic() + RUN_TIMEOUT_S
        while run["state"] in ("pending", "running"):
            if time.monotonic() > give_up_at:
                raise Refused(f"The run {run['id']} did not end in {RUN_TIMEOUT_S} s.", action="See GET /v1/runs.")
            time.sleep(0.5)
            run = client.get(f"/v1/runs/{run['id']}")
    if run["state"] != "succeeded":
        why = (run["reason"] or {}).get("message", "no reason given")
        output.err.print(f"The {role} was not learned: {why}", highlight=False)
