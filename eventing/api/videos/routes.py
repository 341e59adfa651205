"""Serve `/v1/videos`, the OpenAI Videos API: its SDKs work here with another base URL."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from eventing.api.answers.content import stream_file
from eventing.api.answers.waiting import Gone, until_ended
from eventing.api.callers.auth import Owner
from eventing.api.dependencies import Container, ContainerDep
from eventing.api.requests.bodies import read_fields
from eventing.api.requests.origin import OpenAIOrigin
from eventing.api.videos import openai
from eventing.api.videos.models import VideoModels, video_models
from eventing.api.videos.submission import entry_of, submit
from eventing.contract.errors import Conflict, InvalidRequest, StorageError, Unavailable
from eventing.contract.records.models import JOB_ID_PATTERN
from eventing.contract.records.pictures import FIELDS
from eventing.contract.records.results import StoredFile
from eventing.domain.job import Job, Status
from eventing.drafts import Origin
from eventing.jobs import parse_request

router = APIRouter(prefix="/v1/videos", tags=["openai videos"])
VideoId = Annotated[str, Path(pattern=JOB_ID_PATTERN, description="The video's id, which is the job's.")]
After = Annotated[
    str | None, Query(pattern=JOB_ID_PATTERN, description="Last id seen; it may be deleted by now.")
]
FILES = {"video": "video", "thumbnail": "poster", "spritesheet": "spritesheet"}
CANCEL_SECONDS = 30.0  # a running job ends within a renewal of its lease and a denoising step


def _body(model: str, example: dict[str, Any]) -> dict[str, Any]:
    schema = {"schema": {"$ref": f"#/components/schemas/{model}"}, "example": example}
    return {"requestBody": {"required": True, "content": dict.fromkeys(_MEDIA, schema)}}


_MEDIA = ("application/json", "multipart/form-data")
CREATE = _body("VideoCreate", {"prompt": "a red circle moving right", "seconds": "4"})
_REMIX = _body("VideoRemix", {"prompt": "a blue circle moving right"})


@router.post("", openapi_extra=CREATE)
async def create(
    request: Request, container: ContainerDep, origin: OpenAIOrigin, response: Response
) -> openai.Video:
    """Queue a video. The fields of the contract and all fields of `POST /v1/jobs` are accepted.

    With `n` the answer is the first video; its `group` names the others.
    """
    job, _ = await created(request, container, origin)
    return _shown(job, container, response)


async def created(
    request: Request, container: Container, origin: Origin, most: int | None = None
) -> tuple[Job, bool]:
    """Submit the request in the body; return the job, and whether it is new. `most` limits `n`."""
    body = openai.parse(await read_fields(request, ("input_reference", *FIELDS)))
    if most is not None and body.n > most:
        raise InvalidRequest("n: the answer has one video; use POST /v1/videos for several", field="n")
    job_request = openai.job_request(body, entry_of(container, body.model))
    origin = replace(origin, callback_format=body.callback_format)
    return await submit(container, body, job_request, origin, openai.DIALECT)


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


@router.get("/models")
async def models(container: ContainerDep, _: Owner) -> VideoModels:
    """List the models and what each can make: OpenRouter's call, here too for clients of this base URL."""
    return video_models(container)


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


@router.post("/{video_id}/cancel")
async def cancel(
    video_id: VideoId, container: ContainerDep, owner: Owner, request: Request, response: Response
) -> openai.Video:
    """Cancel a video and return it. A running one ends within a denoising step; an ended one stays."""
    return _shown(await _cancelled(video_id, container, owner, request), container, response)


@router.delete("/{video_id}", responses={202: {"model": openai.VideoDeleted}})
async def delete(
    video_id: VideoId, container: ContainerDep, owner: Owner, request: Request, response: Response
) -> openai.VideoDeleted:
    """Delete a video with its files. One that waits or runs is cancelled first.

    If it has not ended within some seconds, the answer is 202 with `deleted: false`; send the call again.
    """
    job = await _cancelled(video_id, container, owner, request)
    if not job.status.is_terminal:
        response.status_code = 202
        return openai.VideoDeleted(id=video_id, deleted=False)
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


async def _cancelled(video_id: str, container: Container, owner: str, request: Request) -> Job:
    """Cancel a job and wait some seconds for its end. Raises NotFound."""
    job = await container.jobs.cancel(video_id, owner)
    try:
        return await until_ended(container.watchers, request, job, CANCEL_SECONDS)
    except Gone:
        return job  # the cancel stays


def _shown(job: Job, container: Container, response: Response) -> openai.Video:
    if not job.status.is_terminal:
        response.headers["openai-poll-after-ms"] = str(openai.poll_after_ms(job))
    return _video(job, container)


def _video(job: Job, container: Container) -> openai.Video:
    return openai.video(job, container.prompts.warnings(job.video))
