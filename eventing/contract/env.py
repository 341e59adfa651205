"""Read the REELZERO_… variables into frozen settings, and define those that both services have."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from eventing.contract.codecs.validation import Problem, first_problem
from eventing.contract.errors import ConfigurationError
from eventing.contract.storage.s3 import S3Location

PREFIX = "REELZERO_"
STORAGE_MOUNT = Path("/mnt/models")  # KServe's storage initializer copies STORAGE_URI to it

T = TypeVar("T", bound=BaseSettings)


class S3Settings(BaseSettings):
    """The settings of object storage, which both services read."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True
    )

    s3_bucket: str = Field("reelzero", description="Bucket for videos, manifests and terminal events.")
    s3_endpoint: str | None = Field(None, description="S3 endpoint; empty for AWS itself.")
    s3_public_endpoint: str | None = Field(
        None, description="Endpoint that presigned URLs name, if clients reach S3 by another address."
    )
    s3_region: str = Field("us-east-1", description="S3 region.")

    @field_validator("s3_endpoint", "s3_public_endpoint", mode="before")
    @classmethod
    def _empty_is_none(cls, value: Any) -> Any:
        return value or None

    def s3(self) -> S3Location:
        """Return the location for eventing.contract.storage.s3."""
        return S3Location(self.s3_bucket, self.s3_endpoint, self.s3_public_endpoint, self.s3_region)


class WeightsSettings(BaseSettings):
    """The settings that say where a predictor gets its weights. The one-machine edition reads them too."""

    model_config = S3Settings.model_config

    model_dir: Path | None = Field(
        None, description="Folder with the weights; /mnt/models if that exists, else bundled or cached ones."
    )
    allow_download: bool = Field(
        False, description="Fetch weights from the Hugging Face Hub when they are in no folder and no cache."
    )

    def weights_folder(self) -> Path | None:
        """Return the folder that is set or mounted by KServe; None means bundled or cached weights."""
        if self.model_dir is not None:
            return self.model_dir
        return STORAGE_MOUNT if STORAGE_MOUNT.is_dir() else None


class SharedSettings(S3Settings):
    """Settings that eventing and the predictor both have, by the same names."""

    catalog_dir: Path | None = Field(None, description="Folder with more catalog entries (YAML).")
    predictor_token: str | None = Field(
        None,
        pattern=r"^[!-~]{16,}$",
        repr=False,
        description="Bearer token between eventing and predictors, the same on both; empty: none is needed.",
    )
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR.")
    log_prompts: bool = Field(False, description="Write prompts to the log.")

    @field_validator("predictor_token", mode="before")
    @classmethod
    def _empty_is_no_token(cls, value: Any) -> Any:
        return value or None


def read(kind: type[T], **overrides: Any) -> T:
    """Read settings from the environment, with overrides. Raises ConfigurationError naming the variable."""
    try:
        return kind(**overrides)
    except ValidationError as error:
        raise _wrong_setting(first_problem(error)) from error
    except (ValueError, json.JSONDecodeError) as error:
        raise ConfigurationError(f"the environment could not be read: {error}") from error


def _wrong_setting(problem: Problem) -> ConfigurationError:
    if not problem.path:  # the message of a rule over several settings names them
        return ConfigurationError(problem.message)
    setting, *inner = problem.path
    name = PREFIX + setting.upper()
    return ConfigurationError(": ".join([name, *inner, problem.message]), field=name)


def describe(kinds: Iterable[type[BaseSettings]]) -> list[tuple[str, str, str]]:
    """List (variable, default, meaning) of every setting, for the documentation and its test."""
    rows: dict[str, tuple[str, str, str]] = {}
    for kind in kinds:
        for name, field in kind.model_fields.items():
            default = "" if field.default in (None, ()) else str(field.default)
            rows.setdefault(name, (PREFIX + name.upper(), default, field.description or ""))
    return sorted(rows.values())
