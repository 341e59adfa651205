"""The client for programs with an event loop. Its methods raise Refused, or Away if the server is away."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncGenerator, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, Self

import aiohttp

from eventing.client.calls import Calls
from eventing.client.costs import Estimate, Usage
from eventing.client.download import download, place_of
from eventing.client.pictures import with_files
from eventing.client.records import Deliveries, Group, Job, Link, Model, Models, Page, Update
from eventing.client.stories import AsyncStories
from eventing.client.stream import follow
from eventing.contract.codecs.validation import validated
from eventing.contract.errors import Conflict, InvalidRequest
from eventing.contract.records.models import JOB_ID_PATTERN, JobRequest, Status
from eventing.contract.records.results import StoredFile

DEFAULT_SERVER = "http://127.0.0.1:8080"
PATIENCE_SECONDS = 120.0  # for a server that is away while a job is followed
JSON = {"Accept": "application/json"}
Variant = Literal["video", "poster", "spritesheet"]
CONTENT: dict[Variant, str] = {"video": "video", "poster": "thumbnail", "spritesheet": "spritesheet"}


class AsyncClient:
    """One server. Use it as an async context manager."""

    def __init__(self, server: str = DEFAULT_SERVER, api_key: str | None = None) -> None:
        if api_key and not api_key.isprintable():
            raise InvalidRequest("the API key must be one line without control characters", field="api_key")
        self.server = server.rstrip("/")
        self._api_key = api_key
        self._session: aiohttp.ClientSession | None = None
        self._opened: Calls | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession()
        self._opened = Calls(self._session, self.server, self._api_key)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session:
            await self._session.close()

    @property
    def calls(self) -> Calls:
        """Return the HTTP calls, for addresses that no method has. Only inside `async with`."""
        if self._opened is None:
            raise RuntimeError("open the client first: async with AsyncClient(…) as client")
        return self._opened

    @property
    def stories(self) -> AsyncStories:
        """Return the stories of the server. Only inside `async with`."""
        return AsyncStories(self.calls)

    async def submit(
        self, request: JobRequest | Mapping[str, Any] | None = None, *, key: str | None = None, **fields: Any
    ) -> Job | Group:
        """Submit a request and return its job, or its group where `n` is above 1.

        Fields are those of `POST /v1/jobs`; `image` and `last_image` may be paths of files. The same
        `key` leads to the same job; without one a call whose answer was lost is still not made twice.
        """
        body = with_files({**_fields(request), **fields})
        checked = _fields(validated(JobRequest, body, whole="request"))
        headers = {"Idempotency-Key": key or secrets.token_urlsafe(24)}
        answer = await self.calls.json("POST", "/v1/jobs", json=checked, headers=headers)
        return (
            Group.read(answer)
            if isinstance(answer, dict) and answer.get("object") == "group"
            else Job.read(answer)
        )

    async def estimate(
        self, request: JobRequest | Mapping[str, Any] | None = None, **fields: Any
    ) -> Estimate:
        """Return what `submit` of the same would take and cost. Nothing is stored, and no picture fetched."""
        body = with_files({**_fields(request), **fields})
        checked = _fields(validated(JobRequest, body, whole="request"))
        params = {"dry_run": "true"}
        return Estimate.read(await self.calls.json("POST", "/v1/jobs", json=checked, params=params))

    async def usage(self, since: str = "7d", by: Iterable[str] = ()) -> Usage:
        """Return what jobs have used since `7d`, `24h` or a day such as `2026-11-01`."""
        return Usage.read(await self.calls.json("GET", "/v1/usage", params=_report(since, by)))

    async def usage_file(self, form: Literal["csv", "svg"], since: str = "7d", by: Iterable[str] = ()) -> str:
        """Return the same report as CSV or as a picture."""
        query = [*_report(since, by), ("format", form)]
        _, content = await self.calls.content("GET", "/v1/usage", params=query)
        return content.decode()

    async def job(self, job_id: str) -> Job:
        """Return a job as it is now."""
        return Job.read(await self.calls.json("GET", _path(job_id)))

    async def group(self, group_id: str) -> Group:
        """Return a group as it is now."""
        return Group.read(await self.calls.json("GET", f"/v1/groups/{_segment(group_id)}"))

    async def page(
        self,
        *,
        status: Iterable[Status] = (),
        model: str | None = None,
        lane: str | None = None,
        limit: int = 20,
        after: str | None = None,
    ) -> Page:
        """Return a page of jobs, the newest first."""
        wishes = {"model": model, "lane": lane, "limit": limit, "after": after}
        query = [(name, str(value)) for name, value in wishes.items() if value is not None]
        query += [("status", str(each)) for each in status]
        return Page.read(await self.calls.json("GET", "/v1/jobs", params=query))

    async def models(self) -> list[Model]:
        """Return the models of the server, the default among them."""
        return Models.read(await self.calls.json("GET", "/v1/models")).data

    async def cancel(self, job_id: str) -> Job:
        """Cancel a job: at once if it waits, within one step if it runs."""
        return Job.read(await self.calls.json("DELETE", _path(job_id)))

    async def retry(self, job_id: str, *, key: str | None = None) -> Job:
        """Queue a failed or cancelled job again: the same id, request and seed. One that waits or runs stays.

        Raises Refused for a completed one. The same `key` retries once, however often it is sent.
        """
        headers = {"Idempotency-Key": key or secrets.token_urlsafe(24)}
        return Job.read(await self.calls.json("POST", f"{_path(job_id)}/retry", headers=headers))

    async def delete(self, job_id: str) -> None:
        """Delete a job and its files. One that has not ended is cancelled first.

        Raises Conflict if that takes longer than some seconds.
        """
        answer = await self.calls.json("DELETE", f"/v1/videos/{_segment(job_id)}")
        if answer.get("deleted") is False:
            raise Conflict(f"job {job_id} is being cancelled and has not ended yet; delete it again")

    async def deliveries(self, job_id: str) -> list[dict[str, Any]]:
        """Return the events and webhooks of a job, with their tries."""
        return Deliveries.read(await self.calls.json("GET", f"{_path(job_id)}/deliveries")).data

    async def replay(self, job_id: str, delivery_id: str) -> dict[str, Any]:
        """Send an event or webhook of a job again; return the delivery."""
        path = f"{_path(job_id)}/deliveries/{_segment(delivery_id)}/replay"
        return dict(await self.calls.json("POST", path))

    async def stream(self, job_id: str, patience: float = PATIENCE_SECONDS) -> AsyncGenerator[Update, None]:
        """Yield the updates of a job; the last one has its `job`.

        A connection that breaks is made again, for `patience` seconds without an answer.
        """
        async for update in follow(self.calls, _segment(job_id), patience):
            yield update

    async def wait(self, job_id: str, timeout: float | None = None) -> Job:  # noqa: ASYNC109 - part of the door
        """Return a job once it has ended, in any way. Raises TimeoutError after `timeout` seconds."""
        async with asyncio.timeout(timeout):
            async for update in self.stream(job_id):
                if update.job:
                    return update.job
        raise AssertionError("a stream ends with the job")

    async def download(self, job_id: str, path: str | Path, variant: Variant = "video") -> Path:
        """Download a file of a finished job.

        A path that is a folder, or ends with `/`, gets a file named by the job. The file appears whole, and
        its checksum is compared. Raises Conflict if the job has no video, StorageError, OSError.
        """
        job = await self.job(job_id)
        if job.result is None:
            cause = f": {job.error.message}" if job.error else ""
            raise Conflict(f"job {job.id} is {job.status} and has no {variant}{cause}")
        file: StoredFile = getattr(job.result, variant)
        target = place_of(
            path, f"{job.id}{'' if variant == 'video' else '-' + variant}{Path(file.uri).suffix}"
        )
        address = f"/v1/videos/{_segment(job.id)}/content?variant={CONTENT[variant]}"
        await download(self.calls, address, target, file.sha256)
        return target

    async def content(self, job_id: str, variant: Variant = "video") -> bytes:
        """Return a file of a finished job in memory; `download` is the one for large files."""
        address = f"/v1/videos/{_segment(job_id)}/content?variant={CONTENT[variant]}"
        _, content = await self.calls.content("GET", address)
        return content

    async def link(self, job_id: str, variant: Variant = "video") -> str:
        """Return the presigned URL of a file of a finished job. It needs no key, and expires."""
        path = f"{_path(job_id)}/result?variant={variant}"
        return Link.read(await self.calls.json("GET", path, headers=JSON)).url

    async def preview(self, job_id: str) -> bytes:
        """Return the latest preview of a running job, a JPEG."""
        _, content = await self.calls.content("GET", f"{_path(job_id)}/preview")
        return content


def _report(since: str, by: Iterable[str]) -> list[tuple[str, str]]:
    return [("since", since), *(("by", each) for each in by)]


def _path(job_id: str) -> str:
    return f"/v1/jobs/{_segment(job_id)}"


def _segment(text: str) -> str:
    """Return an id, which is a part of a path. Raises InvalidRequest for what cannot be one."""
    if not re.fullmatch(JOB_ID_PATTERN, text):
        raise InvalidRequest(f"{text!r} is not an id of a job or a group", field="id")
    return text


def _fields(request: JobRequest | Mapping[str, Any] | None) -> dict[str, Any]:
    if isinstance(request, JobRequest):
        return request.model_dump(mode="json", exclude_unset=True)
    return dict(request or {})
