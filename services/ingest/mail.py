"""E-mail: headers and body as text, attachments and enclosed messages as files of their own; mailboxes.

The headers stand at the top of the text, so a sender or a date can be quoted like anything else.
"""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Iterator
from email.errors import MessageError
from email.message import EmailMessage

import msgspec

from services.ingest.boilerplate import message_marks
from services.ingest.drafting import Draft
from services.ingest.encodings import decode
from services.ingest.limits import Limits, corrupt, too_large
from services.ingest.markup import write_html
from shared.documents import Embedded, Reading

#: The headers people see, in the order mail programs show them.
_SHOWN = ("From", "To", "Cc", "Date", "Subject")
_KEPT = (*_SHOWN, "Reply-To", "Message-ID", "In-Reply-To")
_FROM_LINE = re.compile(rb"^From \S+.*\d{2}:\d{2}.*$|^From -? ?\w{3} .*$|^From \S+ .*$", re.MULTILINE)
_UNSAFE = re.compile(r"[\x00-\x1f/\\]+")


class Message(msgspec.Struct):
    """A message in parts, whatever program stored it. `attached` holds name and bytes."""

    headers: dict[str, str]
    plain: str
    html: str
    attached: list[tuple[str, bytes]]


def read_mail(content: bytes, media_type: str, limits: Limits) -> tuple[Reading, list[tuple[str, bytes]]]:
    """The reading of an .eml file, and name and bytes of what is attached. Raises Refused where it is no mail."""
    message = _parsed(content)
    return message_reading(message, media_type, limits), message.attached


def message_reading(message: Message, media_type: str, limits: Limits) -> Reading:
    """Headers, an empty line, the body (plain if there is one, else its HTML), quoted parts marked."""
    draft = Draft(limits)
    for name in _SHOWN:
        if message.headers.get(name):
            draft.line(f"{name}: {message.headers[name]}", "key_value")
    draft.blank()
    if message.plain.strip():
        _write_plain(message.plain, draft)
    elif message.html.strip():
        write_html(message.html, draft)
    if message.attached:
        draft.blank()
        draft.line("Attachments: " + ", ".join(name for name, _ in message.attached), "key_value")
    embedded = [Embedded("mail_headers", values=message.headers)] if message.headers else []
    reading = draft.reading(media_type, embedded)
    # Neither the headers above nor the list of attachments below is part of what was written.
    body = max(reading.text.find("\n\n"), 0)
    end = reading.marks[-1].start if message.attached else None
    marks = sorted([*reading.marks, *message_marks(reading.text, body, end)], key=lambda mark: mark.start)
    return msgspec.structs.replace(reading, marks=marks)


def _write_plain(text: str, draft: Draft) -> None:
    for line in text.replace("\r\n", "\n").split("\n"):
        if line.strip():
            draft.line(line)
        else:
            draft.blank()


def _parsed(content: bytes) -> Message:
    try:
        message = email.message_from_bytes(content, policy=email.policy.default)
    except (MessageError, ValueError, LookupError, IndexError, AttributeError) as wrong:
        raise corrupt("e-mail", "its headers are damaged", private=repr(wrong)) from wrong
    parts = Message(_headers(message), "", "", [])
    _collect(message, parts, 0)
    return parts


def _headers(message: EmailMessage) -> dict[str, str]:
    """The kept headers, decoded; one that is too broken to decode is taken as it stands."""
    headers: dict[str, str] = {}
    for name in _KEPT:
        try:
            value = message.get(name)
        except (ValueError, IndexError, AttributeError, TypeError, LookupError, MessageError):
            value = next((raw for key, raw in message.raw_items() if key.casefold() == name.casefold()), None)
        if value:
            headers[name] = " ".join(str(value).encode("utf-8", "replace").decode("utf-8").split())
    return headers


def _collect(part: EmailMessage, found: Message, depth: int) -> None:
    """Sort the leaves of the MIME tree into body and attachments."""
    if part.get_content_type() == "message/rfc822" and depth:
        found.attached.append((_enclosed_name(part), _enclosed(part)))
        return
    if part.is_multipart():
        for child in part.iter_parts() if isinstance(part, EmailMessage) else ():
            if depth < 50 and isinstance(child, EmailMessage):
                _collect(child, found, depth + 1)
        return
    body = part.get_payload(decode=True) or b""
    if not isinstance(body, bytes):
        return
    name = _file_name(part)
    main = part.get_content_type()
    if main in ("text/plain", "text/html") and part.get_content_disposition() != "attachment" and not name:
        text = decode(body, part.get_content_charset())[0]
        if main == "text/plain":
            found.plain += ("\n\n" if found.plain else "") + text
        else:
            found.html += text
    elif body:
        found.attached.append((name or f"attachment-{len(found.attached) + 1}{_suffix(main)}", body))


def _file_name(part: EmailMessage) -> str:
    try:
        name = part.get_filename()
    except (ValueError, LookupError, TypeError, AttributeError, IndexError):
        name = None
    return safe_name(str(name)) if name else ""


def safe_name(name: str) -> str:
    """A file name without folders and control characters, at most 200 characters."""
    return (
        _UNSAFE.sub(" ", name.replace("\\", "/").rsplit("/", 1)[-1]).strip()[-200:].encode("utf-8", "replace").decode()
    )


def _suffix(media_type: str) -> str:
    import mimetypes

    return mimetypes.guess_extension(media_type) or ".bin"


def _enclosed_name(part: EmailMessage) -> str:
    inner = part.get_payload(0) if part.is_multipart() else None
    subject = str(inner.get("Subject") or "") if isinstance(inner, EmailMessage) else ""
    return (safe_name(subject) or "message") + ".eml"


def _enclosed(part: EmailMessage) -> bytes:
    inner = part.get_payload(0) if part.is_multipart() else None
    if isinstance(inner, EmailMessage):
        try:
            return inner.as_bytes()
        except (ValueError, LookupError, TypeError, AttributeError, IndexError):
            return inner.as_bytes(policy=email.policy.compat32)
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def read_mailbox(content: bytes, media_type: str, limits: Limits) -> tuple[Reading, list[tuple[str, bytes]]]:
    """A list of the messages as the reading, and each message as a file of its own."""
    messages = list(_messages(content))
    if len(messages) > limits.children:
        raise too_large("messages", len(messages), limits.children)
    children = [(f"message-{number}.eml", message) for number, message in enumerate(messages, start=1)]
    draft = Draft(limits)
    for name, message in children:
        subject = _headers(email.message_from_bytes(message, policy=email.policy.default)).get("Subject", "")
        draft.line(f"{name}: {subject}")
    return draft.reading(media_type), children


def _messages(content: bytes) -> Iterator[bytes]:
    """The messages between the "From " lines; those lines follow an empty line or begin the file (RFC 4155)."""
    starts = [
        found.start()
        for found in _FROM_LINE.finditer(content)
        if found.start() == 0 or content[: found.start()].endswith((b"\n\n", b"\r\n\r\n", b"\n\r\n"))
    ]
    for start, end in zip(starts, [*starts[1:], len(content)], strict=True):
        message = content[start:end].partition(b"\n")[2]
        if message.strip():
            yield message
