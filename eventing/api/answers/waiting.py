"""Wait for the end of a job while the caller's connection stays open."""

from __future__ import annotations

import asyncio

from fastapi import Request

from eventing.contract.errors import NotFound
from eventing.domain.job import Job
from eventing.watchers import Snapshot, Watched, Watchers


class Gone(Exception):
    """The caller closed the connection."""


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
