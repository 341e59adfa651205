"""Define every setting of the predictor, read once from the environment into a frozen object."""

from __future__ import annotations

import tempfile
from pathlib import Path

from pydantic import Field

from eventing.contract.budget import HEARTBEAT_SECONDS
from eventing.contract.env import SharedSettings, WeightsSettings


class PredictorSettings(SharedSettings, WeightsSettings):
    """Settings of one predictor process: its model, its device, and where its files go."""

    model: str = Field("tiny", description="Catalog name of the model this predictor serves.")
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|cuda(:\d+)?)$",
        description="auto, cpu or cuda:N; auto takes a GPU if any.",
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
