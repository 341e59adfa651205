"""Define the REST API's views of stories, their steps and files, and of step types."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from eventing.contract.records.models import Failure, Frozen, Status
from eventing.contract.records.results import StoredFile
from eventing.contract.stories.types import InputRule, OutputRule, StepType
from eventing.domain.envelope import timestamp
from eventing.domain.job import Job
from eventing.domain.story import StepState, Story, StoryStep


class FileView(Frozen):
    """A file that a step has left."""

    url: str = Field(description="Path on this server.")
    sha256: str
    bytes: int
    content_type: str


class StepView(Frozen):
    """One step of a story."""

    name: str
    uses: str
    state: StepState
    percent: int = Field(ge=0, le=100)
    needs: tuple[str, ...] = Field(description="Steps whose outputs it takes.")
    queued: bool = Field(description="Whether its job waits for a worker.")
    waiting_for: str | None = Field(None, description="Why its job waits, such as model_unavailable.")
    job_id: str | None = Field(None, description="Of a video: its job, which has a preview while it runs.")
    reused: bool = Field(description="Whether the outputs are those of an earlier equal step.")
    expected_seconds: float = Field(description="Of one worker, which is awake.")
    seconds: float | None = Field(None, description="Of one worker; null before the end, and if reused.")
    cost: float | None = Field(None, description="Null without a price.")
    outputs: dict[str, FileView]
    error: Failure | None = None


class StoryView(Frozen):
    """One story."""

    object: Literal["story"] = "story"
    id: str
    status: Status
    percent: int = Field(ge=0, le=100, description="Of all steps, weighted by their expected seconds.")
    cancel_requested: bool
    submitted_at: datetime
    updated_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    expires_at: datetime | None
    metadata: dict[str, str]
    callback_url: str | None
    revised_from: str | None = Field(description="Id of the story of which this is a revision.")
    trace_id: str | None = Field(description="Trace that the story continues (W3C Trace Context).")
    request: dict[str, Any] = Field(description="As it was sent.")
    steps: tuple[StepView, ...] = Field(description="In an order in which each follows what it needs.")
    error: Failure | None
    links: dict[str, str]


class StoryPage(Frozen):
    """A page of stories, newest first; `next` goes into `after` for the following one."""

    object: Literal["list"] = "list"
    data: list[StoryView]
    has_more: bool
    next: str | None


class StepTypeView(Frozen):
    """A step type that workers here run."""

    name: str
    version: int
    title: str
    inputs: dict[str, InputRule]
    outputs: dict[str, OutputRule]
    parameters: dict[str, Any] = Field(description="JSON Schema, draft 2020-12.")
    seconds: float = Field(description="Expected of one worker, which is awake.")
    gpus: int


class StepTypeList(Frozen):
    """The step types of this service, by name. A step may also use `video`: a model."""

    object: Literal["list"] = "list"
    data: list[StepTypeView]


def story_view(story: Story, jobs: Mapping[str, Job], prefix: str = "") -> StoryView:
    """Return the public face of a story, whose jobs are given by id. `prefix` is that of a proxy."""
    address = f"{prefix}/v1/stories/{story.public_id}"
    running = {step.name: job.percent for step in story.steps if (job := jobs.get(step.job_id or ""))}
    return StoryView(
        id=story.public_id,
        status=story.status,
        percent=100 if story.status is Status.completed else story.percent(running),
        cancel_requested=story.cancel_requested,
        submitted_at=timestamp(story.submitted_at),
        updated_at=timestamp(max([story.updated_at, *(job.updated_at for job in jobs.values())])),
        started_at=_time(story.started_at),
        completed_at=_time(story.completed_at),
        expires_at=_time(story.expires_at),
        metadata=dict(story.metadata),
        callback_url=story.callback_url,
        revised_from=story.revised_from,
        trace_id=story.traceparent.split("-")[1] if story.traceparent else None,
        request=dict(story.document),
        steps=tuple(_step_view(step, jobs.get(step.job_id or ""), address) for step in story.steps),
        error=story.error,
        links={"self": address, "events": f"{address}/events", "result": f"{address}/result"},
    )


def step_type_view(kind: StepType) -> StepTypeView:
    """Return the public face of a step type."""
    return StepTypeView.model_validate(
        kind.model_dump(include=set(StepTypeView.model_fields) - {"inputs", "outputs"})
        | {"inputs": kind.inputs, "outputs": kind.outputs}
    )


def file_view(file: StoredFile, url: str) -> FileView:
    """Return the public face of a file, which is at this address."""
    return FileView(url=url, sha256=file.sha256, bytes=file.bytes, content_type=file.content_type)


def _step_view(step: StoryStep, job: Job | None, address: str) -> StepView:
    is_running = step.state is StepState.running
    waits = is_running and (job is None or job.status is Status.queued)
    return StepView(
        name=step.name,
        uses=step.uses,
        state=step.state,
        percent=100 if step.state is StepState.completed else job.percent if job and is_running else 0,
        needs=tuple(sorted(step.needs)),
        queued=waits,
        waiting_for=job.error.code if waits and job and job.error else None,
        job_id=step.job_id if step.is_video else None,
        reused=step.reused,
        expected_seconds=round(step.seconds, 3),
        seconds=step.used_seconds,
        cost=step.cost,
        outputs={
            name: file_view(file, f"{address}/files/{step.name}/{name}")
            for name, file in step.outputs.items()
        },
        error=step.error,
    )


def _time(epoch: float | None) -> datetime | None:
    return None if epoch is None else timestamp(epoch)
