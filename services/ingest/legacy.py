"""Word and PowerPoint files from before 2007, turned into today's formats by LibreOffice where it is installed.

LibreOffice runs without macros and in a profile of its own that is thrown away.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import tempfile
from pathlib import Path

import olefile  # type: ignore[import-untyped]

from services.ingest.limits import corrupt, needs_password
from services.ingest.sniffing import DOC, PPT, Kind
from shared.errors import Refused

_TARGET = {DOC: "docx", PPT: "pptx"}
_TIMEOUT_S = 120


def modern(content: bytes, kind: Kind) -> tuple[bytes, str]:
    """The file in today's format and the extension of that format.

    Raises Refused with code `unsupported` where LibreOffice is not installed, `corrupt` where it gives up.
    """
    program = shutil.which("soffice") or shutil.which("libreoffice")
    target = _TARGET[kind]
    if encrypted(content, kind):
        raise needs_password(kind.label)
    if program is None:
        raise Refused(
            f"{kind.label} files are only read where LibreOffice is installed, and it is not.",
            action=f"Install LibreOffice on the server, or save the file as .{target} and send that.",
            code="unsupported",
        )
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, f"document{kind.extensions[0]}")
        source.write_bytes(content)
        command = [
            program,
            f"-env:UserInstallation=file://{folder}/profile",
            *("--headless", "--norestore", "--convert-to", target, "--outdir", f"{folder}/out", str(source)),
        ]
        try:
            subprocess.run(command, capture_output=True, timeout=_TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired as slow:
            raise corrupt(kind.label, f"converting it took longer than {_TIMEOUT_S} s") from slow
        converted = Path(folder, "out", f"document.{target}")
        if not converted.exists():
            raise corrupt(kind.label, "LibreOffice could not convert it")
        return converted.read_bytes(), target


def encrypted(content: bytes, kind: Kind) -> bool:
    """Whether the flag of the format says so: [MS-DOC] fEncrypted, [MS-XLS] FilePass, [MS-PPT] EncryptedSummary."""
    try:
        with olefile.OleFileIO(io.BytesIO(content)) as container:
            if kind == PPT:
                return bool(container.exists("EncryptedSummary"))
            if kind == DOC:
                return bool(container.openstream("WordDocument").read(12)[11] & 1)
            book = container.openstream("Workbook" if container.exists("Workbook") else "Book").read(4096)
    except (OSError, IndexError, ValueError):
        return False
    at = 0
    while at + 4 <= len(book):
        record, length = int.from_bytes(book[at : at + 2], "little"), int.from_bytes(book[at + 2 : at + 4], "little")
        if record == 0x2F:
            return True
        at += 4 + length
    return False
