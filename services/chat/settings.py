"""What chat reads from the environment, and the encoder that this process shares."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared import settings as shared_settings
from shared.encoder import Encoder
from shared.errors import Refused

#: Length of the vectors that the index holds.
DIMENSION = 384


class ChatSettings(BaseSettings):
    """`DOSSIER_CHAT_…`; raises pydantic's ValidationError, naming the variable, where a value does not fit."""

    model_config = SettingsConfigDict(env_prefix="DOSSIER_CHAT_", extra="forbid", frozen=True)

    #: Threads that the encoder of one process uses.
    encoder_threads: int = Field(default=1, ge=1, le=64)


@cache
def settings() -> ChatSettings:
    """The settings of this process, read once."""
    return ChatSettings()


@cache
def encoder(folder: Path) -> Encoder:
    """The sentence encoder of this process; `folder` is where derived files are cached.

    Raises Refused where the configured model's vectors do not fit into the index, and what `Encoder.load` raises.
    """
    found = Encoder.load(shared_settings.load().encoder_folder, folder, settings().encoder_threads)
    if found.dimension != DIMENSION:
        raise Refused(
            f"The encoder {found.name} makes vectors of {found.dimension} numbers; the index holds {DIMENSION}.",
            action="Point DOSSIER_ENCODER_FOLDER at a model with vectors of that length.",
            code="encoder_unsupported",
        )
    return found
