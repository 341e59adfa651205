"""Define the answer to `POST /v1/jobs?dry_run=true`: what a request would take."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from eventing.api.dependencies import Container
from eventing.contract.records.models import Frozen, GenerationSpec
from eventing.domain.estimate import Basis
from eventing.estimates import Estimate


class EstimateView(Frozen):
    """What a request would take, had it been submitted. Nothing is stored."""

    object: Literal["estimate"] = "estimate"
    model: str
    lane: str
    videos: int
    request: GenerationSpec = Field(
        description="With all defaults; an absent seed is drawn again at submission."
    )
    warnings: tuple[str, ...] = Field(description="What of the request the model will not see.")
    seconds: float | None = Field(description="From start to end of one video; null if nothing is known.")
    seconds_from: Basis = Field(
        description="history: videos of the model that ended lately; catalog: the entry's expected_seconds."
    )
    queue_position: int = Field(description="Jobs that would go first in the lane.")
    wait_seconds: float | None = Field(
        description="Until a predictor takes the first video, cold start included; null if nothing is known."
    )
    cold_start: bool = Field(description="Whether a predictor would have to start, as far as is known.")
    cold_start_seconds: float | None = Field(
        description="Median of earlier ones, else the catalog's limit; null without a cold start."
    )
    end_seconds: float | None = Field(description="From now until the last video is there.")
    gpu_seconds: float | None = Field(description="Of all videos and one cold start.")
    cost: float | None = Field(description="Of `gpu_seconds`; null if the operator set no price.")
    currency: str | None


def estimate_view(estimate: Estimate, container: Container) -> EstimateView:
    """Return the public face of an estimate."""
    job = estimate.job
    return EstimateView(
        model=job.model,
        lane=job.lane,
        videos=estimate.videos,
        request=job.video,
        warnings=container.prompts.warnings(job.video),
        seconds=_rounded(estimate.seconds),
        seconds_from=estimate.basis,
        queue_position=estimate.ahead,
        wait_seconds=_rounded(estimate.wait),
        cold_start=estimate.cold_start is not None,
        cold_start_seconds=_rounded(estimate.cold_start),
        end_seconds=_rounded(estimate.end),
        gpu_seconds=_rounded(estimate.gpu_seconds),
        cost=_rounded(estimate.cost, 6),
        currency=None if estimate.cost is None else container.costs.currency,
    )


def _rounded(value: float | None, digits: int = 2) -> float | None:
    return None if value is None else round(value, digits)
