"""Commands that talk to a running Dossier over HTTP: upload, status, export, ask, label import, train, registry."""

from __future__ import annotations

import json as json_module
import time
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from services.cli import output
from services.cli.client import Client, connect
from services.cli.uploading import upload_paths, wait_for
from shared.errors import Refused

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def upload(
    paths: Annotated[list[Path], typer.Argument(help="Files, or folders with all that is in them.")],
    name: Annotated[str | None, typer.Option(help="Name of the batch.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until every document has its facts.")] = False,
    json: Json = False,
) -> None:
    """Upload files as one batch."""
    client = connect()
    began = time.monotonic()
    result = upload_paths(client, paths, name)
    batch = wait_for(client, result.batch["id"]) if wait else result.batch
    documents = list(client.pages("/v1/documents", batch=batch["id"])) if wait else []
    taken_s = round(time.monotonic() - began, 1)
    if json:
        output.as_json({"batch": batch, "files": result.files, "documents": documents, "seconds": taken_s})
        return
    refused = [file for file in result.files if file["outcome"] == "refused"]
    if refused:
        output.table("Refused", ["file", "why"], [(file["name"], _why(file["reason"])) for file in refused])
    unhappy = [document for document in documents if document["state"] in ("failed", "canceled")]
    if unhappy:
        rows = [(document["name"], document["state"], _why(document["reason"])) for document in unhappy]
        output.table("Not read", ["document", "state", "why"], rows)
    outcomes = Counter(file["outcome"] for file in result.files)
    output.out.print(f"batch {batch['id']}: {_counted(outcomes)}; {batch['state']}; {taken_s} s", highlight=False)
    if wait:
        output.out.print(f"documents: {_counted(batch['counts'])}; {batch['needs_review']} to review", highlight=False)


def status(
    batch: Annotated[str | None, typer.Argument(help="A batch; without one, the newest batches.")] = None,
    json: Json = False,
) -> None:
    """Show how far batches are, and why documents failed."""
    client = connect()
    if batch is not None:
        found = client.get(f"/v1/batches/{batch}")
        failed = list(client.pages("/v1/documents", batch=batch, state="failed"))
        if json:
            output.as_json({"batch": found, "failed": failed})
            return
        output.out.print(f"{found['name']}: {found['state']}, {_counted(found['counts'])}", highlight=False)
        output.table("Failed", ["document", "why"], [(row["name"], _why(row["reason"])) for row in failed])
        return
    items = client.get("/v1/batches", limit=20)["items"]
    if json:
        output.as_json(items)
        return
    output.table(
        "Batches",
        ["batch", "name", "state", "done", "documents", "to review"],
        [
            (
                row["id"],
                row["name"],
                row["state"],
                f"{row['percent_completed']:.0f} %",
                row["total"],
                row["needs_review"],
            )
            for row in items
        ],
    )


def retry(
    what: Annotated[str, typer.Argument(help="A batch (its failed and canceled documents), or one document.")],
    password: Annotated[bool, typer.Option("--password", help="Ask for the password of an encrypted file.")] = False,
    json: Json = False,
) -> None:
    """Start what failed or was canceled again."""
    client = connect()
    if what.startswith("bat_"):
        if password:
            raise Refused("A password opens one file, not a batch.", action="Name the document: dossier status BATCH.")
        batch = client.post(f"/v1/batches/{what}/retry")
        output.as_json(batch) if json else output.out.print(f"{batch['id']}: {_counted(batch['counts'])}")
        return
    # Asked for, never an argument: those can be read in the list of processes and in the shell's history.
    body = {"password": typer.prompt("Password", hide_input=True)} if password else {}
    document = client.post(f"/v1/documents/{what}/retry", json=body)
    output.as_json(document) if json else output.out.print(f"{document['name']} starts again.", highlight=False)


def export(
    to: Annotated[Path, typer.Argument(help="The file to write; its ending chooses the format: csv, jsonl or xlsx.")],
    batch: Annotated[str | None, typer.Option(help="Only this batch.")] = None,
    json: Json = False,
) -> None:
    """Write all extracted facts to a file."""
    form = to.suffix.removeprefix(".").lower()
    if form not in ("csv", "jsonl", "xlsx"):
        raise Refused(f"{to.name} ends in {to.suffix or 'nothing'}.", action="End it in .csv, .jsonl or .xlsx.")
    content = connect().content("/v1/export", format=form, batch=batch)
    to.write_bytes(content)
    output.as_json({"file": str(to), "bytes": len(content)}) if json else output.out.print(
        f"{to}: {len(content):,} bytes"
    )


def ask(
    question: Annotated[str, typer.Argument(help="A question to the documents.")],
    document: Annotated[list[str] | None, typer.Option(help="Ask only this document; may be repeated.")] = None,
    json: Json = False,
) -> None:
    """Ask the documents; the answer quotes them exactly, or says that they do not say."""
    body: dict[str, Any] = {"model": "dossier", "messages": [{"role": "user", "content": question}]}
    if document:
        body["metadata"] = {"documents": document}
    answer = connect().post("/v1/chat/completions", json=body)
    if json:
        output.as_json(answer)
        return
    message = answer["choices"][0]["message"]
    output.out.print(message["content"], highlight=False, markup=False)
    citations = [note["document_citation"] for note in message.get("annotations") or []]
    if citations:
        rows = [(place + 1, one["name"], one["page"], one["quote"]) for place, one in enumerate(citations)]
        output.table("\nSources", ["", "document", "page", "quote"], rows)


def import_labels(
    file: Annotated[Path, typer.Argument(help="JSONL: {file | document, path?, fields?, split?} a line.")],
    audit: Annotated[bool, typer.Option(help="Only to measure with; nothing learns from them.")] = False,
    json: Json = False,
) -> None:
    """Import labels. `document` is an id, `file` the name of an uploaded file; `split: measure` means audit."""
    client = connect()
    records = [json_module.loads(line) for line in file.read_text().splitlines() if line.strip()]
    names = _documents_by_name(client) if any("document" not in record for record in records) else {}
    items: list[dict[str, Any]] = []
    unknown: list[str] = []
    for record in records:
        document = record.get("document") or names.get(Path(record.get("file", "")).name)
        if document is None:
            unknown.append(str(record.get("file")))
            continue
        items += _label_items(record, document, audit or record.get("split") == "measure")
    for start in range(0, len(items), 500):
        client.post("/v1/labels", json={"items": items[start : start + 500]})
    if json:
        output.as_json({"imported": len(items), "unknown": unknown})
        return
    output.out.print(f"{len(items)} labels imported")
    if unknown:
        output.out.print(f"{len(unknown)} lines name files that were never uploaded, such as {unknown[0]}")


def registry(json: Json = False) -> None:
    """Show the model versions and which of them is promoted."""
    found = connect().get("/v1/registry")
    if json:
        output.as_json(found)
        return
    rows = [
        (role["role"], version["id"], "yes" if version["id"] == role["promoted"] else "", version["created_at"])
        for role in found["items"]
        for version in role["versions"]
    ]
    output.table("Models", ["role", "version", "in use", "made"], rows)


def _label_items(record: dict[str, Any], document: str, audit: bool) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if "path" in record:
        items.append({"document": document, "task": "class", "path": record["path"], "audit": audit})
    for name, value in (record.get("fields") or {}).items():
        items.append({"document": document, "task": "field", "name": name, "value": value, "audit": audit})
    return items


def _documents_by_name(client: Client) -> dict[str, str]:
    return {found["name"]: found["id"] for found in client.pages("/v1/documents") if found["state"] != "skipped"}


def _why(reason: dict[str, Any] | None) -> str:
    return f"{reason['message']} {reason.get('action', '')}".strip() if reason else "–"


def _counted(counts: dict[str, int] | Counter[str]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in sorted(counts.items()) if count)
