"""Define what `/v1/usage` shows, and add up entries by day, owner and model."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Literal

from pydantic import Field

from eventing.contract.records.models import Frozen
from eventing.costs import Costs
from eventing.domain.job import Job
from eventing.domain.usage import DAY, Usage, total
from eventing.store.usage import Entry, Period


class By(StrEnum):
    """What the rows of a report tell apart."""

    day = "day"
    owner = "owner"
    model = "model"


class GpuSeconds(Frozen):
    """Seconds of GPUs; a model that runs on a CPU counts as one. `paid` is the sum of the others."""

    paid: float
    used: float = Field(description="Work on the device for videos that were delivered.")
    starting: float = Field(description="The rest of the attempts that made videos: mostly cold starts.")
    wasted: float = Field(description="Attempts that failed, lapsed or were cancelled.")
    idle: float = Field(description="Between two jobs, while a predictor stayed awake.")


class UsageRow(Frozen):
    """What some jobs have used. `day`, `owner` and `model` are null where the row is for all of them."""

    day: date | None
    owner: str | None
    model: str | None
    gpus: int | None = Field(description="Of one predictor; null for several models, or one that is gone.")
    completed: int
    failed: int
    cancelled: int
    reused: int = Field(description="Of the completed jobs, those whose result was a copy.")
    cold_starts: int = Field(description="Completed jobs for which a predictor loaded its weights.")
    video_seconds: float = Field(description="Length of the videos.")
    gpu_seconds: GpuSeconds
    wait_median_seconds: float | None = Field(
        description="From the submission until a predictor took the job; within 5 %. Null if none did."
    )
    wait_p95_seconds: float | None = Field(description="The same, of 95 of 100 jobs.")
    cost: float | None = Field(
        description="Of `paid`, by the operator's prices; null without any. Models without one are left out."
    )


class UsageView(Frozen):
    """What jobs have used that ended in whole days, UTC."""

    object: Literal["usage"] = "usage"
    since: date = Field(description="The first day.")
    until: date = Field(description="The last day, which is today.")
    by: tuple[By, ...]
    currency: str | None = Field(description="Of `cost`; null if the operator set no price.")
    data: tuple[UsageRow, ...]
    total: UsageRow


def usage_view(period: Period, by: Collection[By], costs: Costs) -> UsageView:
    """Return the report of a period."""
    kinds = tuple(each for each in By if each in by)
    groups: dict[tuple[int | str, ...], list[Entry]] = {}
    for entry in period.entries:
        groups.setdefault(tuple(getattr(entry, each) for each in kinds), []).append(entry)
    return UsageView(
        since=day_at(period.since),
        until=day_at(period.until),
        by=kinds,
        currency=costs.currency,
        data=tuple(_row(groups[key], kinds, costs) for key in sorted(groups)),
        total=_row(period.entries, (), costs),
    )


def day_at(number: int) -> date:
    """Return the day of a number of days since the epoch."""
    return datetime.fromtimestamp(number * DAY, UTC).date()


def _row(entries: Sequence[Entry], kinds: Collection[By], costs: Costs) -> UsageRow:
    usage = total(entry.usage for entry in entries)
    models = {entry.model for entry in entries}
    prices = [costs.money(entry.model, entry.usage.paid) for entry in entries]
    known = [price for price in prices if price is not None]
    median, p95 = usage.wait(0.5), usage.wait(0.95)
    return UsageRow(
        day=day_at(entries[0].day) if By.day in kinds else None,
        owner=entries[0].owner if By.owner in kinds else None,
        model=entries[0].model if By.model in kinds else None,
        gpus=costs.gpus(*models) if len(models) == 1 else None,
        completed=usage.completed,
        failed=usage.failed,
        cancelled=usage.cancelled,
        reused=usage.reused,
        cold_starts=usage.cold_starts,
        video_seconds=round(usage.video_seconds, 3),
        gpu_seconds=_gpu_seconds(entries, costs),
        wait_median_seconds=None if median is None else round(median, 2),
        wait_p95_seconds=None if p95 is None else round(p95, 2),
        cost=round(sum(known), 6) if known else None,
    )


def _gpu_seconds(entries: Sequence[Entry], costs: Costs) -> GpuSeconds:
    def of(name: str) -> float:
        return sum(costs.gpu_seconds(entry.model, getattr(entry.usage, name)) for entry in entries)

    parts = {name: round(of(name), 3) for name in ("used", "starting", "wasted", "idle")}
    return GpuSeconds(paid=round(sum(parts.values()), 3), **parts)


class JobUsage(Frozen):
    """What the attempts of one job have used that have ended."""

    gpu_seconds: GpuSeconds
    cost: float | None = Field(description="Of `paid`; null if the operator set no price for the model.")
    currency: str | None


def job_usage(job: Job, costs: Costs) -> JobUsage:
    """Return what one job has used so far."""
    used = Usage(
        used=job.used_seconds,
        starting=job.starting_seconds,
        wasted=job.wasted_seconds,
        idle=job.idle_seconds,
    )
    money = costs.money(job.model, used.paid)
    return JobUsage(
        gpu_seconds=_gpu_seconds([Entry(0, job.owner, job.model, used)], costs),
        cost=None if money is None else round(money, 6),
        currency=None if money is None else costs.currency,
    )
