"""What the generation server reads from the environment; the command line (`__main__.py`) outranks it."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class GenerateSettings(BaseSettings):
    """`DOSSIER_GENERATE_…`; the defaults are TGI's. Raises pydantic's ValidationError on a value that does not fit."""

    model_config = SettingsConfigDict(env_prefix="DOSSIER_GENERATE_", extra="forbid", frozen=True)

    #: The folder of the model that the front serves until a version is promoted; its command line outranks this.
    model: Path | None = None
    #: Requests in the house at once, waiting or running; one more is answered 429.
    max_concurrent_requests: int = Field(default=128, ge=1)
    #: Sequences in one forward pass.
    max_batch_size: int = Field(default=16, ge=1)
    max_best_of: int = Field(default=2, ge=1)
    max_stop_sequences: int = Field(default=4, ge=0)
    max_top_n_tokens: int = Field(default=5, ge=0)
    #: None means all that the model was made for, less one.
    max_input_tokens: int | None = Field(default=None, ge=1)
    #: Prompt and answer together; None means all that the model was made for.
    max_total_tokens: int | None = Field(default=None, ge=2)
    payload_limit_bytes: int = Field(default=2_000_000, ge=1)
    api_key: SecretStr | None = None
    #: Whoever has it may put other versions in use (services/generate/front).
    admin_key: SecretStr | None = None
    #: For tests of crashes: the front kills itself at the step with this name.
    failpoint: str | None = None
    #: "auto" is the first GPU, else the CPU.
    device: str = "auto"
