"""The tus 1.0 protocol for resumable uploads (https://tus.io/protocols/resumable-upload): its headers and refusals.

Knows neither the web framework nor where bytes go.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

from shared.errors import Refused

VERSION = "1.0.0"
EXTENSIONS = "creation,checksum,expiration,termination"
ALGORITHMS = ("sha1", "sha256")
#: The media type of every PATCH.
CONTENT_TYPE = "application/offset+octet-stream"
_LONGEST_METADATA = 8_000


class Malformed(Refused):
    """A header is missing or does not say what the protocol wants."""

    code = "invalid_request"
    status = 400


class OtherVersion(Refused):
    """The client speaks another version of the protocol, or none."""

    code = "tus_version"
    status = 412


class OtherContentType(Refused):
    """The body is not announced as a piece of an upload."""

    code = "content_type"
    status = 415


class TooLarge(Refused):
    """More bytes than are taken."""

    code = "too_large"
    status = 413


class ChecksumMismatch(Refused):
    """Other bytes arrived than were sent."""

    code = "checksum_mismatch"
    status = 460


class Checksum:
    """What the bytes of one request must hash to; feed them with `update`, then `check`."""

    def __init__(self, header: str) -> None:
        """Raises Malformed where `header` is not `ALGORITHM BASE64` with one of ALGORITHMS."""
        algorithm, _, encoded = header.partition(" ")
        if algorithm not in ALGORITHMS:
            raise Malformed(f"Upload-Checksum names {algorithm!r}.", action=f"Use one of {', '.join(ALGORITHMS)}.")
        self._wanted = _decoded("Upload-Checksum", encoded.strip())
        self._digest = hashlib.new(algorithm)

    def update(self, content: bytes) -> None:
        """More of the request's body."""
        self._digest.update(content)

    def check(self) -> None:
        """Raises ChecksumMismatch where other bytes came."""
        if not hmac.compare_digest(self._digest.digest(), self._wanted):
            raise ChecksumMismatch(
                "The bytes do not have the checksum that Upload-Checksum names; none of them was kept.",
                action="Send this piece again.",
            )


def check_version(headers: Mapping[str, str]) -> None:
    """Raises OtherVersion unless the client says that it speaks this one."""
    said = headers.get("tus-resumable")
    if said != VERSION:
        raise OtherVersion(f"Tus-Resumable is {said or 'missing'}.", action=f"Send 'Tus-Resumable: {VERSION}'.")


def size_from(headers: Mapping[str, str], most: int) -> int:
    """The size of a new upload in bytes. Raises Malformed, Refused for an empty file, TooLarge beyond `most`."""
    size_bytes = _number(headers, "Upload-Length")
    if size_bytes == 0:
        raise Refused("The file is empty (0 bytes).", action="Send the file again.", code="empty")
    if size_bytes > most:
        raise TooLarge(f"The file has {size_bytes:,} bytes; at most {most:,} are taken.", action="Split the file.")
    return size_bytes


def offset_from(headers: Mapping[str, str]) -> int:
    """Where the bytes of a PATCH begin. Raises OtherContentType, Malformed."""
    kind = headers.get("content-type", "")
    if kind != CONTENT_TYPE:
        raise OtherContentType(f"The content type is {kind or 'missing'}.", action=f"Send {CONTENT_TYPE}.")
    return _number(headers, "Upload-Offset")


def metadata_from(header: str) -> dict[str, str]:
    """The pairs of an Upload-Metadata header, decoded as UTF-8. Raises Malformed."""
    if len(header) > _LONGEST_METADATA:
        raise Malformed(f"Upload-Metadata has {len(header):,} characters; at most {_LONGEST_METADATA:,} are taken.")
    pairs = [pair.strip().partition(" ") for pair in header.split(",") if pair.strip()]
    if len({key for key, _, _ in pairs}) < len(pairs):
        raise Malformed("Upload-Metadata names a key twice.", action="Name each key once.")
    return {key: _decoded("Upload-Metadata", value.strip()).decode("utf-8", "replace") for key, _, value in pairs}


def _number(headers: Mapping[str, str], name: str) -> int:
    said = headers.get(name.lower(), "")
    if not (said.isascii() and said.isdigit() and len(said) < 19):
        raise Malformed(f"{name} is {said or 'missing'}.", action=f"Send {name} as a number of bytes.")
    return int(said)


def _decoded(name: str, encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed(f"{name} holds {encoded[:40]!r}, which is no base64.", action="Encode it as base64.") from None
