"""Serve `/v1/videos`, the OpenAI Videos API: its SDKs work here with another base URL."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from eventing.api.answers.content import stream_file
from eventing.api.callers.auth import Owner
from eventing.api.dependencies import Container, ContainerDep
from eventing.api.requests.bodies import read_fields
from eventing.api.requests.origin import OpenAIOrigin
from eventing.api.videos import openai
from eventing.contract.catalog import CatalogEntry
from eventing.contract.errors import Conflict, ReelzeroError, StorageError, Unavailable
from eventing.contract.models import JOB_ID_PATTERN
from eventing.contract.pictures import FIELDS
from eventing.contract.results import StoredFile
from eventing.domain.job import Job, Status
from eventing.jobs import parse_request
from eventing.settings import pairs

router = APIRouter(prefix="/v1/videos", tags=["openai videos"])
VideoId = Annotated[str, Path(pattern=JOB_ID_PATTERN, description="The video's id, which is the job's.")]
After = Annotated[
    str | None, Query(pattern=JOB_ID_PATTERN, description="Last id seen; it may be deleted by now.")
]
FILES = {"video": "video", "thumbnail": "poster", "spritesheet": "spritesheet"}


def _body(model: str, example: dict[str, Any]) -> dict[str, Any]:
    schema = {"schema": {"$ref": f"#/components/schemas/{model}"}, "example": example}
    return {"requestBody": {"required": True, "content": dict.fromkeys(_MEDIA, schema)}}


_MEDIA = ("application/json", "multipart/form-data")
_CREATE = _body("VideoCreate", {"prompt": "a red circle moving right", "seconds": "4"})
_REMIX = _body("VideoRemix", {"prompt": "a blue circle moving right"})


@router.post("", openapi_extra=_CREATE)
async def create(
    request: Request, container: ContainerDep, origin: OpenAIOrigin, response: Response
) -> openai.Video:
    """Queue a video. The fields of the contract and all fields of `POST /v1/jobs` are accepted.

    With `n` the answer is the first video; its `group` names the others.
    """
    body = openai.parse(await read_fields(request, ("input_reference", *FIELDS)))
    request_ = openai.job_request(body, _entry(container, body.model))
    origin = replace(origin, callback_format=body.callback_format)
    try:
        job, _ = await container.jobs.submit(request_, origin)
    except ReelzeroError as error:
        error.field = openai.parameter_of(body, error.field)
        raise
    return _shown(job, container, response)


@router.get("")
async def page(
    container: ContainerDep, owner: Owner,
    after: After = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Literal["asc", "desc"] = "desc",
) -> openai.VideoPage:  # fmt: skip
    """List the caller's videos, newest first."""
    jobs, more = await container.job_store.page(owner, limit=limit, after=after, ascending=order == "asc")
    data = [_video(job, container) for job in jobs]
    ends = (data[0].id, data[-1].id) if data else (None, None)
    return openai.VideoPage(data=data, first_id=ends[0], last_id=ends[1], has_more=more)


@router.get("/{video_id}")
async def retrieve(
    video_id: VideoId, container: ContainerDep, owner: Owner, response: Response
) -> openai.Video:
    """Return one video. The header `openai-poll-after-ms` gives the SDKs the time of their next poll."""
    return _shown(await container.job_store.get(video_id, owner), container, response)


@router.get("/{video_id}/content", response_class=Response)
@router.head("/{video_id}/content", response_class=Response, include_in_schema=False)
async def content(
    video_id: VideoId, container: ContainerDep, owner: Owner, request: Request,
    variant: Literal["video", "thumbnail", "spritesheet"] = "video",
) -> Response:  # fmt: skip
    """Return the file, or the part of it that `Range` names."""
    job = await container.job_store.get(video_id, owner)
    if job.result is None:
        raise Conflict(f"video {job.public_id} is {openai.status_of(job)}; it has no content")
    file: StoredFile = getattr(job.result, FILES[variant])
    return await stream_file(container, request, file, f"{job.public_id}-{file.uri.rpartition('/')[2]}")


@router.delete("/{video_id}")
async def delete(video_id: VideoId, container: ContainerDep, owner: Owner) -> openai.VideoDeleted:
    """Delete a completed or failed video with its files."""
    try:
        await container.jobs.delete(video_id, owner)
    except StorageError as error:
        raise Unavailable("object storage cannot be reached", retry_after=5) from error
    return openai.VideoDeleted(id=video_id)


@router.post("/{video_id}/remix", openapi_extra=_REMIX)
async def remix(
    video_id: VideoId, request: Request, container: ContainerDep, origin: OpenAIOrigin, response: Response
) -> openai.Video:
    """Queue a completed video again with another prompt: same model, size, length and seed."""
    fields = await read_fields(request)
    source = await container.job_store.get(video_id, origin.owner)
    if source.status is not Status.completed:
        raise Conflict(
            f"video {source.public_id} is {openai.status_of(source)}; only a completed one is remixed"
        )
    body = openai.parse_remix(fields)
    request_ = parse_request(openai.remix_request(source, body.prompt))
    job, _ = await container.jobs.submit(request_, replace(origin, remixed_from=source.public_id))
    return _shown(job, container, response)


def _entry(container: Container, name: str | None) -> CatalogEntry:
    aliases = pairs(container.settings.model_aliases)
    return container.catalog.get(aliases.get(name, name) if name else container.served.default())


def _shown(job: Job, container: Container, response: Response) -> openai.Video:
    if not job.status.is_terminal:
        response.headers["openai-poll-after-ms"] = str(openai.poll_after_ms(job))
    return _video(job, container)


def _video(job: Job, container: Container) -> openai.Video:
    return openai.video(job, container.prompts.warnings(job.spec))
