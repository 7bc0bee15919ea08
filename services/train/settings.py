"""What train reads from the environment."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class TrainSettings(BaseSettings):
    """`DOSSIER_TRAIN_…`; raises pydantic's ValidationError, naming the variable, where a value does not fit."""

    model_config = SettingsConfigDict(env_prefix="DOSSIER_TRAIN_", extra="forbid", frozen=True)

    #: The loss in share of right answers that the gate tolerates, overall and in each class.
    margin: float = Field(default=0.02, ge=0, le=1)

    #: The folder of the model that generators are tuned from; None means that generators are not tuned here.
    base: Path | None = None
    #: SPDX expression of that model; it travels with every version made from it.
    base_licence: str | None = None
    #: A long run whose holder has been silent for so long is taken over.
    lease_s: float = Field(default=60, gt=0)
