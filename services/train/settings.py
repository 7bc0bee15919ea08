"""What train reads from the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from services.train import licences


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
    #: SPDX ids, joined by commas, that a base may be licensed under for what is made from it to be put in use.
    licences: Annotated[tuple[str, ...], NoDecode] = licences.ALLOWED

    #: Where promoted generators go (services/train/rolling.py); None means that nothing is rolled out from here.
    rollout: Literal["front", "kubernetes", "vllm"] | None = None
    #: The address of the front, of vLLM, or of the Kubernetes API.
    rollout_url: str = "http://127.0.0.1:3000"
    #: The front's DOSSIER_GENERATE_ADMIN_KEY, or vLLM's key.
    rollout_key: SecretStr | None = None
    #: A file with that key, or with a Kubernetes service account's token; read anew each time.
    rollout_key_file: Path | None = None
    #: Files of the versions, seen by the generation server too; None means `versions` in DOSSIER_HOME.
    rollout_folder: Path | None = None
    #: Whose promotions reach the server, which serves one model to all; None means the only workspace there is.
    rollout_workspace: str | None = None
    #: "namespace/name" of the Deployment.
    rollout_deployment: str = "dossier/dossier-tgi"

    #: For tests of crashes: the process kills itself at the step with this name (services/train/failpoints.py).
    failpoint: str | None = None

    @field_validator("licences", mode="before")
    @classmethod
    def _separated(cls, given: object) -> object:
        return tuple(one.strip() for one in given.split(",") if one.strip()) if isinstance(given, str) else given
