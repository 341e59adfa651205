"""Serve `POST /mcp`: the tools for agents over streamable HTTP, by the use cases of the other ways in.

No session is kept, so every replica can answer every call. The key, the rate and the quota are those of the
REST API; pages of other origins are refused by the same check. The SDK is imported with the first call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response
from starlette.types import Receive, Scope, Send

from eventing.api.answers.content import read_object
from eventing.api.answers.waiting import Gone, until_ended
from eventing.api.callers.auth import Owner, RateLimit
from eventing.api.dependencies import Container, ContainerDep
from eventing.api.health import models
from eventing.api.jobs.routes import presigned
from eventing.api.jobs.views import group_view, job_view
from eventing.api.requests.trace import traceparent_of
from eventing.client.records import Group, Job, Model, Models, Page
from eventing.contract.errors import InvalidRequest, NotFound, ReelzeroError
from eventing.contract.records.models import Status
from eventing.contract.records.pictures import FIELDS, SCHEMES
from eventing.domain import job as domain
from eventing.drafts import Origin
from eventing.jobs import parse_request
from eventing.metrics.requests import count_refusal
from eventing.store.listing import cursor_of

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server

router = APIRouter(include_in_schema=False)


@router.post("/mcp")
async def serve(request: Request, container: ContainerDep, owner: Owner) -> Response:
    """Answer one message of the protocol."""
    server = await asyncio.to_thread(_build, LocalDoor(container, request, owner))
    return Handed(server, container.settings.max_body_bytes)


@dataclass(frozen=True)
class LocalDoor:
    """The use cases of this replica, for the owner of one request."""

    container: Container
    request: Request
    owner: str

    async def submit(self, request: Mapping[str, Any]) -> Job | Group:
        """Submit a request, within the owner's rate. Raises InvalidRequest for the path of a file."""
        try:
            return await self._submit(request)
        except ReelzeroError as error:
            count_refusal(error.status)
            raise

    async def _submit(self, request: Mapping[str, Any]) -> Job | Group:
        _refuse_paths(request)
        limit: RateLimit = self.request.app.state.rate_limit
        limit.take(self.owner)
        origin = Origin(
            self.owner, "mcp", traceparent=traceparent_of(self.request),
            max_priority=self.request.state.max_priority,
        )  # fmt: skip
        job, _ = await self.container.jobs.submit(parse_request(dict(request)), origin)
        if not job.group_id:
            return self._seen(job)
        group = await self.container.job_store.group(job.group_id, self.owner)
        return Group.read(group_view(group, self.container).model_dump(mode="json"))

    async def job(self, job_id: str) -> Job:
        """Return a job as it is now."""
        job = await self.container.job_store.get(job_id, self.owner)
        position = await self.container.job_store.position(job) if job.status is Status.queued else None
        return self._seen(job, position)

    async def wait(self, job_id: str, seconds: float) -> Job:
        """Return a job once it has ended, or as it is after some seconds or when the caller has left."""
        job = await self.container.job_store.get(job_id, self.owner)
        try:
            return self._seen(await until_ended(self.container.watchers, self.request, job, seconds))
        except Gone:
            return self._seen(job)

    async def page(self, status: Status | None, limit: int, after: str | None) -> Page:
        """Return a page of the owner's jobs, the newest first."""
        statuses = (status,) if status else ()
        store = self.container.job_store
        jobs, more = await store.page(self.owner, limit=limit, after=after, statuses=statuses)
        data = [self._seen(job) for job in jobs]
        return Page(data=data, has_more=more, next=cursor_of(jobs[-1]) if more else None)

    async def cancel(self, job_id: str) -> Job:
        """Cancel a job."""
        return self._seen(await self.container.jobs.cancel(job_id, self.owner))

    async def models(self) -> list[Model]:
        """Return the models that are served here."""
        return Models.read(await models(self.container, self.owner)).data

    async def poster(self, job: Job) -> bytes:
        """Return the poster of a completed job. Raises NotFound if it is gone, Unavailable if S3 is away."""
        key = self.container.bucket.key(job.result.poster.uri) if job.result else ""
        content = await read_object(self.container, key) if key else None
        if content is None:
            raise NotFound(f"job {job.id} has no poster")
        return content

    async def link(self, job: Job) -> str:
        """Return the presigned URL of a video."""
        if job.result is None:
            raise InvalidRequest(f"job {job.id} is {job.status} and has no video", field="id")
        return await presigned(self.container, job.result, "video")

    def _seen(self, job: domain.Job, position: int | None = None) -> Job:
        return Job.read(job_view(job, self.container, position).model_dump(mode="json"))


class Handed(Response):
    """An answer that the SDK writes."""

    def __init__(self, server: Server[Any], most_bytes: int) -> None:
        super().__init__()
        self._server = server
        self._most_bytes = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the SDK serve the request, as one JSON document."""
        from mcp.server.streamable_http_manager import StreamableHTTPSessionManager  # noqa: PLC0415 - see above

        manager = StreamableHTTPSessionManager(
            self._server, json_response=True, stateless=True, max_request_body_size=self._most_bytes
        )
        async with manager.run():
            await manager.handle_request(scope, receive, send)


def _refuse_paths(request: Mapping[str, Any]) -> None:
    """Raise InvalidRequest for a picture that is the path of a file, which is on the agent's machine."""
    for name in FIELDS:
        value = request.get(name)
        if isinstance(value, str) and not value.startswith(SCHEMES):
            raise InvalidRequest(
                f"{name}: must be an https://, s3:// or data: address; the path of a file works with "
                "`reelzero mcp`, which runs on the agent's machine",
                field=name,
            )


def _build(door: LocalDoor) -> Server[Any]:
    from eventing.mcp.server import build_server  # noqa: PLC0415 - takes a second and 27 MB, for agents only

    return build_server(door)
