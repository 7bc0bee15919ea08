"""ZIP archives: each member becomes a document of its own; the archive's text is the list of their names."""

from __future__ import annotations

import posixpath
import zipfile

from services.ingest.containers import member, opened
from services.ingest.drafting import Draft
from services.ingest.limits import Limits, too_large
from shared.documents import Reading

_LABEL = "ZIP archive"
#: What archivers and file managers leave behind.
_LITTER = ("__MACOSX/", ".DS_Store", "Thumbs.db", "desktop.ini")


def read_zip(
    content: bytes, media_type: str, limits: Limits, password: str | None
) -> tuple[Reading, list[tuple[str, bytes]]]:
    """The list of names, and name and bytes of each member. Folders in names stay, `..` and links do not."""
    with opened(content, _LABEL, limits) as archive:
        wanted = [entry for entry in archive.infolist() if _is_file(entry)]
        if len(wanted) > limits.children:
            raise too_large("files inside", len(wanted), limits.children)
        children = [(_name(entry), member(archive, entry, _LABEL, password)) for entry in wanted]
    draft = Draft(limits)
    for name, _ in children:
        draft.line(name)
    notes = [] if children else ["The archive holds no files."]
    return draft.reading(media_type, notes=notes), children


def _is_file(entry: zipfile.ZipInfo) -> bool:
    link = (entry.external_attr >> 16) & 0o170000 == 0o120000
    return not entry.is_dir() and not link and not any(litter in entry.filename for litter in _LITTER)


def _name(entry: zipfile.ZipInfo) -> str:
    """The name without leading folders that climb; names that are not UTF-8 are read as what archivers write."""
    name = entry.filename
    if not entry.flag_bits & 0x800 and not name.isascii():
        for encoding in ("utf-8", "gbk", "cp850"):
            try:
                name = entry.filename.encode("cp437").decode(encoding)
                break
            except UnicodeError:
                continue
    return posixpath.normpath("/" + name.replace("\\", "/")).lstrip("/") or "file"
