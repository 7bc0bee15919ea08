"""What classify reads from the environment, and the encoder that this process shares."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared import settings as shared_settings
from shared.encoder import Encoder


class ClassifySettings(BaseSettings):
    """`DOSSIER_CLASSIFY_…`; raises pydantic's ValidationError, naming the variable, where a value does not fit."""

    model_config = SettingsConfigDict(env_prefix="DOSSIER_CLASSIFY_", extra="forbid", frozen=True)

    #: Threads that the encoder of one process uses.
    encoder_threads: int = Field(default=1, ge=1, le=64)
    #: Models that one process keeps in memory; each is about the size of its file.
    models_in_memory: int = Field(default=4, ge=1, le=100)
    #: Whether the generation server, where one is configured, chooses the class until there are labels to learn from.
    generated: bool = True
    #: Documents that `dossier bench classify` asks about.
    bench_documents: int = Field(default=400, ge=10, le=1_000_000)


@cache
def settings() -> ClassifySettings:
    """The settings of this process, read once."""
    return ClassifySettings()


@cache
def encoder(folder: Path) -> Encoder:
    """The sentence encoder of this process; `folder` is where derived files are cached."""
    return Encoder.load(shared_settings.load().encoder_folder, folder, settings().encoder_threads)
