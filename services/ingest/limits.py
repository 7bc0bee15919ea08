"""How much one file may ask of us, and the refusals when it asks for more.

The numbers are ceilings against hostile files, far above what an insurer's mail room sends; they do not bound
a batch or a workspace.
"""

from __future__ import annotations

import msgspec

from shared.errors import Refused


class Limits(msgspec.Struct, frozen=True):
    """Ceilings for one file; all inclusive.

    Attributes:
        pages: pages of a PDF, frames of a TIFF, chapters of an EPUB (Dangerzone refuses above 10,000 as well).
        pixels: decoded pixels of one image; 120 million is A3 at 600 dpi.
        unpacked_bytes: all members of one archive or office file together, before anything is unpacked.
        children: attachments and archive members that become documents.
        characters: length of the clean text.
        ratio: unpacked to packed bytes of one archive member, looked at above 20 MB; deflate cannot exceed 1032.
    """

    pages: int = 10_000
    pixels: int = 120_000_000
    unpacked_bytes: int = 500_000_000
    children: int = 1_000
    characters: int = 20_000_000
    ratio: int = 200


DEFAULT = Limits()


def too_large(what: str, amount: int, ceiling: int) -> Refused:
    """The refusal for a file that exceeds a ceiling, with both numbers."""
    return Refused(
        f"The file has {amount:,} {what}; at most {ceiling:,} are read.",
        action="Split the file and send the parts.",
        code="too_large",
    )


def corrupt(label: str, why: str, *, private: str | None = None) -> Refused:
    """The refusal for a file whose bytes do not follow its own format."""
    return Refused(
        f"The {label} cannot be opened: {why}.",
        action="Open it in the program it comes from, save it again, and send the new file.",
        code="corrupt",
        private=private,
    )


def needs_password(label: str) -> Refused:
    """The refusal for an encrypted file."""
    return Refused(
        f"The {label} is protected by a password.",
        action="Give the password and start it again, or send the file without one.",
        code="needs_password",
    )


def unsupported(label: str, action: str) -> Refused:
    """The refusal for a format that is recognised but not read."""
    return Refused(f"{label}: this format is not read.", action=action, code="unsupported")
