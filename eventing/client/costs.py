"""What a server says of costs, as typed records: a report, what one job has used, and an estimate."""

from __future__ import annotations

from datetime import date

from eventing.client.answer import Answer
from eventing.contract.records.models import GenerationSpec


class GpuSeconds(Answer):
    """Seconds of GPUs; `paid` is the sum of the others."""

    paid: float
    used: float
    starting: float
    wasted: float
    idle: float


class JobUsage(Answer):
    """What the attempts of one job have used that have ended."""

    gpu_seconds: GpuSeconds
    cost: float | None = None
    currency: str | None = None


class UsageRow(Answer):
    """What some jobs have used; `day`, `owner` and `model` are None where the row is for all of them."""

    day: date | None = None
    owner: str | None = None
    model: str | None = None
    gpus: int | None = None
    completed: int
    failed: int
    cancelled: int
    reused: int
    cold_starts: int
    video_seconds: float
    gpu_seconds: GpuSeconds
    wait_median_seconds: float | None = None
    wait_p95_seconds: float | None = None
    cost: float | None = None


class Usage(Answer):
    """What jobs have used that ended in whole days, UTC."""

    since: date
    until: date
    by: tuple[str, ...]
    currency: str | None = None
    data: list[UsageRow]
    total: UsageRow


class Estimate(Answer):
    """What a request would take, had it been submitted."""

    model: str
    lane: str
    videos: int
    request: GenerationSpec
    warnings: tuple[str, ...] = ()
    seconds: float | None = None
    seconds_from: str
    queue_position: int
    wait_seconds: float | None = None
    cold_start: bool
    cold_start_seconds: float | None = None
    gpu_seconds: float | None = None
    cost: float | None = None
    currency: str | None = None
