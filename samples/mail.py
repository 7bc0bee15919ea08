"""Mails as the mail server hands them over: headers, a body, attachments; the same bytes on every run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from random import Random

from samples import office
from samples.people import ascii_slug
from samples.printing import Language
from samples.sheet import Sheet


@dataclass(frozen=True)
class Attachment:
    """A file that travels with a mail."""

    name: str
    media_type: str
    content: bytes


def message(
    sheet: Sheet, language: Language, address: str, day: date, attachments: list[Attachment], rng: Random
) -> bytes:
    """The sheet as a mail from `address` to the insurer, sent on `day`; sometimes with an HTML alternative."""
    mail = EmailMessage(policy=SMTP)
    mail["From"] = f"{sheet.sender.name} <{address}>"
    mail["To"] = "Ardelune <service@ardelune.example>"
    mail["Subject"] = sheet.title
    sent = datetime.combine(day, time(rng.randint(7, 19), rng.randint(0, 59)), timezone(timedelta(hours=1)))
    mail["Date"] = format_datetime(sent)
    mail["Message-ID"] = f"<{rng.getrandbits(64):016x}@{ascii_slug(address.split('@')[1].split('.')[0])}.example>"
    mail.set_content(office.text(sheet))
    if rng.random() < 0.5:
        body = "".join(f"<p>{part}</p>" for part in office.text(sheet).strip().split("\n\n"))
        mail.add_alternative(f'<html lang="{language}"><body>{body}</body></html>', subtype="html")
    for attachment in attachments:
        kind, _, subtype = attachment.media_type.partition("/")
        mail.add_attachment(attachment.content, maintype=kind, subtype=subtype, filename=attachment.name)
    _fix_boundaries(mail, rng)
    return mail.as_bytes()


def _fix_boundaries(mail: EmailMessage, rng: Random) -> None:
    """The library would draw boundaries from the clock."""
    for part in mail.walk():
        if part.is_multipart():
            part.set_boundary(f"=_part_{rng.getrandbits(48):012x}")
