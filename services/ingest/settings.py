"""What ingest reads from the environment."""

from __future__ import annotations

from functools import cache

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.ingest.quotas import Quota


class IngestSettings(BaseSettings):
    """`DOSSIER_INGEST_…`; raises pydantic's ValidationError, naming the variable, where a value does not fit."""

    model_config = SettingsConfigDict(env_prefix="DOSSIER_INGEST_", extra="forbid", frozen=True)

    #: One uploaded file; larger ones are refused, the rest of the request is kept.
    file_bytes: int = Field(default=200_000_000, gt=0)
    #: Files in one request.
    request_files: int = Field(default=1_000, gt=0)
    #: What one workspace may hold; unset, there is no limit. `open` ones are those still worked on.
    quota_bytes: int | None = Field(default=None, gt=0)
    quota_documents: int | None = Field(default=None, gt=0)
    quota_open_documents: int | None = Field(default=None, gt=0)
    #: A resumable upload that nothing was added to for so long is removed.
    upload_hours: float = Field(default=24, gt=0)
    #: Webhooks may go to private and local addresses, and over plain HTTP.
    webhooks_private: bool = False
    #: For tests of crashes: the process kills itself at the step with this name (services/ingest/api/failpoints.py).
    failpoint: str | None = None
    #: Address space of each process that reads a file.
    reader_memory_bytes: int = Field(default=3 << 30, ge=1 << 30)
    #: Pages of one document recognised side by side; documents are worked on side by side as well.
    reader_threads: int = Field(default=1, ge=1, le=64)
    #: Seconds a reader may go on without finishing a page, plus five for each megabyte of the file.
    reader_patience_s: float = Field(default=90, gt=0)

    @property
    def quota(self) -> Quota:
        """What one workspace may hold."""
        return Quota(self.quota_bytes, self.quota_documents, self.quota_open_documents)


@cache
def settings() -> IngestSettings:
    """The settings of this process, read once."""
    return IngestSettings()
