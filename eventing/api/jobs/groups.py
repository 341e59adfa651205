"""Serve `/v1/groups`: the jobs of one request for several videos, read, cancelled and deleted together.

progress.py follows a group. A group has no row of its own: its state is that of its jobs.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from eventing.api.callers.auth import Owner
from eventing.api.dependencies import ContainerDep
from eventing.api.jobs.views import GroupView, JobPage, group_view, job_view
from eventing.contract.errors import StorageError, Unavailable
from eventing.contract.records.models import JOB_ID_PATTERN

router = APIRouter(prefix="/v1/groups", tags=["groups"])
GroupId = Annotated[str, Path(pattern=JOB_ID_PATTERN, description="The group's id.")]


@router.get("/{group_id}")
async def read_group(group_id: GroupId, container: ContainerDep, owner: Owner) -> GroupView:
    """Return one group, with its jobs in short."""
    group = await container.job_store.group(group_id, owner)
    return group_view(group, container)


@router.get("/{group_id}/jobs")
async def jobs_of_group(group_id: GroupId, container: ContainerDep, owner: Owner) -> JobPage:
    """List the jobs of a group in the order of their seeds, all on one page."""
    group = await container.job_store.group(group_id, owner)
    data = [job_view(job, container) for job in group.jobs]
    return JobPage(data=data, has_more=False, next=None)


@router.delete("/{group_id}", status_code=202, responses={200: {"model": GroupView}})
async def cancel_group(
    group_id: GroupId, container: ContainerDep, owner: Owner, response: Response
) -> GroupView:
    """Cancel every job of a group: 200 if all have ended now, 202 if one runs until its next step."""
    group = await container.jobs.cancel_group(group_id, owner)
    response.status_code = 200 if group.is_over else 202
    return group_view(group, container)


@router.delete("/{group_id}/jobs", status_code=204, responses={409: {"description": "A job has not ended."}})
async def delete_group(group_id: GroupId, container: ContainerDep, owner: Owner) -> None:
    """Delete all jobs of a group with their files, once every job has ended. The group goes with them."""
    try:
        await container.jobs.delete_group(group_id, owner)
    except StorageError as error:
        raise Unavailable("object storage cannot be reached", retry_after=5) from error
