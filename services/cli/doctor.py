"""`dossier doctor`: look at every part, say in a sentence how it is and what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import httpx
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from services import embedded, rooms
from shared import http
from shared import settings as settings_module
from shared.errors import DossierError
from shared.settings import Settings

LANGUAGES = ("fra", "deu", "eng")


class Check(NamedTuple):
    """One finding: "ok", a "note" (works, with less), or "trouble" (does not work), and what to do."""

    part: str
    status: Literal["ok", "note", "trouble"]
    finding: str
    action: str = ""

    def says(self) -> str:
        """The finding and the action in one line."""
        return f"{self.finding} {self.action}".strip()


def examine(home: Path, state: dict[str, Any] | None) -> list[Check]:
    """All findings. `state` is what the running supervisor wrote down, None where none runs."""
    found = [_home(home), _disk(home), _tesseract(), _sandbox(), _office()]
    if state is None and "DOSSIER_DATABASE_URL" not in os.environ:
        return [*found, Check("dossier", "trouble", "Not running on this machine.", "Start it with: make up")]
    try:
        settings = settings_module.load()
    except DossierError as wrong:
        return [*found, Check("settings", "trouble", wrong.public, wrong.action)]
    found += [*_ledger(settings), _broker(settings), _store(settings), _generation(settings), _encoder(settings)]
    if state is not None:
        found.append(_api(state["url"]))
    return found


def _home(home: Path) -> Check:
    if not home.exists():
        return Check("home", "note", f"{home} does not exist yet.", "`make up` makes it.")
    if not os.access(home, os.W_OK):
        return Check("home", "trouble", f"{home} cannot be written.", "Set DOSSIER_HOME to a folder of yours.")
    return Check("home", "ok", f"{home}")


def _disk(home: Path) -> Check:
    place = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    if free < embedded.LEAST_FREE_BYTES:
        return Check("disk", "trouble", f"Only {free / 1e9:.1f} GB free.", "Free some space: Dossier needs 1 GB.")
    return Check("disk", "ok", f"{free / 1e9:.0f} GB free")


def _tesseract() -> Check:
    program = shutil.which("tesseract")
    install = "apt-get install tesseract-ocr tesseract-ocr-fra tesseract-ocr-deu"
    if program is None:
        return Check(
            "tesseract", "trouble", "Not installed: scans and images cannot be read.", f"Install it: {install}"
        )
    listed = subprocess.run([program, "--list-langs"], capture_output=True, text=True, timeout=30, check=False).stdout
    missing = [language for language in LANGUAGES if language not in listed.split()]
    if missing:
        return Check(
            "tesseract", "note", f"The languages {', '.join(missing)} are missing.", f"Install them: {install}"
        )
    return Check("tesseract", "ok", "installed, with French, German and English")


def _sandbox() -> Check:
    if shutil.which("bwrap"):
        return Check("sandbox", "ok", "bubblewrap is installed")
    return Check(
        "sandbox", "note", "bubblewrap is missing: files are read under limits only.", "apt-get install bubblewrap"
    )


def _office() -> Check:
    if shutil.which("soffice"):
        return Check("office formats", "ok", "LibreOffice is installed")
    return Check(
        "office formats", "note", "LibreOffice is missing: .doc, .xls and .ppt are refused.",
        "apt-get install libreoffice-core libreoffice-writer libreoffice-calc",
    )  # fmt: skip


def _ledger(settings: Settings) -> Iterator[Check]:
    engine = rooms.desk_from(settings).engine
    try:
        with engine.connect() as connection:
            version = connection.execute(text("SHOW server_version")).scalar_one()
            yield Check("postgres", "ok", f"PostgreSQL {version}")
            oldest = connection.execute(
                text("SELECT round(extract(epoch FROM now() - min(created_at))) FROM ledger.documents"
                     " WHERE state IN ('pending', 'running')")
            ).scalar_one()  # fmt: skip
            if oldest is not None and oldest > 3600:
                yield Check(
                    "documents", "note", f"The oldest unfinished document waits since {oldest / 60:.0f} minutes.",
                    "Look at `dossier status` and at the workers' logs.",
                )  # fmt: skip
            else:
                yield Check("documents", "ok", "nothing waits for long")
    except SQLAlchemyError as down:
        yield Check(
            "postgres", "trouble", f"Cannot be used ({type(down).__name__}).", "make down && make up; see the logs."
        )


def _broker(settings: Settings) -> Check:
    if http.broker_answers(settings.broker_url.get_secret_value()):
        return Check("queue", "ok", "the broker answers")
    return Check("queue", "trouble", "The broker does not answer.", "Nothing is lost; work goes on when it is back.")


def _store(settings: Settings) -> Check:
    try:
        store = rooms.desk_from(settings).store
        kept = store.put("doctor", "probe", b"dossier doctor")
        store.get(kept.key)
        store.delete(kept.key)
    except DossierError as wrong:
        return Check("store", "trouble", wrong.public, wrong.action)
    return Check("store", "ok", settings.resolved_store_url().partition("@")[2] or settings.resolved_store_url())


def _generation(settings: Settings) -> Check:
    if settings.generation_url is None:
        return Check("generation", "ok", "no server configured: the CPU engines do all the work")
    try:
        answered = httpx.get(f"{settings.generation_url.rstrip('/')}/health", timeout=5, trust_env=False).is_success
    except httpx.TransportError:
        answered = False
    if answered:
        return Check("generation", "ok", settings.generation_url)
    return Check(
        "generation", "note", f"{settings.generation_url} does not answer: the CPU engines do all the work.",
        "Start the generation server, or unset DOSSIER_GENERATION_URL.",
    )  # fmt: skip


def _encoder(settings: Settings) -> Check:
    from shared.encoder import Encoder  # imports ONNX Runtime, which only this check needs

    try:
        encoder = Encoder.load(settings.encoder_folder, settings.home / "cache")
    except DossierError as wrong:
        return Check("encoder", "trouble", wrong.public, wrong.action)
    return Check("encoder", "ok", encoder.name)


def _api(url: str) -> Check:
    try:
        if httpx.get(f"{url}/readyz", timeout=5, trust_env=False).is_success:
            return Check("api", "ok", url)
    except httpx.TransportError:
        pass
    return Check("api", "trouble", f"{url} does not answer.", "make down && make up; the reason is in logs/api.log.")
