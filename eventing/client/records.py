"""What a server answers, as typed records. Fields that a newer server adds are kept."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from eventing.client.answer import Answer
from eventing.client.costs import JobUsage
from eventing.contract.records.models import Failure, GenerationSpec, Progress, Stage, Status
from eventing.contract.records.results import VideoResult


class Job(Answer):
    """One job, as `GET /v1/jobs/{id}` shows it."""

    id: str
    status: Status
    model: str
    lane: str
    request: GenerationSpec
    warnings: tuple[str, ...] = ()
    metadata: dict[str, str] = Field(default_factory=dict)
    attempts: int = 0
    progress: Progress
    percent: int
    queue_position: int | None = None
    waiting_for: str | None = None
    error: Failure | None = None
    result: VideoResult | None = None
    submitted_at: datetime
    updated_at: datetime
    started_at: datetime | None = None
    completed_at: datetime | None = None
    expires_at: datetime | None = None
    queue_seconds: float | None = None
    cold_start_seconds: float | None = None
    group: str | None = None
    usage: JobUsage | None = Field(None, description="None from a server before 0.2.")


class GroupItem(Answer):
    """One job of a group, in short."""

    id: str
    status: Status
    seed: int
    percent: int


class Group(Answer):
    """The jobs of one request for several videos."""

    id: str
    status: Status
    model: str
    percent: int
    jobs: tuple[GroupItem, ...]
    warnings: tuple[str, ...] = ()


class Page(Answer):
    """A page of jobs; `next` goes into `after` for the following one."""

    data: list[Job]
    has_more: bool
    next: str | None = None


class Deliveries(Answer):
    """The events and webhooks of a job."""

    data: list[dict[str, Any]]


class Link(Answer):
    """The presigned URL of a file."""

    url: str


class Tier(Answer):
    """One quality tier of a model."""

    steps: int
    guidance: float
    expected_seconds: float | None = Field(None, description="Of the default video on the GPU of the notes.")


class Model(Answer):
    """One model of a server: what it makes, and why a lane cannot start."""

    id: str
    title: str
    default: bool
    sizes: list[tuple[int, int]]
    fps: int
    quality: dict[str, Tier]
    inputs: dict[str, str]
    lanes: list[str]
    unavailable: dict[str, str]
    gpus: int
    gpu_memory_gib: int
    memory_gib: int
    weights_gib: int
    licence: str


class Models(Answer):
    """The models of a server."""

    data: list[Model]


class Update(Answer):
    """One event of a job's stream. `job` is there in the last one: the job as it ended."""

    id: str
    status: Status
    stage: Stage
    step: int = 0
    total_steps: int = 0
    elapsed_seconds: float = 0.0
    percent: int = 0
    queue_position: int | None = None
    waiting_for: str | None = None
    preview: str | None = Field(None, description="Path of the latest preview on the server.")
    preview_step: int | None = None
    job: Job | None = None

    @classmethod
    def of_event(cls, name: str, data: Any) -> Update:
        """Return the update that a server-sent event holds."""
        return cls.read(data) if name == "progress" else cls.of_job(Job.read(data))

    @classmethod
    def of_job(cls, job: Job) -> Update:
        """Return the last update of a job that has ended."""
        return cls.of_state(job).model_copy(update={"job": job})

    @classmethod
    def of_state(cls, job: Job) -> Update:
        """Return the update that shows a job as it is; with the job itself if it has ended."""
        shown = ("id", "status", "percent", "queue_position", "waiting_for")
        fields = job.progress.model_dump() | {name: getattr(job, name) for name in shown}
        return cls.model_validate(fields | {"job": job if job.status.is_terminal else None})
