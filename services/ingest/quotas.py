"""What a workspace may hold, and the words when it is full. Plain numbers in, a refusal out."""

from __future__ import annotations

from typing import NamedTuple

from shared.errors import Refused, TooMany


class Usage(NamedTuple):
    """What a workspace holds: bytes of originals (a duplicate has none), documents, and those still worked on."""

    bytes: int
    documents: int
    open_documents: int


class Quota(NamedTuple):
    """The most it may hold; None: as much as there is room for."""

    bytes: int | None = None
    documents: int | None = None
    open_documents: int | None = None

    @property
    def any(self) -> bool:
        """Whether there is any limit at all."""
        return any(limit is not None for limit in self)


class Full(Refused):
    """The workspace holds as much as it may."""

    code = "quota_exceeded"
    status = 413


#: Work goes on meanwhile, so a client that comes back then is likely to find room.
_RETRY_AFTER_S = 30


def check(usage: Usage, quota: Quota) -> None:
    """Raise Full where there are too many bytes or documents, TooMany where too many wait to be worked on."""
    if quota.bytes is not None and usage.bytes > quota.bytes:
        raise Full(
            f"This workspace may hold {quota.bytes:,} bytes and would hold {usage.bytes:,}.",
            action="Delete documents that are not needed any more, or ask the operator for more room.",
        )
    if quota.documents is not None and usage.documents > quota.documents:
        raise Full(
            f"This workspace may hold {quota.documents:,} documents and would hold {usage.documents:,}.",
            action="Delete documents that are not needed any more, or ask the operator for more room.",
        )
    if quota.open_documents is not None and usage.open_documents > quota.open_documents:
        raise TooMany(
            f"This workspace may have {quota.open_documents:,} documents in work and would have"
            f" {usage.open_documents:,}.",
            action="Send the same again when some of them are done.",
            code="too_many_open_documents",
            retry_after_s=_RETRY_AFTER_S,
        )
