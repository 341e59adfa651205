"""Define the REST API's views of jobs and groups."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from eventing.api.dependencies import Container
from eventing.api.usage.views import JobUsage, job_usage
from eventing.contract.records.events import GroupCounts
from eventing.contract.records.models import Failure, Frozen, GenerationSpec, Progress
from eventing.contract.records.results import VideoResult
from eventing.domain.announcer import seconds
from eventing.domain.envelope import timestamp
from eventing.domain.group import Group
from eventing.domain.job import Job, Status


class JobView(Frozen):
    """One job."""

    id: str
    object: Literal["job"] = "job"
    status: Status
    model: str
    lane: str
    request: GenerationSpec
    warnings: tuple[str, ...] = Field(description="What of the request the model will not see.")
    metadata: dict[str, str]
    callback_url: str | None
    attempts: int = Field(description="Attempts that reached a predictor.")
    progress: Progress
    percent: int = Field(ge=0, le=100)
    priority: int
    queue_position: int | None = Field(
        None, description="Jobs that go first in the same lane, whose owners take turns; queued jobs only."
    )
    waiting_for: str | None = Field(None, description="Why a queued job waits, such as model_unavailable.")
    cancel_requested: bool
    error: Failure | None
    result: VideoResult | None
    submitted_at: datetime
    updated_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    expires_at: datetime | None
    start_by: datetime | None
    queue_seconds: float | None
    cold_start_seconds: float | None
    remixed_from: str | None
    usage: JobUsage
    trace_id: str | None = Field(description="Trace that the job continues (W3C Trace Context).")
    group: str | None = Field(description="Id of the group, if the request was for several videos.")
    links: dict[str, str]


class JobPage(Frozen):
    """A page of jobs; `next` goes into `after` for the following one, also if jobs are deleted meanwhile."""

    object: Literal["list"] = "list"
    data: list[JobView]
    has_more: bool
    next: str | None


class GroupItem(Frozen):
    """One job of a group, in short."""

    id: str
    status: Status
    seed: int
    percent: int = Field(ge=0, le=100)


class GroupView(Frozen):
    """The jobs of one request for several videos. Everything is derived from them."""

    id: str
    object: Literal["group"] = "group"
    status: Status = Field(description="completed once every job has ended; `counts` tells how.")
    model: str
    percent: int = Field(ge=0, le=100, description="Mean over the jobs.")
    counts: GroupCounts
    jobs: tuple[GroupItem, ...] = Field(description="In the order of their seeds; without deleted ones.")
    warnings: tuple[str, ...] = Field(description="What of the request the model will not see.")
    metadata: dict[str, str]
    submitted_at: datetime
    completed_at: datetime | None
    links: dict[str, str]


def group_view(group: Group, container: Container) -> GroupView:
    """Return the public face of a group."""
    address = f"{container.settings.path_prefix}/v1/groups/{group.id}"
    items = (
        GroupItem(id=job.public_id, status=job.status, seed=job.video.seed, percent=job.percent)
        for job in group.jobs
    )
    return GroupView(
        id=group.id,
        status=group.status,
        model=group.jobs[0].model,
        percent=group.percent,
        counts=group.counts,
        jobs=tuple(items),
        warnings=container.prompts.warnings(group.jobs[0].video),
        metadata=group.jobs[0].metadata,
        submitted_at=timestamp(group.submitted_at),
        completed_at=_time(group.completed_at),
        links={"self": address, "jobs": f"{address}/jobs", "events": f"{address}/events"},
    )


def job_view(job: Job, container: Container, position: int | None = None) -> JobView:
    """Return the public face of a job, with its position in the queue if it waits."""
    prefix = container.settings.path_prefix
    address = f"{prefix}/v1/jobs/{job.public_id}"
    return JobView(
        id=job.public_id,
        status=job.status,
        model=job.model,
        lane=job.lane,
        request=job.video,
        warnings=container.prompts.warnings(job.video),
        metadata=job.metadata,
        callback_url=job.callback_url,
        attempts=job.attempts_used,
        progress=job.progress,
        percent=job.percent,
        priority=job.priority,
        queue_position=position,
        waiting_for=job.error.code if job.status is Status.queued and job.error else None,
        cancel_requested=job.cancel_requested,
        error=job.error,
        result=job.public_result,
        submitted_at=timestamp(job.submitted_at),
        updated_at=timestamp(job.updated_at),
        started_at=_time(job.started_at),
        completed_at=_time(job.completed_at),
        expires_at=_time(job.expires_at),
        start_by=_time(job.start_by),
        queue_seconds=seconds(job.submitted_at, job.claimed_at),
        cold_start_seconds=seconds(job.claimed_at, job.started_at),
        remixed_from=job.remixed_from,
        usage=job_usage(job, container.costs),
        trace_id=job.traceparent.split("-")[1] if job.traceparent else None,
        group=job.group_id,
        links={
            "self": address,
            "events": f"{address}/events",
            "result": f"{address}/result",
            "deliveries": f"{address}/deliveries",
            **({"log": f"{address}/log"} if container.logs else {}),
            **({"preview": preview} if (preview := preview_link(job, prefix)) else {}),
        },
    )


def preview_link(job: Job, prefix: str) -> str | None:
    """Return the path of a job's preview; None if it has none now."""
    return f"{prefix}/v1/jobs/{job.public_id}/preview" if job.has_preview else None


def _time(epoch: float | None) -> datetime | None:
    return None if epoch is None else timestamp(epoch)
