"""The client for programs without an event loop: each call runs the same one of AsyncClient to its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from eventing.client.async_client import DEFAULT_SERVER, PATIENCE_SECONDS, AsyncClient, Variant
from eventing.client.costs import Estimate, Usage
from eventing.client.records import Group, Job, Model, Page, Update
from eventing.client.sync_stories import Stories
from eventing.contract.records.models import JobRequest, Status

T = TypeVar("T")


class Client:
    """One server. Use it as a context manager, from one thread, where no event loop runs."""

    def __init__(self, server: str = DEFAULT_SERVER, api_key: str | None = None) -> None:
        self.server = server.rstrip("/")
        self._client = AsyncClient(server, api_key)
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        self._run(self._client.__aenter__())
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._client.__aexit__())
        self._runner.close()

    @property
    def stories(self) -> Stories:
        """Return the stories of the server. Only inside `with`."""
        return Stories(self._client, self._run)

    def submit(
        self, request: JobRequest | Mapping[str, Any] | None = None, *, key: str | None = None, **fields: Any
    ) -> Job | Group:
        """Submit a request and return its job, or its group where `n` is above 1."""
        return self._run(self._client.submit(request, key=key, **fields))

    def estimate(self, request: JobRequest | Mapping[str, Any] | None = None, **fields: Any) -> Estimate:
        """Return what `submit` of the same would take and cost. Nothing is stored."""
        return self._run(self._client.estimate(request, **fields))

    def usage(self, since: str = "7d", by: Iterable[str] = ()) -> Usage:
        """Return what jobs have used since `7d`, `24h` or a day such as `2026-11-01`."""
        return self._run(self._client.usage(since, by))

    def usage_file(self, form: Literal["csv", "svg"], since: str = "7d", by: Iterable[str] = ()) -> str:
        """Return the same report as CSV or as a picture."""
        return self._run(self._client.usage_file(form, since, by))

    def job(self, job_id: str) -> Job:
        """Return a job as it is now."""
        return self._run(self._client.job(job_id))

    def group(self, group_id: str) -> Group:
        """Return a group as it is now."""
        return self._run(self._client.group(group_id))

    def page(
        self,
        *,
        status: Iterable[Status] = (),
        model: str | None = None,
        lane: str | None = None,
        limit: int = 20,
        after: str | None = None,
    ) -> Page:
        """Return a page of jobs, the newest first."""
        return self._run(self._client.page(status=status, model=model, lane=lane, limit=limit, after=after))

    def models(self) -> list[Model]:
        """Return the models of the server."""
        return self._run(self._client.models())

    def cancel(self, job_id: str) -> Job:
        """Cancel a job: at once if it waits, within one step if it runs."""
        return self._run(self._client.cancel(job_id))

    def retry(self, job_id: str, *, key: str | None = None) -> Job:
        """Queue a failed or cancelled job again: the same id, request and seed."""
        return self._run(self._client.retry(job_id, key=key))

    def delete(self, job_id: str) -> None:
        """Delete a job and its files. One that has not ended is cancelled first."""
        self._run(self._client.delete(job_id))

    def deliveries(self, job_id: str) -> list[dict[str, Any]]:
        """Return the events and webhooks of a job, with their tries."""
        return self._run(self._client.deliveries(job_id))

    def replay(self, job_id: str, delivery_id: str) -> dict[str, Any]:
        """Send an event or webhook of a job again; return the delivery."""
        return self._run(self._client.replay(job_id, delivery_id))

    def stream(self, job_id: str, patience: float = PATIENCE_SECONDS) -> Iterator[Update]:
        """Yield the updates of a job; the last one has its `job`."""
        updates = self._client.stream(job_id, patience)
        try:
            while (update := self._run(_next(updates))) is not None:
                yield update
        finally:
            self._run(updates.aclose())

    def wait(self, job_id: str, timeout: float | None = None) -> Job:
        """Return a job once it has ended, in any way. Raises TimeoutError after `timeout` seconds."""
        return self._run(self._client.wait(job_id, timeout))

    def download(self, job_id: str, path: str | Path, variant: Variant = "video") -> Path:
        """Download a file of a finished job; see AsyncClient.download."""
        return self._run(self._client.download(job_id, path, variant))

    def content(self, job_id: str, variant: Variant = "video") -> bytes:
        """Return a file of a finished job in memory."""
        return self._run(self._client.content(job_id, variant))

    def link(self, job_id: str, variant: Variant = "video") -> str:
        """Return the presigned URL of a file of a finished job. It needs no key, and expires."""
        return self._run(self._client.link(job_id, variant))

    def preview(self, job_id: str) -> bytes:
        """Return the latest preview of a running job, a JPEG."""
        return self._run(self._client.preview(job_id))

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        if _a_loop_runs():
            work.close()
            raise RuntimeError("an event loop runs here, as in a notebook: use AsyncClient")
        return self._runner.run(work)


def _a_loop_runs() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _next(updates: AsyncIterator[Update]) -> Update | None:
    return await anext(updates, None)
