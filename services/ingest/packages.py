"""Files wrapped in OLE objects, as Office embeds them: the wrapper comes off, the file comes out.

Nothing is executed and no link is followed. A wrapper that holds nothing readable yields nothing.
"""

from __future__ import annotations

import io
import posixpath
import struct
from collections.abc import Iterator

import olefile  # type: ignore[import-untyped]

from services.ingest.sniffing import kind_of

#: Streams that hold the embedded file as it is.
_WHOLE = ("CONTENTS", "Package", "Contents")


def unwrapped(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of what `content` is or wraps."""
    if not content:
        return
    if not content.startswith(olefile.MAGIC):
        yield name, content
        return
    try:
        with olefile.OleFileIO(io.BytesIO(content)) as container:
            yield from _streams(name, content, container)
    except (OSError, ValueError, IndexError, TypeError, struct.error):
        return  # a damaged wrapper around who knows what: not worth failing the document that carries it


def _streams(name: str, content: bytes, container: olefile.OleFileIO) -> Iterator[tuple[str, bytes]]:
    stem = posixpath.splitext(name)[0]
    for stream in _WHOLE:
        if container.exists(stream):
            whole = container.openstream(stream).read()
            yield _named(stem, whole), whole
            return
    if container.exists("\x01Ole10Native"):
        yield from _native(container.openstream("\x01Ole10Native").read())
        return
    if any(container.exists(main) for main in ("WordDocument", "Workbook", "Book", "PowerPoint Document")):
        yield name, content


def _named(stem: str, content: bytes) -> str:
    return stem + next(iter(kind_of(content, "").extensions), "")


def _native(packed: bytes) -> Iterator[tuple[str, bytes]]:
    """Unpack an "Ole10Native" stream: size, flags, label, path, flags, path, size, the file ([MS-OLEDS] 2.3.6)."""
    cursor = 6
    label, cursor = _c_string(packed, cursor)
    _, cursor = _c_string(packed, cursor)
    cursor += 8
    _, cursor = _c_string(packed, cursor)
    (size,) = struct.unpack_from("<I", packed, cursor)
    whole = packed[cursor + 4 : cursor + 4 + size]
    if whole:
        yield posixpath.basename(label.replace("\\", "/")) or "embedded", whole


def _c_string(packed: bytes, start: int) -> tuple[str, int]:
    end = packed.index(b"\x00", start)
    return packed[start:end].decode("cp1252", "replace"), end + 1
