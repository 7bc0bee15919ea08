"""What every room reads from the environment, once, at the door.

Domain code never sees this: the composition root reads it and passes plain values on. Each service has its own
settings beside this, with its own prefix. Secrets may come from files: `DOSSIER_DATABASE_URL_FILE=/run/secrets/x`
is read in place of `DOSSIER_DATABASE_URL`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.errors import Refused

PREFIX = "DOSSIER_"


class Settings(BaseSettings):
    """Where the ledger, the broker, the store and the generation server are.

    The defaults are those of one machine; `services/embedded.py` fills in the addresses of what it started.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    #: Everything one machine keeps: database, store, model caches, logs.
    home: Path = Field(default_factory=lambda: Path.home() / ".local" / "share" / "dossier")
    #: SQLAlchemy URL, `postgresql+psycopg://…`.
    database_url: SecretStr = SecretStr("postgresql+psycopg://postgres@127.0.0.1:5432/dossier")
    #: `redis://…`, Redis or Valkey.
    broker_url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")
    #: `file:///folder` or `s3+http://KEY:SECRET@host:9000/bucket` or `s3+https://…`; None means a folder in `home`.
    store_url: SecretStr | None = None
    #: None means that no generation server is configured; every service then works on its CPU engines.
    generation_url: str | None = None
    generation_kind: Literal["tgi", "openai"] = "tgi"
    generation_model: str = "tgi"
    generation_key: SecretStr | None = None
    generation_timeout_s: float = Field(default=60, gt=0)
    #: A sentence-encoder folder; None means the one in the pip package.
    encoder_folder: Path | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    def resolved_store_url(self) -> str:
        """The store's URL, with the folder in `home` where none was configured."""
        if self.store_url is not None:
            return self.store_url.get_secret_value()
        return (self.home / "store").absolute().as_uri()


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process.

    Raises Refused, naming the variable, where a value does not fit or a secret's file cannot be read.
    """
    given = dict(os.environ if environment is None else environment)
    secrets = {name.removesuffix("_FILE"): Path(path) for name, path in given.items() if _is_secret_file(name)}
    values: dict[str, object] = {}
    for name, path in secrets.items():
        try:
            values[name.removeprefix(PREFIX).lower()] = path.read_text().strip()
        except OSError as missing:
            raise Refused(
                f"{name}_FILE names {path}, which cannot be read: {missing.strerror}",
                action="Create the file or unset the variable.",
            ) from missing
    try:
        return Settings(**values)  # type: ignore[arg-type]  # validated by pydantic
    except ValueError as wrong:
        raise Refused(f"A DOSSIER_ setting does not fit: {wrong}", action="Correct the variable.") from wrong


def _is_secret_file(name: str) -> bool:
    return (
        name.startswith(PREFIX) and name.endswith("_FILE") and name[len(PREFIX) : -5].lower() in Settings.model_fields
    )
