"""Serve `GET /v1/jobs/{id}/preview`: a small picture of the unfinished video, while the job runs."""

from __future__ import annotations

from fastapi import APIRouter, Response

from eventing.api.answers.content import AS_TYPED, read_object
from eventing.api.callers.auth import Owner
from eventing.api.dependencies import ContainerDep
from eventing.api.jobs.routes import JobId
from eventing.contract.errors import NotFound
from eventing.contract.records.results import preview_key

router = APIRouter(prefix="/v1", tags=["jobs"])


@router.get("/jobs/{job_id}/preview", response_class=Response)
async def preview(job_id: JobId, container: ContainerDep, owner: Owner) -> Response:
    """Return the latest preview, a JPEG. 404 before the first, after the end, and for models without any."""
    job = await container.job_store.get(job_id, owner)
    jpeg = await read_object(container, preview_key(job.id)) if job.has_preview else None
    if jpeg is None:
        raise NotFound(f"job {job.public_id} has no preview now")
    return Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": "no-store", **AS_TYPED})
