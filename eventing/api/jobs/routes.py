"""Serve `/v1/jobs`: submit, read, list, cancel, retry, fetch the result (progress.py follows a job)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from eventing.api.answers.content import stream_file, stream_manifest
from eventing.api.callers.auth import Owner, carries_credentials
from eventing.api.dependencies import Container, ContainerDep
from eventing.api.jobs.estimates import EstimateView, estimate_view
from eventing.api.jobs.views import GroupView, JobPage, JobView, group_view, job_view
from eventing.api.requests.bodies import JobBody
from eventing.api.requests.origin import DryRun, PutOrigin, RestOrigin, SubmitOrigin
from eventing.contract.errors import Conflict
from eventing.contract.records.models import JOB_ID_PATTERN, Frozen
from eventing.contract.records.results import StoredFile, VideoResult
from eventing.domain.job import Job, Status
from eventing.store.listing import CURSOR_PATTERN, cursor_of

router = APIRouter(prefix="/v1", tags=["jobs"])
JobId = Annotated[str, Path(pattern=JOB_ID_PATTERN, description="The job's id.")]
After = Annotated[
    str | None,
    Query(
        pattern=f"{JOB_ID_PATTERN}|{CURSOR_PATTERN}", description="`next` of the page before, or a job's id."
    ),
]
PRINTABLE = r"^[^\x00-\x1f]*$"  # a database takes no NUL
Variant = Literal["video", "poster", "spritesheet", "manifest"]
_REQUEST = {
    "schema": {"$ref": "#/components/schemas/JobRequest"},
    "example": {"prompt": "a red circle moving right", "seed": 7},
}
_CONTENT = dict.fromkeys(("application/json", "multipart/form-data"), _REQUEST)
JOB_BODY = {"requestBody": {"required": True, "content": _CONTENT}}


class ResultView(Frozen):
    """Where a finished video is. `url` is presigned and expires; `uri` does not."""

    url: str
    expires_in_seconds: int
    uri: str
    result: VideoResult


@router.post(
    "/jobs",
    status_code=202,
    response_model=JobView | GroupView,
    responses={200: {"model": EstimateView}},
    openapi_extra=JOB_BODY,
)
async def submit(
    origin: SubmitOrigin, body: JobBody, container: ContainerDep, response: Response, dry_run: DryRun = False
) -> JobView | GroupView | Response:
    """Store a job, or a group of `n` jobs, and answer at once.

    The same `Idempotency-Key` leads to the same job or group.
    """
    if dry_run:
        view = estimate_view(await container.estimates.of(body, origin), container)
        return JSONResponse(view.model_dump(mode="json"))
    job, _ = await container.jobs.submit(body, origin)
    response.headers["Location"] = path_of(job)
    if job.group_id:
        group = await container.job_store.group(job.group_id, origin.owner)
        return group_view(group, container)
    return job_view(job, container)


@router.put("/jobs/{job_id}", status_code=202, responses={200: {"model": JobView}}, openapi_extra=JOB_BODY)
async def put(
    job_id: JobId, origin: PutOrigin, body: JobBody, container: ContainerDep, response: Response
) -> JobView:
    """Store a job under an id of the caller's choice; repeating the call answers 200 with the same job."""
    job, new = await container.jobs.submit(body, replace(origin, job_id=job_id))
    response.status_code = 202 if new else 200
    response.headers["Location"] = f"/v1/jobs/{job.public_id}"
    return job_view(job, container)


@dataclass
class Only:
    """The query parameters that narrow a list of jobs down."""

    status: Annotated[list[Status] | None, Query(description="Only these; may be repeated.")] = None
    model: Annotated[str | None, Query(max_length=64, pattern=PRINTABLE)] = None
    lane: Annotated[str | None, Query(max_length=32, pattern=PRINTABLE)] = None
    search: Annotated[
        str | None, Query(max_length=200, pattern=PRINTABLE, description="Text in the prompt, in any case.")
    ] = None


@router.get("/jobs")
async def page(
    container: ContainerDep, owner: Owner, only: Annotated[Only, Depends()],
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: After = None,
    order: Literal["asc", "desc"] = "desc",
) -> JobPage:  # fmt: skip
    """List the caller's jobs, newest first."""
    jobs, more = await container.job_store.page(
        owner, limit=limit, after=after, ascending=order == "asc",
        statuses=tuple(only.status or ()), model=only.model, lane=only.lane, search=only.search,
    )  # fmt: skip
    data = [job_view(job, container) for job in jobs]
    return JobPage(data=data, has_more=more, next=cursor_of(jobs[-1]) if more else None)


@router.get("/jobs/{job_id}")
async def read(job_id: JobId, container: ContainerDep, owner: Owner) -> JobView:
    """Return one job; a queued one with its position in the queue."""
    job = await container.job_store.get(job_id, owner)
    position = await container.job_store.position(job) if job.status is Status.queued else None
    return job_view(job, container, position)


@router.delete("/jobs/{job_id}", status_code=202, responses={200: {"model": JobView}})
async def cancel(job_id: JobId, container: ContainerDep, owner: Owner, response: Response) -> JobView:
    """Cancel a job: at once if it is queued (200), within one denoising step if it runs (202)."""
    job = await container.jobs.cancel(job_id, owner)
    response.status_code = 200 if job.status.is_terminal else 202
    return job_view(job, container)


@router.post("/jobs/{job_id}/retry", status_code=202, responses={200: {"model": JobView}})
async def retry(job_id: JobId, origin: RestOrigin, container: ContainerDep, response: Response) -> JobView:
    """Queue a failed or cancelled job again: the same job, request and seed, with all its attempts.

    A job that waits or runs is left as it is (200), and so is one that the same `Idempotency-Key` has
    retried before. A completed job is a 409.
    """
    job, queued = await container.jobs.retry(job_id, origin)
    response.status_code = 202 if queued else 200
    response.headers["Location"] = f"/v1/jobs/{job.public_id}"
    return job_view(job, container)


@router.get(
    "/jobs/{job_id}/result",
    response_model=ResultView,
    responses={
        307: {"description": "Redirect to a presigned URL, if no key was sent."},
        409: {"description": "Not finished."},
    },
)
async def result(
    job_id: JobId, container: ContainerDep, owner: Owner, request: Request,
    variant: Annotated[Variant, Query(description="Which file.")] = "video",
    download: Annotated[bool, Query(description="Whether a browser saves it.")] = False,
) -> Response:  # fmt: skip
    """Return the file, or its presigned URL as JSON for `Accept: application/json`.

    A request without a key is redirected to the presigned URL. With a key the file comes from here, since
    many clients would send the key on to S3.
    """
    job = await container.job_store.get(job_id, owner)
    video_result = finished_result(job)
    wants_json = "application/json" in request.headers.get("accept", "")
    if carries_credentials(request) and not wants_json:
        return await _file(container, request, video_result, variant, attachment=download)
    url = await presigned(container, video_result, variant, attachment=download)
    if not wants_json:
        return RedirectResponse(url, 307, {"Cache-Control": "no-store"})
    view = ResultView(
        url=url,
        expires_in_seconds=container.settings.presign_seconds,
        uri=_uri(video_result, variant),
        result=video_result,
    )
    return JSONResponse(view.model_dump(mode="json"), headers={"Cache-Control": "no-store"})


def path_of(job: Job) -> str:
    """Return the path of what a submission has made: the job, or its group."""
    return f"/v1/groups/{job.group_id}" if job.group_id else f"/v1/jobs/{job.public_id}"


def finished_result(job: Job) -> VideoResult:
    """Return the job's result. Raises Conflict with the reason if there is none yet, or never will be."""
    if job.public_result is not None:
        return job.public_result
    if not job.status.is_terminal:
        raise Conflict(f"job {job.public_id} is {job.status}; its result is not there yet", retry_after=5)
    cause = f": {job.error.message}" if job.error else ""
    raise Conflict(f"job {job.public_id} {job.status}{cause}")


async def _file(
    container: Container, request: Request, video_result: VideoResult, variant: Variant, *, attachment: bool
) -> Response:
    if variant == "manifest":
        return await stream_manifest(container, video_result.manifest_uri)
    file: StoredFile = getattr(video_result, variant)
    name = f"{video_result.job_id}-{file.uri.rpartition('/')[2]}"
    return await stream_file(container, request, file, name, attachment=attachment)


async def presigned(
    container: Container, video_result: VideoResult, variant: Variant, *, attachment: bool = False
) -> str:
    """Return a presigned URL of one of the result's files."""
    key = container.bucket.key(_uri(video_result, variant))
    name = f"{video_result.job_id}-{key.rpartition('/')[2]}"
    seconds = container.settings.presign_seconds
    return await asyncio.to_thread(container.bucket.presign, key, seconds, name, attachment=attachment)


def _uri(video_result: VideoResult, variant: Variant) -> str:
    if variant == "manifest":
        return video_result.manifest_uri
    file: StoredFile = getattr(video_result, variant)
    return file.uri
