"""Resolve the video steps of a story by the catalog: their specs, lanes and expected seconds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from pydantic import Field

from eventing.contract.catalog import Catalog
from eventing.contract.codecs.validation import validated
from eventing.contract.errors import InvalidRequest
from eventing.contract.records.models import GenerationSpec, VideoRequest
from eventing.contract.records.pictures import FIELDS
from eventing.contract.stories.document import StepRequest
from eventing.contract.stories.graph import VIDEO, ResolveVideo, Step, Video
from eventing.domain.estimate import Expected
from eventing.domain.reuse import spec_digest
from eventing.served import Served

# What tells how long videos of some models take, made of those that ended last. Raises Unavailable.
History = Callable[[Iterable[str]], Awaitable[Callable[[GenerationSpec], Expected]]]
UNKNOWN_SECONDS = 60.0  # of a video of a model that has made none, and whose catalog entry expects nothing
NOT_YET = "s3://later/picture"  # stands for a picture that a step makes, or that is fetched later


class VideoParameters(VideoRequest):
    """The parameters of a video step: those of a video, and the lane of its job. Pictures are inputs."""

    lane: str | None = Field(None, pattern=r"^[a-z][a-z0-9-]{0,31}$")


class VideoSteps:
    """What the catalog, the endpoints and the jobs that ended last say of video steps."""

    def __init__(self, catalog: Catalog, served: Served, history: History) -> None:
        self._catalog = catalog
        self._served = served
        self._history = history

    async def resolver(self, requests: Iterable[StepRequest]) -> ResolveVideo:
        """Return what resolves the video steps among these. Raises Unavailable."""
        models = {self._model(request.parameters) for request in requests if request.uses == VIDEO}
        expect = await self._history(models & set(self._catalog.names()))

        def resolve(parameters: Mapping[str, Any], pictures: frozenset[str]) -> Video:
            request = _request(parameters, pictures)
            spec = self._catalog.get(request.model or self._served.default()).resolve(request)
            self._served.lane(spec.model, spec.num_frames, request.lane)
            return Video(spec, expect(spec).seconds or UNKNOWN_SECONDS)

        return resolve

    def parameters(self, step: Step, seed: int | None) -> dict[str, Any]:
        """Return what a video step makes: its whole spec, and how pictures are fitted."""
        assert step.video is not None  # noqa: S101 - only a video step comes here
        fields = step.video.spec.model_dump(mode="json", exclude_none=True)
        fields |= {} if seed is None else {"seed": seed}
        pictures = frozenset(step.request.inputs) & set(FIELDS)
        fit = {"image_fit": step.request.parameters.get("image_fit") or "crop"} if pictures else {}
        return fields | fit

    def lane(self, step: Step) -> str:
        """Return the lane of the job of a video step."""
        assert step.video is not None  # noqa: S101 - only a video step comes here
        spec = step.video.spec
        return self._served.lane(spec.model, spec.num_frames, step.request.parameters.get("lane"))

    def recipe(self, spec: GenerationSpec) -> str:
        """Return what makes the frames of a spec, beside its pictures: the model's entry, the release."""
        return spec_digest(spec, self._catalog.get(spec.model))

    def _model(self, parameters: Mapping[str, Any]) -> str:
        model = parameters.get("model")
        if model is None:
            return self._served.default()
        return model if isinstance(model, str) else ""


def _request(parameters: Mapping[str, Any], pictures: frozenset[str]) -> VideoParameters:
    for field in FIELDS:
        if field in parameters:
            raise InvalidRequest(f"{field}: is an input of the step; name it under inputs", field=field)
    later = {name: NOT_YET for name in pictures if name in FIELDS}
    return validated(VideoParameters, {**parameters, **later}, whole="with")
