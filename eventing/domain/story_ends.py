"""Apply the ends of a story's jobs to its steps. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from eventing.contract.records.models import Failure
from eventing.contract.records.results import StoredFile, VideoResult
from eventing.domain import story as state
from eventing.domain.job import Job, Status
from eventing.domain.story import StepState, Story, StoryStep

GONE = Failure(code="internal_error", message="the job of this step is gone; retry the story")
Cost = Callable[[Job], float | None]


def ended(story: Story, jobs: Mapping[str, Job], now: float, cost: Cost) -> Story:
    """Return the story after the ends of its jobs, which are given by step. `cost` is what a job has cost."""
    for step in story.steps:
        if step.state is StepState.running:
            story = _after(story, step, jobs.get(step.name), now, cost)
    return story


def _after(story: Story, step: StoryStep, job: Job | None, now: float, cost: Cost) -> Story:
    if job is None:
        return state.fail(story, step.name, GONE, now)
    if job.status is Status.completed:
        used = {"used_seconds": job.used_seconds, "cost": cost(job)}
        return state.complete(story, step.name, outputs_of(job), now, **used)
    if job.status.is_terminal:
        return state.fail(story, step.name, job.error or GONE, now)
    return story


def outputs_of(job: Job) -> dict[str, StoredFile]:
    """Return the files that a completed job has left, by the names of the step's outputs."""
    if job.result is None:
        return {}
    if isinstance(job.result, VideoResult):
        return {"video": job.result.video, "poster": job.result.poster, "spritesheet": job.result.spritesheet}
    return dict(job.result.outputs)
