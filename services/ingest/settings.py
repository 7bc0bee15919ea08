"""What ingest reads from the environment."""

from __future__ import annotations

from functools import cache

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class IngestSettings(BaseSettings):
    """`DOSSIER_INGEST_…`; raises pydantic's ValidationError, naming the variable, where a value does not fit."""

    model_config = SettingsConfigDict(env_prefix="DOSSIER_INGEST_", extra="forbid", frozen=True)

    #: One uploaded file; larger ones are refused, the rest of the request is kept.
    file_bytes: int = Field(default=200_000_000, gt=0)
    #: Files in one request.
    request_files: int = Field(default=1_000, gt=0)
    #: Address space of each process that reads a file.
    reader_memory_bytes: int = Field(default=3 << 30, ge=1 << 30)
    #: Pages of one document recognised side by side; documents are worked on side by side as well.
    reader_threads: int = Field(default=1, ge=1, le=64)
    #: Seconds a reader may go on without finishing a page, plus five for each megabyte of the file.
    reader_patience_s: float = Field(default=90, gt=0)


@cache
def settings() -> IngestSettings:
    """The settings of this process, read once."""
    return IngestSettings()
