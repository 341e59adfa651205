"""Translate between OpenRouter's video contract and jobs: requests in, views out. Pure functions.

Source: OpenRouter's reference and its generated Python SDK. A length is `duration` in whole seconds, a shape
is `resolution` and `aspect_ratio` or an exact `size`. `expired` is a job that had not started by its
deadline.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from eventing.api.videos.dialect import Dialect, Parameter
from eventing.api.videos.pictures import FrameImages, Reference, in_text, of_frames, single
from eventing.api.videos.shapes import check_names, exact_size, frames_of, named_size
from eventing.contract.catalog import CatalogEntry
from eventing.contract.codecs.validation import validated
from eventing.contract.errors import InvalidRequest
from eventing.contract.records.models import Frozen, Incoming, JobRequest, Status
from eventing.domain.callbacks import (
    OpenRouterStatus,
    openrouter_address,
    openrouter_files,
    openrouter_status,
)
from eventing.domain.job import Job

SLUG = "reelzero"  # of provider.options; those of other providers are for others
HINTS = {"size": "must be width x height, such as 1280x720"}
DIALECT = Dialect(
    parameters=(
        Parameter("duration", ("num_frames",), "seconds; the nearest number of frames that the model makes"),
        Parameter("size", ("width", "height"), "exactly one of the model's sizes"),
        Parameter("resolution", ("width", "height"), "the first of the model's sizes with this short side"),
        Parameter("aspect_ratio", ("width", "height"), "the first of the model's sizes with this ratio"),
        Parameter("frame_images", ("image", "last_image"), "the picture of each `frame_type`"),
        Parameter("input_references", ("image",), "one picture is the first frame, with a warning"),
        Parameter("provider", (), f"`options.{SLUG}` holds fields of a job request"),
        Parameter("user", ("metadata",), "the entry `user`"),
        Parameter("session_id", ("metadata",), "the entry `session_id`"),
    ),
    elsewhere={
        "seconds": "here it is duration",
        "input_reference": "here it is frame_images",
        "trace": "send metadata, which returns with the job and its events, or the header traceparent",
        "previous_job_id": "no model here continues a video; POST /v1/videos/{id}/remix makes it again",
        "creativity": "no model here enlarges a video; choose a resolution or a size",
        "upscale_factor": "no model here enlarges a video; choose a resolution or a size",
    },
    renames=True,
)
REFERENCE = "input_references: no model here takes a picture as a style; it became the first frame"
IGNORED = "input_references: left out, since frame_images go before them"


class InputReference(Incoming):
    """One entry of `input_references`: a picture. Sound and videos are no input of any model here."""

    type: Literal["image_url"] = "image_url"
    image_url: Reference


class Provider(Incoming):
    """`provider`: options by provider. Those of other providers are left out, as the contract has it."""

    options: dict[str, dict[str, Any]] = Field(default_factory=dict)


class VideoGenerationRequest(JobRequest):
    """`POST /api/v1/videos`: the fields of the contract, and all fields of `POST /v1/jobs`."""

    duration: Annotated[int, Field(ge=1, le=3600)] | None = Field(
        None, description="Seconds; the nearest length that the model can make."
    )
    resolution: str | None = Field(None, max_length=8, description="Short side, such as 720p, or 1K, 2K, 4K.")
    aspect_ratio: str | None = Field(None, max_length=8, description="Width to height, such as 16:9.")
    size: Annotated[str, Field(pattern=r"^\d{2,4}x\d{2,4}$")] | None = Field(
        None, description="Width x height, in place of resolution and aspect_ratio."
    )
    frame_images: FrameImages = Field((), description="First and last frame by `frame_type`.")
    input_references: Annotated[tuple[InputReference, ...], Field(max_length=16, fail_fast=True), in_text] = (
        Field((), description="One picture, which becomes the first frame: no model here takes a style.")
    )
    provider: Provider | None = Field(
        None, description=f"`options.{SLUG}`: fields of `POST /v1/jobs`; options of others are left out."
    )
    user: Annotated[str, Field(min_length=1, max_length=512)] | None = Field(
        None, description="Your end user; kept as `metadata.user`."
    )
    session_id: Annotated[str, Field(min_length=1, max_length=256)] | None = Field(
        None, description="Kept as `metadata.session_id`."
    )
    callback_format: Literal["openrouter", "openai", "cloudevents"] = Field(
        "openrouter", description="Body of the webhook to callback_url."
    )


class VideoGeneration(Frozen):
    """A job as the contract shows it; fields without a value are left out."""

    id: str
    polling_url: str
    status: OpenRouterStatus
    generation_id: str
    model: str
    unsigned_urls: list[str] | None = Field(None, description="The file; it needs the same API key.")
    expires_at: int | None = Field(None, description="Unix seconds when the files will be deleted.")
    error: str | None = None
    group: str | None = Field(None, description="Not in the contract: the group of a request with `n`.")
    warnings: tuple[str, ...] | None = Field(
        None, description="Not in the contract: what of the request was left out or read another way."
    )


def parse(fields: dict[str, Any]) -> VideoGenerationRequest:
    """Return the request, with the fields of provider.options. Raises InvalidRequest naming the field."""
    DIALECT.check_known(fields)
    body = validated(VideoGenerationRequest, fields, HINTS)
    options = body.provider.options.get(SLUG, {}) if body.provider else {}
    if twice := next((name for name in options if name in fields), None):
        message = f"{twice} and provider.options.{SLUG}.{twice} say the same; give one of them"
        raise InvalidRequest(message, field=twice)
    return validated(VideoGenerationRequest, {**fields, **options}, HINTS) if options else body


def job_request(body: VideoGenerationRequest, entry: CatalogEntry) -> JobRequest:
    """Return the job request. Raises InvalidRequest for what the model cannot make."""
    own = DIALECT.names | {"callback_format"}
    fields = body.model_dump(exclude=own, exclude_unset=True) | {"model": entry.name} | _pictures(body)
    if size := _size(body, entry):
        fields["width"], fields["height"] = size
    DIALECT.check_single(body, ("duration", "size", "resolution", "aspect_ratio"))
    if body.duration is not None:
        fields["num_frames"] = frames_of(body.duration, body.fps or entry.fps, entry, "duration")
    labels = {"user": body.user, "session_id": body.session_id}
    if sent := {name: value for name, value in labels.items() if value is not None}:
        fields["metadata"] = sent | body.metadata
    return validated(JobRequest, fields)


def remarks(body: VideoGenerationRequest) -> tuple[str, ...]:
    """Return what the caller should know about how the request was read."""
    if not body.input_references:
        return ()
    return (IGNORED,) if body.frame_images else (REFERENCE,)


def generation(job: Job, base: str, warnings: tuple[str, ...]) -> VideoGeneration:
    """Return the contract's view of a job. `base` is the public address of the service."""
    address = openrouter_address(job, base)
    has_failed = job.status in (Status.failed, Status.cancelled)
    return VideoGeneration(
        id=job.public_id,
        polling_url=address,
        status=openrouter_status(job),
        generation_id=job.public_id,
        model=job.model,
        unsigned_urls=openrouter_files(job, base) if job.result else None,
        expires_at=int(job.expires_at) if job.result and job.expires_at else None,
        error=job.error.message if job.error and has_failed else None,
        group=job.group_id,
        warnings=warnings or None,
    )


def _size(body: VideoGenerationRequest, entry: CatalogEntry) -> tuple[int, int] | None:
    check_names(body.resolution, body.aspect_ratio)
    if body.size is None:
        return named_size(body.resolution, body.aspect_ratio, entry)
    for name in ("resolution", "aspect_ratio"):
        if getattr(body, name) is not None:
            raise InvalidRequest(f"size and {name} say the same; give one of them", field="size")
    return exact_size(body.size, entry)


def _pictures(body: VideoGenerationRequest) -> dict[str, str]:
    """Return the pictures under their names in a job request. frame_images go before references."""
    own = [(field, field, getattr(body, field)) for field in ("image", "last_image")]
    if body.frame_images or not body.input_references:
        return single([*own, *of_frames(body.frame_images)])
    if len(body.input_references) > 1:
        raise InvalidRequest(
            "input_references: no model here takes several pictures as a style;"
            " send one, or the first and the last frame in frame_images",
            field="input_references",
        )
    return single([*own, ("image", "input_references", body.input_references[0].image_url)])
