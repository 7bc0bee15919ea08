"""ZIP containers, opened with care: sizes are added up before anything is unpacked.

Office files, e-books and archives all come through here.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from lxml import etree

from services.ingest.limits import Limits, corrupt, needs_password, too_large
from shared.errors import Refused

#: Below this a high ratio is only a repetitive file: blank bitmaps inside slides pack 1:700.
_RATIO_FROM_BYTES = 20_000_000
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, ValueError, RuntimeError)


@contextmanager
def opened(content: bytes, label: str, limits: Limits) -> Iterator[zipfile.ZipFile]:
    """The container, its members counted and measured. Raises Refused where it is damaged or a bomb."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except _BROKEN as wrong:
        raise corrupt(label, "its directory is damaged or cut off", private=repr(wrong)) from wrong
    with archive:
        _measure(archive, limits)
        yield archive


def _measure(archive: zipfile.ZipFile, limits: Limits) -> None:
    members = archive.infolist()
    if len(members) > 20 * limits.children:
        raise too_large("members", len(members), 20 * limits.children)
    total = sum(member.file_size for member in members)
    if total > limits.unpacked_bytes:
        raise too_large("bytes when unpacked", total, limits.unpacked_bytes)
    for member in members:
        if member.file_size > max(_RATIO_FROM_BYTES, limits.ratio * max(member.compress_size, 1)):
            raise Refused(
                f"The archive unpacks to more than {limits.ratio} times its size, as decompression bombs do.",
                action="Send the files themselves, or pack them again.",
                code="archive_bomb",
                private=f"{member.file_size} bytes from {member.compress_size}",
            )


def member(archive: zipfile.ZipFile, name: str | zipfile.ZipInfo, label: str, password: str | None = None) -> bytes:
    """The bytes of one member, never more than its directory promised. Raises Refused where it is damaged."""
    information = archive.getinfo(name) if isinstance(name, str) else name
    if information.flag_bits & 1 and password is None:
        raise needs_password(label)
    try:
        secret = password.encode() if password else None
        with archive.open(information, pwd=secret) as stream:
            content = stream.read(information.file_size + 1)
    except _BROKEN as wrong:
        if "password" in str(wrong).lower():
            raise needs_password(label) from wrong
        raise corrupt(label, "a file inside is damaged", private=repr(wrong)) from wrong
    if len(content) > information.file_size:
        raise corrupt(label, "a file inside is larger than its directory says")
    return content


def xml_part(archive: zipfile.ZipFile, name: str, label: str) -> etree._Element | None:
    """The root element of an XML member, None where the container has no such member."""
    if name not in archive.NameToInfo:
        return None
    return parsed(member(archive, name, label), label)


def parsed(content: bytes, label: str) -> etree._Element:
    """The root element of XML bytes; entities are not resolved, nothing is fetched. Raises Refused where damaged."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, recover=True)
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as wrong:
        raise corrupt(label, "its XML is damaged", private=repr(wrong)) from wrong
    if root is None:
        raise corrupt(label, "its XML is damaged")
    return root


def local(element: etree._Element) -> str:
    """The element's name without its namespace; "" for comments and processing instructions."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def attribute(element: etree._Element, name: str) -> str | None:
    """The attribute of that local name in any namespace: strict and transitional Office files differ in theirs."""
    for key, value in element.attrib.items():
        if str(key).rpartition("}")[2] == name:
            return str(value)
    return None
