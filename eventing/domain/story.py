"""Define a story: steps that need each other, each made by a job. Pure: no clock, no database.

    waiting ──needs are there──► running ──► completed | failed | cancelled
       └──────────── reused ────────────────►┘        (waiting steps of a story that fails: skipped)

A step begins the moment the steps that it needs are completed. A failed step fails the story: steps that run
go on, since a retry can use what they make, and no further step begins. The story ends with its last job.
`sequence` counts the events in this order: the start, one for each step that is completed, the end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from eventing.contract.records.models import Failure, Status
from eventing.contract.records.results import StoredFile
from eventing.domain.job import owned_id

STORY_PREFIX = "story_"
VIDEO = "video"  # what a step uses that is a video of a model


class StepState(StrEnum):
    """Where a step is."""

    waiting = "waiting"
    running = "running"  # its job waits for a worker, or runs
    completed = "completed"
    failed = "failed"
    cancelled = "cancelled"
    skipped = "skipped"  # the story ended before it could begin

    @property
    def is_over(self) -> bool:
        """Tell whether nothing more happens to the step."""
        return self not in (StepState.waiting, StepState.running)


@dataclass(frozen=True)
class StoryStep:
    """One step of a story. `sources` are its inputs in their order: an output of a step, or an address.

    The parameters of a video are its whole spec without pictures, and how these are fitted.
    """

    name: str
    uses: str
    version: int
    parameters: Mapping[str, Any]
    sources: Mapping[str, tuple[str, ...]]
    needs: frozenset[str]
    seconds: float  # expected on an idle worker
    lane: str = "default"  # of its job
    fetched: Mapping[str, StoredFile] = field(default_factory=dict)  # the files of the addresses
    state: StepState = StepState.waiting
    tries: int = 0  # jobs that were made for it
    job_id: str | None = None
    reused: bool = False
    fingerprint: str | None = None  # the same for steps that make the same outputs
    outputs: Mapping[str, StoredFile] = field(default_factory=dict)
    used_seconds: float | None = None  # of one worker
    cost: float | None = None  # None without a price
    error: Failure | None = None

    @property
    def is_video(self) -> bool:
        """Tell whether a model makes it."""
        return self.uses == VIDEO


@dataclass(frozen=True)
class Story:
    """One row. Times are seconds since the epoch on the database's clock."""

    id: str
    owner: str
    steps: tuple[StoryStep, ...]
    submitted_at: float
    updated_at: float
    document: Mapping[str, Any] = field(default_factory=dict)  # the request as it came
    digest: str = ""  # of the request
    chosen_id: str | None = None  # the id that the owner chose, if any
    version: int = 0  # the number of writes: guards each of them
    due_at: float | None = None  # when it is to be looked at; None: when a job of it ends
    started_at: float | None = None
    completed_at: float | None = None
    expires_at: float | None = None
    cancel_requested: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)
    callback_url: str | None = None
    revised_from: str | None = None  # the public id of the story that was changed
    traceparent: str | None = None
    sequence: int = 0  # number of events emitted so far

    @property
    def public_id(self) -> str:
        """Return the id that the owner sees and uses."""
        return self.chosen_id or self.id

    @property
    def by_name(self) -> dict[str, StoryStep]:
        """Return the steps by their names."""
        return {step.name: step for step in self.steps}

    @property
    def is_stopping(self) -> bool:
        """Tell whether no further step may begin."""
        return self.cancel_requested or any(step.state is StepState.failed for step in self.steps)

    @property
    def is_over(self) -> bool:
        """Tell whether every step is over."""
        return all(step.state.is_over for step in self.steps)

    @property
    def status(self) -> Status:
        """Return the state of the whole."""
        states = {step.state for step in self.steps}
        if not self.is_over:
            begun = states - {StepState.waiting}
            return Status.in_progress if begun else Status.queued
        if StepState.failed in states:
            return Status.failed
        return Status.cancelled if states & {StepState.cancelled, StepState.skipped} else Status.completed

    @property
    def error(self) -> Failure | None:
        """Return the failure of the first failed step, with the step's path before its message."""
        failed = next((step for step in self.steps if step.error and step.state is StepState.failed), None)
        if not (failed and failed.error):
            return None
        return failed.error.model_copy(update={"message": f"steps.{failed.name}: {failed.error.message}"})

    def percent(self, running: Mapping[str, int]) -> int:
        """Return the share that is done, in percent, by expected seconds. `running` has that of each job."""
        total = sum(step.seconds for step in self.steps)
        done = sum(step.seconds * self._share(step, running) for step in self.steps)
        return int(done / total) if total else 100

    def _share(self, step: StoryStep, running: Mapping[str, int]) -> int:
        if step.state is StepState.running:
            return running.get(step.name, 0)
        return 100 if step.state.is_over else 0


def ready(story: Story) -> tuple[StoryStep, ...]:
    """Return the steps that may begin: they wait, and all that they need is completed."""
    if story.is_stopping:
        return ()
    done = {step.name for step in story.steps if step.state is StepState.completed}
    return tuple(step for step in story.steps if step.state is StepState.waiting and step.needs <= done)


def owned_story_id(owner: str, chosen_id: str) -> str:
    """Return the id of the row of a story whose owner chose its id. No job has the same."""
    return STORY_PREFIX + owned_id(owner, chosen_id)


def job_id_of(story: Story, step: StoryStep) -> str:
    """Return the id of the next job of a step. It is the same each time, so no race makes two jobs."""
    text = f"{story.id}\n{step.name}\n{step.tries + 1}"
    return ("vid_" if step.is_video else "step_") + hashlib.sha256(text.encode()).hexdigest()[:32]


def begin(story: Story, name: str, job_id: str, now: float, fingerprint: str | None = None) -> Story:
    """Record that a step's job is in the queue."""
    facts = {"job_id": job_id, "tries": story.by_name[name].tries + 1, "fingerprint": fingerprint}
    return _changed(_started(story, now), now, name, state=StepState.running, **facts)


def complete(
    story: Story, name: str, outputs: Mapping[str, StoredFile], now: float, *,
    used_seconds: float | None = None, cost: float | None = None,
) -> Story:  # fmt: skip
    """Record the outputs of a step. A step that is over stays as it is."""
    return _completed(story, name, now, outputs=outputs, used_seconds=used_seconds, cost=cost)


def reuse(story: Story, name: str, outputs: Mapping[str, StoredFile], now: float, fingerprint: str) -> Story:
    """Record copies of the outputs of an earlier equal step. No job has a part in it."""
    return _completed(story, name, now, outputs=outputs, reused=True, fingerprint=fingerprint)


def fail(story: Story, name: str, error: Failure, now: float) -> Story:
    """Record that a step's job has failed or was cancelled. Steps that have not begun are skipped."""
    state = StepState.cancelled if error.code == "cancelled" else StepState.failed
    return _skipped(_changed(story, now, name, state=state, error=error), now)


def request_cancel(story: Story, now: float) -> Story:
    """Ask for the end; the next look at the story does the rest, with its jobs."""
    return story if story.is_over else replace(story, cancel_requested=True, updated_at=now)


def cancel(story: Story, now: float) -> Story:
    """Ask for the end: steps that wait are skipped, those that run are to be cancelled by their jobs."""
    if story.is_over:
        return story
    return _skipped(replace(story, cancel_requested=True, updated_at=now), now)


def retry(story: Story, now: float) -> Story:
    """Continue a failed or cancelled story from what is not completed."""
    steps = tuple(
        step
        if step.state is StepState.completed
        else replace(step, state=StepState.waiting, job_id=None, fingerprint=None, error=None)
        for step in story.steps
    )
    return replace(
        story,
        steps=steps,
        cancel_requested=False,
        due_at=now,
        updated_at=now,
        completed_at=None,
        expires_at=None,
    )


def _started(story: Story, now: float) -> Story:
    if story.started_at is not None:
        return story
    return replace(story, started_at=now, sequence=story.sequence + 1)


def _completed(story: Story, name: str, now: float, **facts: Any) -> Story:
    if story.by_name[name].state.is_over:
        return story
    story = _started(story, now)
    story = replace(story, sequence=story.sequence + 1)
    return _changed(story, now, name, state=StepState.completed, **facts)


def _skipped(story: Story, now: float) -> Story:
    """Skip the steps that wait, if no further one may begin."""
    if not story.is_stopping:
        story = replace(story, cancel_requested=story.cancel_requested or _was_cancelled(story.steps))
    if story.is_stopping:
        for step in story.steps:
            if step.state is StepState.waiting:
                story = _changed(story, now, step.name, state=StepState.skipped)
    return story


def _was_cancelled(steps: Iterable[StoryStep]) -> bool:
    return any(step.state is StepState.cancelled for step in steps)


def _changed(story: Story, now: float, name: str, **changes: Any) -> Story:
    """Return the story with one step changed, ended if that was the last one."""
    steps = tuple(
        replace(step, **changes) if step.name == name and not step.state.is_over else step
        for step in story.steps
    )
    changed = replace(story, steps=steps, updated_at=now)
    if not changed.is_over or story.is_over:
        return changed
    return replace(changed, completed_at=now, sequence=story.sequence + 1)
