"""Define what a caller sends to have a story made: steps by name, or scenes that become steps."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from eventing.contract.http.urls import CallbackUrl
from eventing.contract.records.models import METADATA_LIMIT, FrameRate, Incoming, Pixels, Prompt
from eventing.contract.stories.types import Name

STEP_LIMIT = 500
SCENE_LIMIT = 100
INPUT_LIMIT = 200  # files of one input
OUTPUT = re.compile(r"^([a-z][a-z0-9_-]{0,62})\.([a-z][a-z0-9_-]{0,62})$")
ADDRESS = re.compile(r"^(?:(https?|s3)://|data:)")
LONGEST = 2048  # characters of a source that is not the file itself


def _is_source(text: str) -> str:
    if not (OUTPUT.match(text) or ADDRESS.match(text)):
        raise ValueError(
            "must be an output of a step, such as voice.speech, or an address (https, s3 or data)"
        )
    if not text.startswith("data:") and len(text) > LONGEST:
        raise ValueError(f"an address may have {LONGEST} characters at most")
    return text


def _form(value: Any) -> str:
    return ONE if isinstance(value, str) else MANY


Source = Annotated[str, AfterValidator(_is_source)]
ONE, MANY = "one", "many"  # forms of an input, which pydantic puts into the paths of errors
Sources = Annotated[
    Annotated[Source, Tag(ONE)] | Annotated[tuple[Source, ...], Field(max_length=INPUT_LIMIT), Tag(MANY)],
    Discriminator(_form),
]


class StepRequest(Incoming):
    """One step: its type, its parameters, and where its inputs come from."""

    uses: str = Field(max_length=64, description="A step type, or `video`.")
    parameters: dict[str, Any] = Field(default_factory=dict, alias="with")
    inputs: dict[Name, Sources] = Field(default_factory=dict)

    def sources(self, name: str) -> tuple[str, ...]:
        """Return where an input comes from; nothing if it is left out."""
        given = self.inputs.get(name, ())
        return (given,) if isinstance(given, str) else given


class Scene(Incoming):
    """One scene of the short form: a video of a prompt, or a picture, with what is said over it."""

    prompt: Prompt | None = None
    image: Source | None = Field(None, description="The video of a prompt begins with it.")
    narration: str | None = Field(None, min_length=1, max_length=5000)
    title: str | None = Field(None, min_length=1, max_length=500, description="Instead of prompt and image.")
    seconds: float | None = Field(None, gt=0, le=600, description="As long as the narration if absent.")
    transition: float = Field(0, ge=0, le=10, description="Seconds of crossfade to the next scene; 0: a cut.")
    parameters: dict[str, Any] = Field(default_factory=dict, alias="with", description="Of the video.")

    @model_validator(mode="after")
    def _shows_something(self) -> Self:
        shown = bool(self.prompt or self.image) + bool(self.title)
        if shown != 1:
            raise ValueError("needs a prompt, an image or both; or a title alone")
        return self


class Film(Incoming):
    """What holds for all scenes of the short form."""

    model: str | None = Field(None, max_length=64)
    width: Pixels | None = None
    height: Pixels | None = None
    fps: FrameRate | None = None
    voice: str | None = Field(None, max_length=32)
    music: Source | None = None
    subtitles: Literal["file", "burnt", "none"] = "file"
    template: Name = "film"


class StoryRequest(Incoming):
    """A story: `steps`, or `scenes` with `film`."""

    steps: dict[Name, StepRequest] = Field(default_factory=dict, max_length=STEP_LIMIT)
    scenes: tuple[Scene, ...] = Field((), max_length=SCENE_LIMIT)
    film: Film = Film()
    metadata: dict[str, str] = Field(default_factory=dict, max_length=METADATA_LIMIT)
    callback_url: CallbackUrl | None = None

    @model_validator(mode="after")
    def _has_one_form(self) -> Self:
        if bool(self.steps) == bool(self.scenes):
            raise ValueError("needs either steps or scenes")
        return self
