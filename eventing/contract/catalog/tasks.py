"""Name the tasks of a model: which diffusers pipeline makes a video from text, and which from pictures."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from eventing.contract.errors import InvalidRequest
from eventing.contract.records.models import Frozen, VideoRequest

AUTO = "auto"
PipelineClass = Annotated[str, Field(pattern=r"^(auto|[A-Z][A-Za-z0-9]{0,62}Pipeline)$")]
Need = Literal["required", "optional"]


class Task(StrEnum):
    """What a video is made from, beside the prompt."""

    text = "text"
    image = "image"  # its first frame
    first_last = "first_last"  # its first and its last frame


class Tasks(Frozen):
    """The diffusers class of each task that a model has. `auto` is the class that model_index.json names.

    `strength` says whether a request may tell how strictly the video keeps to a picture.
    """

    text: PipelineClass | None = None
    image: PipelineClass | None = None
    first_last: PipelineClass | None = None
    strength: bool = False

    @model_validator(mode="after")
    def _has_one(self) -> Self:
        if not self.pipelines():
            raise ValueError("must name a pipeline for text, image or first_last")
        if self.strength and not (self.image or self.first_last):
            raise ValueError("strength needs a pipeline for image or first_last")
        return self

    def pipelines(self) -> dict[Task, str]:
        """Return the class by task, for the tasks that the model has."""
        classes = {Task.text: self.text, Task.image: self.image, Task.first_last: self.first_last}
        return {task: name for task, name in classes.items() if name is not None}

    def inputs(self) -> dict[str, Need]:
        """Return the fields of a request that bring pictures, and whether the model needs them."""
        has = self.pipelines()
        needs: dict[str, Need] = {}
        if Task.image in has or Task.first_last in has:
            needs["image"] = "optional" if Task.text in has else "required"
        if Task.first_last in has:
            needs["last_image"] = "required" if set(has) == {Task.first_last} else "optional"
        if self.strength:
            needs["strength"] = "optional"
        return needs

    def choose(self, model: str, *, image: bool, last_image: bool) -> Task:
        """Return the task for the pictures of a request. Raises InvalidRequest naming the wrong field."""
        inputs = self.inputs()
        for field, is_sent in (("image", image), ("last_image", last_image)):
            if is_sent and field not in inputs:
                raise InvalidRequest(f"{model} takes no {field}; it takes {_words(inputs)}", field=field)
            if not is_sent and inputs.get(field) == "required":
                raise InvalidRequest(f"{model} makes videos from a picture; send {field}", field=field)
        if last_image and not image:
            raise InvalidRequest("a last_image needs an image, the first frame", field="last_image")
        task = Task.first_last if last_image else Task.image if image else Task.text
        if task not in self.pipelines():  # a model that makes videos from text or from two pictures
            raise InvalidRequest(f"{model} needs a last_image with an image", field="last_image")
        return task

    def check(self, model: str, request: VideoRequest) -> Task:
        """Return the task of a request. Raises InvalidRequest naming what does not go with its pictures."""
        task = self.choose(model, image=request.image is not None, last_image=request.last_image is not None)
        if request.strength is not None and not self.strength:
            raise InvalidRequest(f"{model} takes no strength", field="strength")
        for field in ("strength", "image_fit"):
            if task is Task.text and getattr(request, field) is not None:
                raise InvalidRequest(f"{field} is for a picture; send an image with it", field=field)
        return task


def _words(inputs: dict[str, Need]) -> str:
    return ", ".join(["a prompt", *inputs])
