"""Define every setting of the predictor, read once from the environment into a frozen object."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import NoDecode

from eventing.contract.budget import HEARTBEAT_SECONDS
from eventing.contract.catalog.engine import EngineUrl
from eventing.contract.env import SharedSettings, WeightsSettings


class PredictorSettings(SharedSettings, WeightsSettings):
    """Settings of one predictor process: its model, its device, and where its files go."""

    model: str = Field("tiny", description="Catalog name of the model this predictor serves.")
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|cuda(:\d+)?)$",
        description="auto, cpu or cuda:N; auto takes a GPU if any.",
    )
    families: str = Field(
        "",
        pattern=r"^$|^[a-z0-9][a-z0-9_-]*=[A-Za-z_][\w.]*(,[a-z0-9][a-z0-9_-]*=[A-Za-z_][\w.]*)*$",
        description="Python modules with model families of your own: family=module, separated by commas.",
    )
    engine_url: EngineUrl | None = Field(
        None, description="Address of the engine of a model of the family openai-video; empty: the entry's."
    )
    engine_token: str | None = Field(
        None, pattern=r"^[!-~]+$", repr=False, description="Bearer token that the engine wants; empty: none."
    )
    weights_loader: Literal["mapped", "runai", "fastsafetensors", "instanttensor"] = Field(
        "mapped",
        description="What reads weights: mapped (safetensors), or runai, fastsafetensors or instanttensor, "
        "where they are installed and the model is on a GPU without offloading.",
    )
    torch_threads: int | None = Field(None, ge=1, description="CPU threads of torch; empty: torch decides.")
    scratch_dir: Path = Field(
        Path(tempfile.gettempdir()),
        description="Where files wait for their upload; needs room for one video.",
    )
    heartbeat_seconds: float = Field(
        HEARTBEAT_SECONDS,
        gt=0,
        description="A heartbeat record is sent when a stream was silent for this many seconds.",
    )
    predictor_host: str = Field(
        "0.0.0.0",  # noqa: S104 - a pod serves other pods; the one-machine edition sets 127.0.0.1
        description="Address the predictor's HTTP port listens on; its gRPC port always takes all.",
    )
    preview_steps: int = Field(
        4, ge=0, description="A small picture of the unfinished video after every so many steps; 0: none."
    )
    mark: Literal["c2pa", "off"] = Field(
        "c2pa",
        description="Mark of origin in every MP4: C2PA content credentials; off: none.",
    )
    mark_certificate: Path | None = Field(
        None, description="PEM chain that signs the credentials, the signer's first; empty: a self-made one."
    )
    mark_key: Path | None = Field(None, description="PEM private key of REELZERO_MARK_CERTIFICATE.")
    mark_prompts: bool = Field(False, description="Write the prompt into the content credentials.")
    checks: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Python modules that may refuse a prompt or a video, separated by commas."
    )
    watermark: str | None = Field(None, description="Python module that watermarks the frames; empty: none.")

    @field_validator("checks", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(filter(None, value.replace(",", " ").split())) if isinstance(value, str) else value

    @field_validator("mark_certificate", "mark_key", "watermark", "engine_url", "engine_token", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: Any) -> Any:
        return value or None

    @model_validator(mode="after")
    def _certificate_has_key(self) -> Self:
        if (self.mark_certificate is None) != (self.mark_key is None):
            raise ValueError("set both REELZERO_MARK_CERTIFICATE and REELZERO_MARK_KEY, or neither")
        return self

    def family_modules(self) -> dict[str, str]:
        """Return the operator's module of each family."""
        pairs = (pair.partition("=") for pair in self.families.split(",") if pair)
        return {family: module for family, _, module in pairs}
