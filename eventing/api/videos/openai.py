"""Translate between the OpenAI Videos contract and jobs: requests in, views out. Pure functions.

Source: the generated types of the official Python and Node SDKs, and the extensions of SGLang-Diffusion and
vLLM-Omni, most of which have the names of a job's own fields. `status` is one of queued, in_progress,
completed and failed, so a cancelled job shows as failed with the code `cancelled`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from eventing.api.videos.dialect import Dialect, Parameter
from eventing.api.videos.pictures import FrameImages, Reference, of_frames, single
from eventing.api.videos.shapes import exact_size, frames_of
from eventing.contract.catalog import CatalogEntry
from eventing.contract.codecs.validation import validated
from eventing.contract.records.loras import LoraChoice, from_text
from eventing.contract.records.models import Frozen, Incoming, JobRequest
from eventing.domain.job import Job, Status

HINTS = {
    "seconds": 'must be a number of seconds as text, such as "4"',
    "size": "must be width x height, such as 64x64",
}
DIALECT = Dialect(
    parameters=(
        Parameter("seconds", ("num_frames",), "the nearest number of frames that the model makes"),
        Parameter("size", ("width", "height"), "exactly one of the model's sizes"),
        Parameter("input_reference", ("image",), "the first frame, where the model takes one"),
        Parameter("frame_images", ("image", "last_image"), "the picture of each `frame_type`"),
        Parameter("lora", ("loras",), "a list of one"),
        Parameter("generate_sound", ("generate_audio",), "the same value"),
        Parameter("user", ("metadata",), "the entry `user`"),
    ),
    elsewhere={
        "duration": "here it is seconds; OpenRouter's fields are taken by POST /api/v1/videos",
        "resolution": "here it is size; OpenRouter's fields are taken by POST /api/v1/videos",
        "aspect_ratio": "here it is size; OpenRouter's fields are taken by POST /api/v1/videos",
        "input_references": "here it is input_reference, the first frame",
        "image_reference": "here it is input_reference, the first frame",
    },
)
SYNONYMS = ("size", "seconds", "lora", "generate_sound")  # pictures have a message of their own
POLL_FASTEST_MS, POLL_SLOWEST_MS = 500, 10_000


def _text(value: Any) -> Any:
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else value


Seconds = Annotated[str, BeforeValidator(_text), Field(pattern=r"^\d{1,4}(\.\d{1,3})?$")]
Size = Annotated[str, Field(pattern=r"^\d{2,4}x\d{2,4}$")]
User = Annotated[str, Field(min_length=1, max_length=512)]


class VideoCreate(JobRequest):
    """`POST /v1/videos`: the fields of the contract, and all fields of `POST /v1/jobs`."""

    seconds: Seconds | None = Field(None, description="Length; the nearest the model can make.")
    size: Size | None = Field(None, description="Width x height, exactly one of the model's sizes.")
    input_reference: Reference | None = Field(
        None, description="First frame: a file in a form, an address, or {image_url}; the same as `image`."
    )
    frame_images: FrameImages = Field(
        (), description="First and last frame by `frame_type`; as `image` and `last_image`."
    )
    lora: Annotated[LoraChoice, BeforeValidator(from_text)] | None = Field(
        None, description="One adapter; the same as a list of one in `loras`."
    )
    generate_sound: bool | None = Field(None, description="The same as `generate_audio`.")
    user: User | None = Field(None, description="Your end user; kept as `metadata.user`.")
    callback_format: Literal["openai", "cloudevents"] = Field(
        "openai", description="Body of the webhook to callback_url."
    )


class VideoRemix(Incoming):
    """`POST /v1/videos/{id}/remix`."""

    prompt: str = Field(description="The new prompt; everything else stays, the seed too.")


class VideoError(Frozen):
    """Why a video failed."""

    code: str
    message: str


class Video(Frozen):
    """A job as the contract shows it. Times are Unix seconds."""

    id: str
    object: Literal["video"] = "video"
    model: str
    status: Literal["queued", "in_progress", "completed", "failed"]
    progress: int = Field(ge=0, le=100)
    created_at: int
    completed_at: int | None
    expires_at: int | None
    prompt: str
    seconds: str
    size: str
    remixed_from_video_id: str | None
    error: VideoError | None
    group: str | None = Field(
        description="Not in the contract: id of the group, if the request was for several videos (`n`)."
    )
    reused_from_video_id: str | None = Field(
        description="Not in the contract: the video whose files were copied (`reuse`)."
    )
    warnings: tuple[str, ...] = Field(
        description="Not in the contract: what of the request the model will not see."
    )


class VideoPage(Frozen):
    """A page of videos; `last_id` goes into `after` for the next one."""

    object: Literal["list"] = "list"
    data: list[Video]
    first_id: str | None
    last_id: str | None
    has_more: bool


class VideoDeleted(Frozen):
    """The answer to a deletion."""

    id: str
    object: Literal["video.deleted"] = "video.deleted"
    deleted: bool = True


def parse(fields: dict[str, Any]) -> VideoCreate:
    """Return the request. Raises InvalidRequest naming the parameter."""
    DIALECT.check_known(fields)
    return validated(VideoCreate, fields, HINTS)


def parse_remix(fields: dict[str, Any]) -> VideoRemix:
    """Return the request. Raises InvalidRequest naming the parameter."""
    return validated(VideoRemix, fields)


def job_request(body: VideoCreate, entry: CatalogEntry) -> JobRequest:
    """Return the job request. Raises InvalidRequest for a size or length that the model cannot make."""
    own = DIALECT.names | {"callback_format"}
    fields = body.model_dump(exclude=own, exclude_unset=True) | {"model": entry.name} | _pictures(body)
    DIALECT.check_single(body, SYNONYMS)
    if body.size is not None:
        fields["width"], fields["height"] = exact_size(body.size, entry)
    if body.seconds is not None:
        fields["num_frames"] = frames_of(float(body.seconds), body.fps or entry.fps, entry, "seconds")
    if body.lora is not None:
        fields["loras"] = [body.lora]
    if body.generate_sound is not None:
        fields["generate_audio"] = body.generate_sound
    if body.user is not None:
        fields["metadata"] = {"user": body.user} | body.metadata
    return validated(JobRequest, fields)


def remix_request(source: Job, prompt: str) -> dict[str, Any]:
    """Return the fields of a job like `source`, seed and pictures included, with a new prompt."""
    addresses = {field: picture.uri for field, picture in source.video.pictures().items()}
    fields = source.video.model_dump(mode="json", exclude={"flow_shift", "step_cache"})  # of the tier
    return fields | addresses | {"prompt": prompt}


def status_of(job: Job) -> str:
    """Return a job's status in the words of the contract, which has none for a cancelled one."""
    return "failed" if job.status is Status.cancelled else job.status.value


def video(job: Job, warnings: tuple[str, ...]) -> Video:
    """Return the contract's view of a job."""
    is_failed = job.status in (Status.failed, Status.cancelled)
    return Video(
        id=job.public_id,
        model=job.model,
        status=status_of(job),
        progress=job.percent,
        created_at=int(job.submitted_at),
        completed_at=None if job.completed_at is None else int(job.completed_at),
        expires_at=None if job.expires_at is None else int(job.expires_at),
        prompt=job.video.prompt,
        seconds=f"{job.video.num_frames / job.video.fps:.3f}".rstrip("0").rstrip("."),
        size=f"{job.video.width}x{job.video.height}",
        remixed_from_video_id=job.remixed_from,
        error=VideoError(code=job.error.code, message=job.error.message) if is_failed and job.error else None,
        group=job.group_id,
        reused_from_video_id=job.reused_from,
        warnings=warnings,
    )


def poll_after_ms(job: Job) -> int:
    """Return when to poll again: after about a tenth of the time that the job probably still needs."""
    percent = job.progress.percent()
    if not percent:
        return 2 * POLL_FASTEST_MS
    left = job.progress.elapsed_seconds * (100 - percent) / percent
    return int(min(max(left * 100, POLL_FASTEST_MS), POLL_SLOWEST_MS))


def _pictures(body: VideoCreate) -> dict[str, str]:
    """Return the pictures under their names in a job request. Raises InvalidRequest for one sent twice."""
    own = [(field, field, getattr(body, field)) for field in ("image", "last_image")]
    return single([*own, ("image", "input_reference", body.input_reference), *of_frames(body.frame_images)])
