"""Serve `POST /v1/videos/sync`: make a video and answer with its file, as vLLM-Omni has it.

The job is one like any other: it is stored first, and it goes on if it outlasts the wait. Then the answer is
202 with the video as JSON and its Location, as it is at once with `Prefer: respond-async` and after N seconds
with `Prefer: wait=N`. Not a 504, which the SDKs answer with the same request again. A caller that disconnects
cancels its job, unless an Idempotency-Key lets it send the request again.
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from eventing.api.answers.content import stream_file
from eventing.api.answers.waiting import Gone, JobFailed, hold, preference
from eventing.api.dependencies import Container, ContainerDep
from eventing.api.requests.limits import RELEASE
from eventing.api.requests.origin import OpenAIOrigin
from eventing.api.videos import openai
from eventing.api.videos.routes import CREATE, created
from eventing.domain.job import Job

HELD_SECONDS = 600.0  # the longest wait; common proxies and SDKs cut a request after that
router = APIRouter(prefix="/v1/videos", tags=["openai videos"])


@router.post(
    "/sync",
    response_class=Response,
    openapi_extra=CREATE,
    responses={202: {"model": openai.Video, "description": "Not ended yet; it goes on."}},
)
async def sync(request: Request, container: ContainerDep, origin: OpenAIOrigin) -> Response:
    """Make a video, wait for it and return the MP4. After 600 s, or `Prefer: wait=N`, answer 202."""
    # Read by another Request: this one would keep the body, which may be a picture, as long as it waits.
    job, new = await created(Request(request.scope, request.receive), container, origin, most=1)
    request.scope[RELEASE]()
    try:
        is_repeatable = bool(origin.key) or not new
        job = await hold(container, request, job, _patience(request), is_repeatable=is_repeatable)
    except Gone:
        return Response(status_code=499)
    return await _file(job, container, request) if job.status.is_terminal else _unfinished(job, container)


def _patience(request: Request) -> float:
    is_async, wait = preference(request)
    return 0.0 if is_async and wait is None else min(HELD_SECONDS if wait is None else wait, HELD_SECONDS)


async def _file(job: Job, container: Container, request: Request) -> Response:
    if job.video_result is None:
        raise JobFailed(job)
    answer = await stream_file(container, request, job.video_result.video, f"{job.public_id}-video.mp4")
    answer.headers["Content-Location"] = f"{_path(job, container)}/content"
    return answer


def _unfinished(job: Job, container: Container) -> Response:
    shown = openai.video(job, container.prompts.warnings(job.video))
    headers = {
        "Location": f"/v1/videos/{job.public_id}",
        "Retry-After": "2",
        "openai-poll-after-ms": str(openai.poll_after_ms(job)),
    }
    return JSONResponse(shown.model_dump(mode="json"), 202, headers)


def _path(job: Job, container: Container) -> str:
    return f"{container.settings.path_prefix}/v1/videos/{job.public_id}"
