"""`GET /v1/jobs/{id}/events`: a job's progress as server-sent events, from any replica.

event: progress     {"status", "stage", "step", "total_steps", "elapsed_seconds", "percent", …}
event: completed | failed | cancelled     the job as GET /v1/jobs/{id} shows it; then the stream ends
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from eventing.api.auth import Owner
from eventing.api.dependencies import Container, ContainerDep
from eventing.api.jobs import JobId
from eventing.api.views import job_view
from eventing.contract.errors import NotFound
from eventing.domain.job import Job, Status

POLL_SECONDS = 0.25
KEEP_ALIVE_SECONDS = 15.0
router = APIRouter(prefix="/v1", tags=["jobs"])


@router.get("/jobs/{job_id}/events", response_class=StreamingResponse)
async def follow(job_id: JobId, container: ContainerDep, owner: Owner) -> StreamingResponse:
    """Follow a job until it ends."""
    job = await container.job_store.get(job_id, owner)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_stream(container, job), media_type="text/event-stream", headers=headers)


async def _stream(container: Container, job: Job) -> AsyncIterator[str]:
    shown, quiet = "", 0.0
    while not job.status.is_terminal:
        position = await container.job_store.position(job) if job.status is Status.queued else None
        now = _progress(job, position)
        if now != shown:
            shown, quiet = now, 0.0
            yield f"event: progress\ndata: {now}\n\n"
        elif quiet >= KEEP_ALIVE_SECONDS:
            quiet = 0.0
            yield ": still here\n\n"
        await asyncio.sleep(POLL_SECONDS)
        quiet += POLL_SECONDS
        try:
            job = await container.job_store.get(job.id, job.owner)  # an id may change hands
        except NotFound:
            return  # deleted meanwhile: there is nothing more to say
    yield f"event: {job.status}\ndata: {job_view(job, container.settings.path_prefix).model_dump_json()}\n\n"


def _progress(job: Job, position: int | None) -> str:
    shown = {"id": job.id, "status": str(job.status), **job.progress.model_dump(mode="json")}
    shown |= {"percent": job.progress.percent(), "attempt": job.attempt, "queue_position": position}
    shown |= {"waiting_for": job.error.code if job.error and job.status is Status.queued else None}
    return json.dumps(shown)
