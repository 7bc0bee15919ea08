"""What review reads from the environment."""

from __future__ import annotations

from functools import cache

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ReviewSettings(BaseSettings):
    """`DOSSIER_REVIEW_…`; raises pydantic's ValidationError, naming the variable, where a value does not fit."""

    model_config = SettingsConfigDict(env_prefix="DOSSIER_REVIEW_", extra="forbid", frozen=True)

    #: The precision that automatic acceptance must hold, for the class and for each field.
    target: float = Field(default=0.95, gt=0.5, lt=1)
    #: With what probability that promise must hold.
    probability: float = Field(default=0.95, gt=0.5, lt=1)
    #: The share of documents that would pass and are looked at all the same.
    audit_share: float = Field(default=0.05, ge=0, le=1)


@cache
def settings() -> ReviewSettings:
    """The settings of this process, read once."""
    return ReviewSettings()
