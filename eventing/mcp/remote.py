"""The door to a service over HTTP, by the typed client: what `reelzero mcp` uses."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from eventing.client import AsyncClient, Group, Job, Model, Page
from eventing.contract.records.models import Status


class RemoteDoor:
    """One server, with the key of one caller."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def submit(self, request: Mapping[str, Any]) -> Job | Group:
        """Submit a request; a lost answer is asked for again and makes nothing twice."""
        return await self._client.submit(request)

    async def job(self, job_id: str) -> Job:
        """Return a job as it is now."""
        return await self._client.job(job_id)

    async def wait(self, job_id: str, seconds: float) -> Job:
        """Return a job once it has ended, or as it is after some seconds."""
        with suppress(TimeoutError):
            return await self._client.wait(job_id, seconds)
        return await self._client.job(job_id)

    async def page(self, status: Status | None, limit: int, after: str | None) -> Page:
        """Return a page of jobs, the newest first."""
        return await self._client.page(status=[status] if status else (), limit=limit, after=after)

    async def cancel(self, job_id: str) -> Job:
        """Cancel a job."""
        return await self._client.cancel(job_id)

    async def models(self) -> list[Model]:
        """Return the models of the server."""
        return await self._client.models()

    async def poster(self, job: Job) -> bytes:
        """Return the poster of a completed job."""
        return await self._client.content(job.id, "poster")

    async def link(self, job: Job) -> str:
        """Return the presigned URL of a video."""
        return await self._client.link(job.id)
