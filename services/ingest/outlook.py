"""Outlook .msg files, by way of extract-msg; from there on they are mail like any other."""

from __future__ import annotations

import logging
from typing import Any

import extract_msg
from extract_msg.exceptions import ExMsgBaseException

from services.ingest.encodings import decode
from services.ingest.limits import Limits, corrupt
from services.ingest.mail import Message, message_reading, safe_name
from shared.documents import Reading

_LABEL = "Outlook message"
_BROKEN = (
    ExMsgBaseException,
    OSError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    NotImplementedError,
)


def read_msg(content: bytes, media_type: str, limits: Limits) -> tuple[Reading, list[tuple[str, bytes]]]:
    """The reading, and name and bytes of each attachment; an enclosed message comes out as a .msg file."""
    logging.getLogger("extract_msg").setLevel(logging.CRITICAL)
    try:
        with extract_msg.openMsg(content, delayAttachments=False, errorBehavior=_FORGIVING) as stored:
            message = _message(stored)
    except _BROKEN as wrong:
        raise corrupt(_LABEL, "its properties are damaged", private=repr(wrong)) from wrong
    return message_reading(message, media_type, limits), message.attached


_FORGIVING = extract_msg.enums.ErrorBehavior.SUPPRESS_ALL


def _message(stored: Any) -> Message:
    headers = {
        "From": _text(stored, "sender"),
        "To": _text(stored, "to"),
        "Cc": _text(stored, "cc"),
        "Date": _date(stored),
        "Subject": _text(stored, "subject"),
        "Message-ID": _text(stored, "messageId"),
    }
    page = getattr(stored, "htmlBody", None)
    page = decode(page)[0] if isinstance(page, bytes) else page or ""
    attached = [found for entry in getattr(stored, "attachments", []) if (found := _attachment(entry)) is not None]
    return Message(
        {name: value for name, value in headers.items() if value}, _text(stored, "body", one_line=False), page, attached
    )


def _text(stored: Any, name: str, *, one_line: bool = True) -> str:
    try:
        value = getattr(stored, name, None)
    except _BROKEN:
        return ""
    text = str(value or "").replace("\x00", "")
    return " ".join(text.split()) if one_line else text


def _date(stored: Any) -> str:
    try:
        date = stored.date
    except _BROKEN:
        return ""
    return date.strftime("%a, %d %b %Y %H:%M:%S %z").strip() if hasattr(date, "strftime") else str(date or "")


def _attachment(entry: Any) -> tuple[str, bytes] | None:
    """Name and bytes, None for a link or a damaged one."""
    try:
        name = safe_name(str(entry.getFilename() or "")) or "attachment"
        inside = entry.data
        if isinstance(inside, bytes):
            return (name, inside) if inside else None
        if inside is not None and hasattr(inside, "exportBytes"):
            return (name.removesuffix(".msg") + ".msg", inside.exportBytes())
    except _BROKEN:
        return None
    return None
