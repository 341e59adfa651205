"""Define what a tool needs of a service: over HTTP, or in the process of the service itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from eventing.client.records import Group, Job, Model, Page
from eventing.contract.records.models import Status


class Door(Protocol):
    """One service, for one caller. Every method raises ReelzeroError."""

    async def submit(self, request: Mapping[str, Any]) -> Job | Group:
        """Submit a request and return its job, or its group where `n` is above 1."""

    async def job(self, job_id: str) -> Job:
        """Return a job as it is now."""

    async def wait(self, job_id: str, seconds: float) -> Job:
        """Return a job once it has ended, or as it is after some seconds."""

    async def page(self, status: Status | None, limit: int, after: str | None) -> Page:
        """Return a page of the caller's jobs, the newest first."""

    async def cancel(self, job_id: str) -> Job:
        """Cancel a job: at once if it waits, within one step if it runs."""

    async def models(self) -> list[Model]:
        """Return the models of the service."""

    async def poster(self, job: Job) -> bytes:
        """Return the poster of a completed job."""

    async def link(self, job: Job) -> str:
        """Return the presigned URL of the video of a completed job."""
