"""Make the job of a step whose inputs are there: of a model for a video, of a step type for another step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eventing.contract.errors import InvalidRequest
from eventing.contract.records.models import GenerationSpec
from eventing.contract.records.pictures import Fit, Picture
from eventing.contract.records.results import job_prefix
from eventing.contract.records.steps import StepSpec
from eventing.contract.storage.s3 import Folder
from eventing.contract.stories.types import StepType
from eventing.domain.job import Job
from eventing.domain.kinds import Kind
from eventing.domain.story import Story, StoryStep, job_id_of
from eventing.domain.story_inputs import Files, fingerprint
from eventing.pictures.intake import Frame, PictureIntake
from eventing.stories.videos import VideoSteps

FIT = "image_fit"  # the parameter of a video step that is not of its spec


@dataclass(frozen=True)
class StepJobs:
    """Makes jobs. `types` are the step types that have workers here."""

    videos: VideoSteps
    types: Mapping[str, StepType]
    pictures: PictureIntake

    def fingerprint(self, step: StoryStep, inputs: Files) -> str:
        """Return what equal steps have in common. Raises InvalidRequest for a model that is gone."""
        recipe = self.videos.recipe(_spec(step)) if step.is_video else ""
        return fingerprint(step, inputs, recipe)

    async def make(self, story: Story, step: StoryStep, inputs: Files, digest: str) -> Job:
        """Return the job of a step. Its pictures are in its folder then.

        Raises InvalidRequest if it cannot be made, Unavailable.
        """
        facts: dict[str, Any] = {"owner": story.owner, "digest": digest, "traceparent": story.traceparent}
        facts |= {"story_id": story.id, "step": step.name, "submitted_at": 0.0, "updated_at": 0.0}
        if step.is_video:
            return await self._video(job_id_of(story, step), step, inputs, facts)
        if step.uses not in self.types:
            raise InvalidRequest(f"there are no workers for the step type {step.uses}", field="uses")
        spec = StepSpec(
            step=step.uses, version=step.version, parameters=dict(step.parameters), inputs=dict(inputs)
        )
        job_id = job_id_of(story, step)
        return Job(id=job_id, kind=Kind.step, model=step.uses, lane=step.lane, spec=spec, **facts)

    async def _video(self, job_id: str, step: StoryStep, inputs: Files, facts: dict[str, Any]) -> Job:
        spec = _spec(step)
        spec = spec.model_copy(update=await self._pictures(job_id, spec, step, inputs))
        return Job(
            id=job_id,
            model=spec.model,
            lane=step.lane,
            spec=spec,
            spec_digest=self.videos.recipe(spec),
            **facts,
        )

    async def _pictures(
        self, job_id: str, spec: GenerationSpec, step: StoryStep, inputs: Files
    ) -> Mapping[str, Picture]:
        addresses = {name: files[0].uri for name, files in inputs.items() if files}
        if not addresses:
            return {}
        frame = Frame(spec.width, spec.height, Fit(step.parameters.get(FIT, Fit.crop)))
        (pictures,) = await self.pictures.take(addresses, frame, [_folder(job_id)], _ours)
        return pictures


def _folder(job_id: str) -> Folder:
    """Return where the pictures of a job are: the same place each time, with the same bytes."""
    return Folder(f"{job_prefix(job_id)}inputs/story/")


def _spec(step: StoryStep) -> GenerationSpec:
    return GenerationSpec.model_validate(
        {name: value for name, value in step.parameters.items() if name != FIT}
    )


async def _ours(_id: str) -> bool:
    """Allow every job and story: these files are of the story itself."""
    return True
