"""Make a story of a request: its steps in order, checked whole, with fixed seeds, seconds and cost.

Nothing is stored here but the files at addresses, which `with_files` fetches last, when all else fits.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from eventing.contract.errors import InvalidRequest
from eventing.contract.records.results import StoredFile
from eventing.contract.records.steps import story_prefix
from eventing.contract.stories.document import StoryRequest
from eventing.contract.stories.graph import Step, check
from eventing.contract.stories.types import StepType
from eventing.contract.telemetry import current_traceparent
from eventing.costs import Costs
from eventing.domain.story import STORY_PREFIX, Story, StoryStep, owned_story_id
from eventing.domain.story_length import Pool, least_seconds, pool_of
from eventing.drafts import Origin, new_id
from eventing.pictures.fetch import OwnsJob
from eventing.stories.inline import outside
from eventing.stories.inputs import InputFiles, uses_of
from eventing.stories.scenes import Scenes, of_scenes
from eventing.stories.seeds import seeds
from eventing.stories.videos import VideoSteps


@dataclass(frozen=True)
class Plan:
    """A story that is not stored yet, its checked steps, and what it will take: seconds, money."""

    request: StoryRequest
    story: Story
    checked: tuple[Step, ...]
    expected_seconds: float
    expected_cost: float | None  # None without a price

    @property
    def has_addresses(self) -> bool:
        """Tell whether files have to be fetched."""
        return any(True for _ in uses_of(self.checked))


@dataclass(frozen=True)
class Planner:
    """Makes plans. `types` are the step types that have workers here, `slots` the workers of a pool."""

    scenes: Scenes
    videos: VideoSteps
    types: Mapping[str, StepType]
    costs: Costs
    inputs: InputFiles
    slots: Callable[[Pool], int]
    has_webhooks: bool

    async def plan(self, request: StoryRequest, origin: Origin, story_id: str | None = None) -> Plan:
        """Return the plan of a request. Raises InvalidRequest with the path of what does not fit."""
        self._check_callback(request)
        requests = self.scenes.steps(request)
        resolve = await self.videos.resolver(requests.values())
        try:
            checked = check(requests, self.types, resolve)
        except InvalidRequest as error:
            raise of_scenes(error, request) from error
        steps = self._steps(checked)
        costs = [self._cost(step) for step in steps]
        return Plan(
            request=request,
            story=_story(request, origin, story_id, steps),
            checked=checked,
            expected_seconds=least_seconds(steps, self.slots),
            expected_cost=None if None in costs else sum(cost or 0.0 for cost in costs),
        )

    async def with_files(self, plan: Plan, owns: OwnsJob, kept: Mapping[str, StoredFile]) -> Story:
        """Return the story with the files at its addresses, which are stored now. Raises as `plan`.

        `kept` are files of another story by address, which are copied and not fetched again.
        """
        try:
            files = await self.inputs.take(inputs_folder(plan.story.id), plan.checked, owns, kept)
        except InvalidRequest as error:
            raise of_scenes(error, plan.request) from error
        story = replace(plan.story, steps=tuple(_with_files(step, files) for step in plan.story.steps))
        return outside(story, files)

    def _check_callback(self, request: StoryRequest) -> None:
        if request.callback_url and not self.has_webhooks:
            raise InvalidRequest(
                "webhooks are not configured here: REELZERO_WEBHOOK_SECRETS is empty", field="callback_url"
            )

    def _steps(self, checked: Sequence[Step]) -> tuple[StoryStep, ...]:
        drawn = seeds(checked)
        return tuple(self._step(step, drawn.get(step.name)) for step in checked)

    def _step(self, step: Step, seed: int | None) -> StoryStep:
        request = step.request
        return StoryStep(
            name=step.name,
            uses=request.uses,
            version=step.type.version if step.type else 1,
            parameters=self.videos.parameters(step, seed) if step.video else request.parameters,
            sources={name: request.sources(name) for name in request.inputs},
            needs=step.needs,
            seconds=step.seconds,
            lane=self.videos.lane(step) if step.video else "default",
        )

    def _cost(self, step: StoryStep) -> float | None:
        return self.costs.money(pool_of(step)[0], step.seconds)


def inputs_folder(story_id: str) -> str:
    """Return the key prefix of the files that were fetched for a story."""
    return f"{story_prefix(story_id)}inputs/"


def _story(
    request: StoryRequest, origin: Origin, story_id: str | None, steps: tuple[StoryStep, ...]
) -> Story:
    return Story(
        id=owned_story_id(origin.owner, story_id) if story_id else new_id(STORY_PREFIX),
        chosen_id=story_id,
        owner=origin.owner,
        steps=steps,
        submitted_at=0.0,
        updated_at=0.0,
        document=request.model_dump(mode="json", by_alias=True, exclude_unset=True),
        digest=_digest(request),
        metadata=request.metadata,
        callback_url=request.callback_url,
        traceparent=origin.traceparent or current_traceparent(),
    )


def _digest(request: StoryRequest) -> str:
    """Return the SHA-256 of a request; fields with their default do not count, so later ones may be added."""
    fields = request.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return hashlib.sha256(json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _with_files(step: StoryStep, files: Mapping[str, StoredFile]) -> StoryStep:
    mine = {source for sources in step.sources.values() for source in sources}
    return replace(step, fetched={address: file for address, file in files.items() if address in mine})
