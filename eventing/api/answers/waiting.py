"""Wait for the end of a job while the caller's connection stays open.

A waiting request costs one watcher, which shares its process's reader with all others, and no body: routes
release that before they wait.
"""

from __future__ import annotations

import asyncio
import re

from fastapi import Request

from eventing.api.dependencies import Container
from eventing.contract.errors import Cancelled, GenerationError, ModelUnavailable, NotFound, ReelzeroError
from eventing.domain.job import Job
from eventing.watchers import Snapshot, Watched, Watchers

AWAY = frozenset({ModelUnavailable.code, "start_deadline_passed"})
WAIT = re.compile(r"^wait=(\d{1,5})$")


class Gone(Exception):
    """The caller closed the connection."""


class JobFailed(ReelzeroError):
    """The job ended without a result while its caller waited. The status is 503 if no predictor started."""

    def __init__(self, job: Job) -> None:
        code = job.error.code if job.error else GenerationError.code
        cause = job.error.message if job.error else "no result"
        cancelled = code == Cancelled.code
        super().__init__(
            f"job {job.public_id} was cancelled"
            if cancelled
            else f"job {job.public_id} {job.status}: {cause}"
        )
        self.code = code
        self.status = 409 if cancelled else 503 if code in AWAY else 500
        self.may_repeat = code in AWAY


def preference(request: Request) -> tuple[bool, float | None]:
    """Return whether the caller wants an answer at once (respond-async), and its wait=N (RFC 7240)."""
    lines = request.headers.getlist("prefer")
    wishes = [part.strip().lower() for line in lines for part in re.split("[,;]", line)]
    wait = next((float(match[1]) for wish in wishes if (match := WAIT.match(wish))), None)
    return "respond-async" in wishes, wait


async def hold(
    container: Container, request: Request, job: Job, patience: float | None, *, is_repeatable: bool
) -> Job:
    """Return the job as `until_ended` does. A caller that leaves cancels it, unless it can send it again.

    Raises Gone, NotFound.
    """
    try:
        return await until_ended(container.watchers, request, job, patience)
    except Gone:
        if not is_repeatable:
            await container.jobs.cancel(job.id, job.owner)
        raise


async def until_ended(watchers: Watchers, request: Request, job: Job, patience: float | None) -> Job:
    """Return the job when it has ended, or after `patience` seconds (None: no limit).

    Read the request's body before this: only then `receive` waits for the end of the connection. Raises Gone,
    and NotFound if the job is deleted meanwhile.
    """
    if job.status.is_terminal or patience == 0:
        return job
    with watchers.follow(Snapshot(job)) as watched:
        closing = asyncio.create_task(_closed(request))
        ending = asyncio.create_task(_ended(watched))
        try:
            await asyncio.wait({closing, ending}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            if closing.done() and not ending.done():
                raise Gone
            return ending.result() if ending.done() else _job(watched)
        finally:
            closing.cancel()
            ending.cancel()


async def _ended(watched: Watched) -> Job:
    while True:
        mark = watched.signal.mark()
        if (job := _job(watched)).status.is_terminal:
            return job
        await watched.signal.wait(mark, 3600)


def _job(watched: Watched) -> Job:
    if watched.snapshot is None:
        raise NotFound("the job was deleted while this request waited")
    return watched.snapshot.job


async def _closed(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
