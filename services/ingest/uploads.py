"""Multipart uploads as a stream: each file is complete on its own before the next one begins.

At most one file is held, in memory while it is small, on disk beyond that; one that grows too large is dropped
while the request goes on. Knows neither the web framework nor the store.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import BinaryIO, cast

import msgspec
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from shared.errors import Refused

_MEMORY_BYTES = 8 << 20
_LONGEST_FIELD = 10_000
_LONGEST_NAME = 500


class Part(msgspec.Struct):
    """One part of the form. `file` is None for a field; then `value` holds its text.

    `size_bytes` counts what was sent; where `too_large`, `file` holds nothing of it.
    """

    field: str
    name: str | None
    file: BinaryIO | None
    value: str = ""
    size_bytes: int = 0
    too_large: bool = False


class Form:
    """Feed it the body in pieces; it gives back the parts that each piece completes."""

    def __init__(self, content_type: str, *, file_bytes: int) -> None:
        """Raises Refused where `content_type` is no multipart form."""
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            raise Refused(
                f"The request has the content type {content_type or '(none)'}.",
                action="Send multipart/form-data with one part called 'files' per file.",
                code="invalid_request",
            )
        self._limit = file_bytes
        self._done: list[Part] = []
        self._part: Part | None = None
        self._header = b""
        self._value = b""
        self._headers: dict[bytes, bytes] = {}
        self._ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._on_field,
                "on_header_value": self._on_value,
                "on_header_end": self._on_header,
                "on_headers_finished": self._on_headers,
                "on_part_data": self._on_bytes,
                "on_part_end": self._on_part,
                "on_end": self._on_end,
            },
        )

    def feed(self, piece: bytes) -> Iterator[Part]:
        """The parts that `piece` completes. Raises Refused where the body is no multipart form."""
        try:
            self._parser.write(piece)
        except MultipartParseError as wrong:
            raise Refused(
                "The request body is no valid multipart form.", private=str(wrong), code="invalid_request"
            ) from wrong
        done, self._done = self._done, []
        yield from done

    def close(self) -> None:
        """Let go of a file that never ended. Raises Refused where the body was cut off."""
        if self._part is not None and self._part.file is not None:
            self._part.file.close()
        if not self._ended:
            raise Refused(
                "The request body ended in the middle of a file.",
                action="Send the request again; with the same Idempotency-Key nothing happens twice.",
                code="incomplete_upload",
            )

    def _begin(self) -> None:
        self._headers = {}

    def _on_field(self, piece: bytes, start: int, end: int) -> None:
        self._header += piece[start:end]

    def _on_value(self, piece: bytes, start: int, end: int) -> None:
        self._value += piece[start:end]

    def _on_header(self) -> None:
        self._headers[self._header.lower()] = self._value
        self._header = self._value = b""

    def _on_headers(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        field = options.get(b"name", b"").decode("utf-8", "replace")
        if b"filename" in options:
            name = clean_name(options[b"filename"])
            spool = cast(BinaryIO, tempfile.SpooledTemporaryFile(_MEMORY_BYTES))  # noqa: SIM115  # outlives this
            self._part = Part(field, name, spool)
        else:
            self._part = Part(field, None, None)

    def _on_bytes(self, piece: bytes, start: int, end: int) -> None:
        part = self._part
        if part is None:
            return
        part.size_bytes += end - start
        if part.file is None:
            part.value += piece[start:end].decode("latin-1") if len(part.value) < _LONGEST_FIELD else ""
        elif part.size_bytes <= self._limit:
            part.file.write(piece[start:end])
        elif not part.too_large:
            part.too_large = True
            part.file.seek(0)
            part.file.truncate()

    def _on_part(self) -> None:
        part, self._part = self._part, None
        if part is None:
            return
        if part.file is not None:
            part.file.seek(0)
        else:
            part.value = part.value.encode("latin-1").decode("utf-8", "replace")
        self._done.append(part)

    def _on_end(self) -> None:
        self._ended = True


def clean_name(raw: bytes) -> str:
    """The name as shown: folders stay, control characters and what lies before a drive letter's end do not."""
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        name = raw.decode("cp1252", "replace")
    name = "".join(character for character in name if character.isprintable())
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    return "/".join(parts)[-_LONGEST_NAME:] or "file"
