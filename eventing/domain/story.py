"""Define a story: steps that need each other, each made by a job. Pure: no clock, no database.

    waiting ──needs are there──► running ──► completed | failed | cancelled
       └──────────── reused ────────────────►┘        (waiting steps of a story that fails: skipped)

A step begins the moment the steps that it needs are completed. A failed step fails the story: steps that run
go on, since a retry can use what they make, and no further step begins. The story ends with its last job.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from eventing.contract.records.models import Failure, Status
from eventing.contract.records.results import StoredFile

STORY_PREFIX = "story_"


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
    """One step of a story. `sources` are its inputs in their order: an output of a step, or an address."""

    name: str
    uses: str
    version: int
    parameters: Mapping[str, Any]
    sources: Mapping[str, tuple[str, ...]]
    needs: frozenset[str]
    seconds: float  # expected on an idle worker
    state: StepState = StepState.waiting
    job_id: str | None = None
    reused: bool = False
    outputs: Mapping[str, StoredFile] = field(default_factory=dict)
    error: Failure | None = None


@dataclass(frozen=True)
class Story:
    """One row. Times are seconds since the epoch on the database's clock."""

    id: str
    owner: str
    steps: tuple[StoryStep, ...]
    submitted_at: float
    updated_at: float
    completed_at: float | None = None
    cancel_requested: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)
    callback_url: str | None = None
    revised_from: str | None = None
    traceparent: str | None = None
    sequence: int = 0  # number of events emitted so far

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


def begin(story: Story, name: str, job_id: str, now: float) -> Story:
    """Record that a step's job is in the queue."""
    return _changed(story, now, name, state=StepState.running, job_id=job_id)


def complete(
    story: Story, name: str, outputs: Mapping[str, StoredFile], now: float, *, reused: bool = False
) -> Story:
    """Record the outputs of a step. A step that is over stays as it is."""
    return _changed(story, now, name, state=StepState.completed, outputs=outputs, reused=reused)


def fail(story: Story, name: str, error: Failure, now: float) -> Story:
    """Record that a step's job has failed or was cancelled. Steps that have not begun are skipped."""
    state = StepState.cancelled if error.code == "cancelled" else StepState.failed
    return _skipped(_changed(story, now, name, state=state, error=error), now)


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
        else replace(step, state=StepState.waiting, job_id=None, error=None)
        for step in story.steps
    )
    return replace(story, steps=steps, cancel_requested=False, completed_at=None, updated_at=now)


def fingerprint(
    step: StoryStep, made: Mapping[str, Mapping[str, StoredFile]], fetched: Mapping[str, str]
) -> str:
    """Return the same text for steps that make the same outputs: type, version, parameters, inputs' bytes.

    `made` are the outputs of steps by name, `fetched` the sha256 of each address.
    """
    inputs = {
        name: [fetched.get(source) or _digest_of(source, made) for source in sources]
        for name, sources in step.sources.items()
    }
    facts = [step.uses, step.version, step.parameters, inputs]
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _digest_of(source: str, made: Mapping[str, Mapping[str, StoredFile]]) -> str:
    name, _, output = source.partition(".")
    return made[name][output].sha256


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
    return replace(changed, completed_at=now) if changed.is_over and not story.is_over else changed
