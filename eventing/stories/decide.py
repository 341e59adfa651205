"""Decide what follows for a story: ends of jobs, equal earlier steps, new jobs, the end of the whole.

Nothing is written here but objects in the story's folder and in those of its new jobs. Each has the same name
and the same bytes if a story is looked at twice, so a crash at any line costs time only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

from eventing.contract.errors import InvalidRequest, StorageError, Unavailable
from eventing.contract.records.models import Failure
from eventing.contract.records.results import StoredFile
from eventing.contract.records.story_manifest import story_manifest_key
from eventing.contract.storage.s3 import Bucket
from eventing.costs import Costs
from eventing.domain import story as state
from eventing.domain.job import Job
from eventing.domain.story import StepState, Story, StoryStep
from eventing.domain.story_announcer import StoryAnnouncer
from eventing.domain.story_ends import ended
from eventing.domain.story_inputs import Files, MissingOutput, inputs_of
from eventing.domain.story_manifest import manifest_of
from eventing.store.stories import Moment, StoryStore, Written
from eventing.stories.copies import copies
from eventing.stories.step_jobs import StepJobs

Outputs = Mapping[str, StoredFile]


@dataclass(frozen=True)
class Decision:
    """A story after a look at it, with its new jobs."""

    story: Story
    jobs: tuple[Job, ...] = ()


@dataclass(frozen=True)
class Ready:
    """A step that may begin: its inputs, and what equal steps have in common."""

    step: StoryStep
    inputs: Files
    fingerprint: str


@dataclass(frozen=True)
class Decisions:
    """Makes decisions. `keep_seconds` is how long a story stays after its end."""

    store: StoryStore
    bucket: Bucket
    jobs: StepJobs
    costs: Costs
    announcer: StoryAnnouncer
    keep_seconds: float

    def after_ends(self, moment: Moment) -> Story:
        """Return the story after the ends of its jobs; without further steps if it is to be cancelled."""
        story = ended(moment.story, moment.jobs, moment.at, self._price)
        return state.cancel(story, moment.at) if story.cancel_requested else story

    async def next_steps(self, story: Story, at: float) -> Decision:
        """Return the story with every step begun that may begin. Raises Unavailable."""
        jobs: list[Job] = []
        while waiting := state.ready(story):
            story, more = await self._round(story, waiting, at)
            jobs += more
        return Decision(story, tuple(jobs))

    async def finish(self, old: Story, decision: Decision) -> tuple[Story, Written]:
        """Return what is to be written for a decision. The manifest of a story that is over is in S3 then."""
        story = replace(decision.story, due_at=None)
        if story.is_over and not old.is_over:
            story = replace(story, expires_at=(story.completed_at or story.updated_at) + self.keep_seconds)
            await self._put_manifest(story)
        messages = self.announcer.transition(old, story)
        return story, Written(decision.jobs, messages, _results(old, story))

    async def _round(
        self, story: Story, waiting: tuple[StoryStep, ...], at: float
    ) -> tuple[Story, list[Job]]:
        """Begin these steps, or complete those that an equal earlier one has outputs for."""
        steps: list[Ready] = []
        for step in waiting:
            try:
                inputs = inputs_of(story, step)
                steps.append(Ready(step, inputs, self.jobs.fingerprint(step, inputs)))
            except (MissingOutput, InvalidRequest) as error:
                return state.fail(story, step.name, _failure(error), at), []
        known = await self.store.results(story.owner, [each.fingerprint for each in steps])
        jobs: list[Job] = []
        for each in steps:
            outputs = await self._equal(story, each, known)
            if outputs is not None:
                story = state.reuse(story, each.step.name, outputs, at, each.fingerprint)
                continue
            try:
                job = await self.jobs.make(story, each.step, each.inputs, each.fingerprint)
            except InvalidRequest as error:
                return state.fail(story, each.step.name, _failure(error), at), jobs
            story = state.begin(story, each.step.name, job.id, at, each.fingerprint)
            jobs.append(job)
        return story, jobs

    async def _equal(self, story: Story, ready: Ready, known: Mapping[str, Outputs]) -> Outputs | None:
        outputs = known.get(ready.fingerprint)
        return None if outputs is None else await copies(self.bucket, story, ready.step, outputs)

    async def _put_manifest(self, story: Story) -> None:
        body = manifest_of(story).model_dump_json(indent=1).encode()
        key = story_manifest_key(story.id)
        try:
            await asyncio.to_thread(self.bucket.put, key, body, "application/json")
        except StorageError as error:
            raise Unavailable("object storage cannot be reached", retry_after=5) from error

    def _price(self, job: Job) -> float | None:
        return self.costs.money(job.model, job.used_seconds)


def _results(old: Story, new: Story) -> dict[str, Outputs]:
    """Return the outputs of the steps that are completed now, by fingerprint."""
    before = old.by_name
    return {
        step.fingerprint: step.outputs
        for step in new.steps
        if step.fingerprint
        and step.state is StepState.completed
        and before[step.name].state is not StepState.completed
    }


def _failure(error: MissingOutput | InvalidRequest) -> Failure:
    if isinstance(error, InvalidRequest):
        return Failure(code=error.code, message=error.message)
    return Failure(code="step_failed", message=str(error))
