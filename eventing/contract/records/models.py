"""Define the records that both services exchange: requests, specs, progress, results, manifests, S3 keys.

Everything here is a frozen pydantic model: what crosses a wire is validated once, at the edge, and never
changed afterwards. Units are in the names or in the descriptions. The stream's records are in stream.py.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, Field, field_validator

from eventing.contract.http.urls import CallbackUrl
from eventing.contract.records.frozen import Frozen as Frozen  # noqa: PLC0414 - re-exported: the base of all records
from eventing.contract.records.frozen import Incoming as Incoming  # noqa: PLC0414 - the same
from eventing.contract.records.frozen import Received as Received  # noqa: PLC0414 - the same
from eventing.contract.records.loras import Lora, LoraChoices
from eventing.contract.records.pictures import FIELDS, Fit, Picture, PictureAddress, Strength
from eventing.contract.records.step_cache import StepCache

JOB_ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
PROMPT_LIMIT = 2000
SEED_LIMIT = 2**32 - 1
METADATA_LIMIT = 16
HIGHEST_PRIORITY = 3


class Quality(StrEnum):
    """Quality tiers. The catalog maps them to steps and guidance for each model."""

    turbo = "turbo"  # a few steps with an adapter that was trained for them; only some models have it
    low = "low"
    medium = "medium"
    high = "high"


class Status(StrEnum):
    """The state of a job."""

    queued = "queued"  # stored and acknowledged; waits for a slot or for its back-off
    in_progress = "in_progress"  # a dispatcher holds it under a lease
    completed = "completed"  # its result is in S3
    failed = "failed"  # no further attempt will be made
    cancelled = "cancelled"  # cancelled on request

    @property
    def is_terminal(self) -> bool:
        """Tell whether the job has ended."""
        return self in (Status.completed, Status.failed, Status.cancelled)


class Stage(StrEnum):
    """The stage of a job, in order. eventing reports the first two, the predictor the others."""

    queued = "queued"
    starting = "starting"  # waiting for a predictor: zero to one
    encode_prompt = "encode_prompt"
    denoise = "denoise"
    decode = "decode"
    encode_video = "encode_video"
    upload = "upload"
    # Of a model whose videos an engine makes, instead of encode_prompt, denoise and decode:
    engine_queue = "engine_queue"  # the engine has the job in its own queue
    generate = "generate"  # the engine makes the video
    download = "download"  # the predictor fetches the video from the engine


def _has_words(prompt: str) -> str:
    if not prompt.strip():
        raise ValueError("must contain at least one word")
    return prompt


def _is_text(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not contain NUL characters")
    return text


Text = Annotated[str, Field(max_length=PROMPT_LIMIT), AfterValidator(_is_text)]
Prompt = Annotated[
    str, Field(min_length=1, max_length=PROMPT_LIMIT), AfterValidator(_is_text), AfterValidator(_has_words)
]
Pixels = Annotated[int, Field(ge=16, le=8192)]
Frames = Annotated[int, Field(ge=1, le=10_000)]
FrameRate = Annotated[int, Field(ge=1, le=120)]  # frames per second
Seed = Annotated[int, Field(ge=0, le=SEED_LIMIT)]
Steps = Annotated[int, Field(ge=1, le=500)]
Guidance = Annotated[float, Field(ge=0, le=50, allow_inf_nan=False)]
Shift = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]


class VideoRequest(Incoming):
    """A caller's request for a video. The model's catalog entry fills the fields that are absent."""

    prompt: Prompt = Field(description="What the video shows.")
    model: str | None = Field(
        None, max_length=64, description="Catalog name; the deployment's default if absent."
    )
    negative_prompt: Text | None = Field(
        None, description="What it should not show; the model's own text if absent, nothing if empty."
    )
    width: Pixels | None = Field(None, description="Pixels.")
    height: Pixels | None = Field(None, description="Pixels.")
    num_frames: Frames | None = Field(None, description="Frames; each model has its rule.")
    fps: FrameRate | None = Field(None, description="Frame rate of the file, frames per second.")
    seed: Seed | None = Field(None, description="Same seed, same frames.")
    quality: Quality = Quality.medium
    num_inference_steps: Steps | None = Field(None, description="Overrides the tier.")
    guidance_scale: Guidance | None = Field(None, description="Overrides the tier.")
    guidance_scale_2: Guidance | None = Field(
        None, description="The same for the second transformer, of models that have two."
    )
    loras: LoraChoices | None = Field(
        None, description="Adapters of the model, each with a scale; those of the tier are added."
    )
    image: PictureAddress | None = Field(
        None, description="First frame: https://, s3:// or data: address; a file in a multipart form."
    )
    last_image: PictureAddress | None = Field(None, description="Last frame, with `image`; the same forms.")
    image_fit: Fit | None = Field(
        None, description="How a picture of another shape is fitted; crop if absent."
    )
    strength: Strength | None = Field(
        None, description="How much the video keeps of the picture, where the model has it."
    )

    generate_audio: bool | None = Field(
        None, description="Whether the video has sound, of a model that makes it; true if absent."
    )

    def pictures(self) -> dict[str, str]:
        """Return the addresses of the pictures, by field."""
        return {name: address for name in FIELDS if (address := getattr(self, name)) is not None}


class JobRequest(VideoRequest):
    """A video request with the fields of its job: lane, webhook, deadline, number of videos, metadata."""

    lane: str | None = Field(
        None, pattern=r"^[a-z][a-z0-9-]{0,31}$", description="Queue lane, such as short or long."
    )
    callback_url: CallbackUrl | None = Field(
        None, description="http(s) URL that receives the signed webhook when the job ends."
    )
    start_within_seconds: float | None = Field(
        None,
        gt=0,
        le=30 * 86400,
        allow_inf_nan=False,
        description="Fail the job if it has not started by then.",
    )
    n: int = Field(
        1,
        ge=1,
        description="Videos to make, one job each, with the seeds s, s+1, …; more than one are a group.",
    )
    priority: int = Field(
        0,
        ge=0,
        le=HIGHEST_PRIORITY,
        description="Take turns in the queue as priority + 1 owners would, as far as the API key allows it.",
    )
    reuse: bool = Field(
        False,
        description="Take the finished result of an equal request of yours, if there is one. Needs a seed.",
    )
    metadata: dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]] = Field(
        default_factory=dict, max_length=METADATA_LIMIT, description="Returned with the job and its events."
    )

    @field_validator("metadata", mode="before")
    @classmethod
    def _is_small(cls, metadata: Any) -> Any:
        if isinstance(metadata, dict) and len(metadata) > METADATA_LIMIT:
            raise ValueError(f"must have at most {METADATA_LIMIT} entries")
        return metadata


class GenerationSpec(Frozen):
    """A VideoRequest with every field filled by the catalog."""

    prompt: Prompt
    negative_prompt: Text
    model: str
    width: Pixels
    height: Pixels
    num_frames: Frames
    fps: FrameRate
    seed: Seed
    quality: Quality
    num_inference_steps: Steps
    guidance_scale: Guidance
    guidance_scale_2: Guidance | None = None
    flow_shift: Shift | None = Field(None, description="Of the tier; none: the model's own.")
    step_cache: StepCache | None = Field(None, description="Of the tier; none: every step is computed.")
    loras: tuple[Lora, ...] | None = Field(None, description="Adapters that are on; null if none is.")
    image: Picture | None = Field(None, description="First frame.")
    last_image: Picture | None = None
    strength: Strength | None = None
    generate_audio: bool | None = Field(
        None, description="Whether the video has sound; null if the model makes none."
    )

    def pictures(self) -> dict[str, Picture]:
        """Return the pictures, by field."""
        return {name: picture for name in FIELDS if (picture := getattr(self, name)) is not None}


class Failure(Received):
    """Why an attempt or a job failed. `code` is from eventing.contract.errors; `message` is for people."""

    code: str
    message: str
    retryable: bool = False


FLOORS = {  # percent of a job that is done when a stage begins
    Stage.encode_prompt: 2,
    Stage.engine_queue: 2,
    Stage.generate: 5,
    Stage.decode: 85,
    Stage.download: 85,
    Stage.encode_video: 92,
    Stage.upload: 96,
}


class Progress(Received):
    """How far a job is."""

    stage: Stage
    step: int = Field(0, ge=0, description="Step within the stage.")
    total_steps: int = Field(0, ge=0, description="Steps of the stage; 0 if it has none.")
    elapsed_seconds: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="Since the predictor took the job."
    )
    preview_step: int | None = Field(
        None, ge=0, description="Step of the latest preview, a small picture; null if there is none."
    )

    def bounded(self) -> Progress:
        """Return the progress with no step past the last, since some schedulers take more than announced."""
        step = min(self.step, self.total_steps) if self.total_steps else self.step
        return self.model_copy(update={"step": step})

    def percent(self) -> int:
        """Return the share of the job that is done, in percent. Denoising is the part from 5 to 85."""
        if self.stage in (Stage.denoise, Stage.generate) and self.total_steps:
            return 5 + round(80 * min(self.step, self.total_steps) / self.total_steps)
        return FLOORS.get(self.stage, 0)
