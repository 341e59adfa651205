"""Serve `/api/v1/videos`, OpenRouter's video API: its SDKs work here with the server URL `…/api/v1`.

The path has OpenRouter's prefix, since `POST /v1/videos` is OpenAI's. Videos are the same at all doors.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from eventing.api.answers.content import stream_file
from eventing.api.callers.auth import Owner
from eventing.api.dependencies import Container, ContainerDep
from eventing.api.requests.bodies import read_object
from eventing.api.requests.origin import OpenRouterOrigin
from eventing.api.videos import openrouter
from eventing.api.videos.models import VideoModels, video_models
from eventing.api.videos.submission import entry_of, submit
from eventing.contract.errors import Conflict, NotFound
from eventing.contract.records.models import JOB_ID_PATTERN
from eventing.domain.callbacks import openrouter_status
from eventing.domain.job import Job

router = APIRouter(prefix="/api/v1/videos", tags=["openrouter videos"])
JobId = Annotated[str, Path(alias="jobId", pattern=JOB_ID_PATTERN, description="The job's id.")]
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/VideoGenerationRequest"},
                "example": {"prompt": "a red circle moving right", "duration": 2, "aspect_ratio": "1:1"},
            }
        },
    }
}


@router.post("", status_code=202, response_model_exclude_none=True, openapi_extra=_BODY)
async def generate(
    request: Request, container: ContainerDep, origin: OpenRouterOrigin
) -> openrouter.VideoGeneration:
    """Queue a video; `polling_url` tells how it goes. All fields of `POST /v1/jobs` are accepted too."""
    body = openrouter.parse(await read_object(request))
    job_request = openrouter.job_request(body, entry_of(container, body.model))
    origin = replace(origin, callback_format=body.callback_format)
    job, _ = await submit(container, body, job_request, origin, openrouter.DIALECT)
    return _shown(job, container, openrouter.remarks(body))


@router.get("/models")
async def models(container: ContainerDep, _: Owner) -> VideoModels:
    """List the models and what each can make."""
    return video_models(container)


@router.get("/{jobId}", response_model_exclude_none=True)
async def poll(job_id: JobId, container: ContainerDep, owner: Owner) -> openrouter.VideoGeneration:
    """Return how a video goes, and where its file is once it is completed."""
    return _shown(await container.job_store.get(job_id, owner), container)


@router.get("/{jobId}/content", response_class=Response)
@router.head("/{jobId}/content", response_class=Response, include_in_schema=False)
async def content(
    job_id: JobId, container: ContainerDep, owner: Owner, request: Request,
    index: Annotated[int, Query(ge=0, description="0: a job here makes one video.")] = 0,
) -> Response:  # fmt: skip
    """Return the file, or the part of it that `Range` names."""
    job = await container.job_store.get(job_id, owner)
    if job.video_result is None:
        raise Conflict(f"video {job.public_id} is {openrouter_status(job)}; it has no content")
    if index:
        raise NotFound(f"video {job.public_id} has one file, of index 0", field="index")
    return await stream_file(container, request, job.video_result.video, f"{job.public_id}-video.mp4")


def _shown(job: Job, container: Container, remarks: tuple[str, ...] = ()) -> openrouter.VideoGeneration:
    base = container.settings.public_url.rstrip("/")
    return openrouter.generation(job, base, remarks + container.prompts.warnings(job.video))
