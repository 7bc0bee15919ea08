"""What extract reads from the environment."""

from __future__ import annotations

from functools import cache

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ExtractSettings(BaseSettings):
    """`DOSSIER_EXTRACT_…`; raises pydantic's ValidationError, naming the variable, where a value does not fit."""

    model_config = SettingsConfigDict(env_prefix="DOSSIER_EXTRACT_", extra="forbid", frozen=True)

    #: Rankers kept in memory by one worker: one per workspace it serves.
    rankers_in_memory: int = Field(default=4, ge=1)
    #: Ask the generation server, where one is configured, for every field of every document as well.
    generate: bool = False


@cache
def settings() -> ExtractSettings:
    """The settings of this process, read once."""
    return ExtractSettings()
