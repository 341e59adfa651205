"""Serve `GET /v1/updates`: one stream of server-sent events for all jobs of the caller, from any replica.

    event: job        the job as GET /v1/jobs/{id} shows it, whenever it is new or has changed
    event: deleted    {"id"}; of an older job whose id the caller chose, the id in the addresses of its files

The stream begins with the jobs under way and has no past: read `GET /v1/jobs` once it is open, and again
after each reconnection. It covers the newest jobs and those that run (eventing/feeds.py).
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from eventing.api.callers.auth import Owner
from eventing.api.dependencies import Container, ContainerDep
from eventing.api.jobs.views import job_view
from eventing.feeds import Change

KEEP_ALIVE_SECONDS = 15.0  # a client takes 35 s of silence for a dead connection
KEEP_ALIVE = ": still here\n\n"
router = APIRouter(prefix="/v1", tags=["jobs"])


@router.get("/updates", response_class=StreamingResponse)
async def updates(container: ContainerDep, owner: Owner) -> Response:
    """Follow all jobs of the caller: new ones, each new state, deleted ones."""
    stream = _stream(container, owner)
    first = await anext(stream)  # a database that is away is a 503 and no broken stream

    async def whole() -> AsyncIterator[str]:
        try:
            yield first
            async for text in stream:
                yield text
        finally:
            await stream.aclose()

    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(whole(), media_type="text/event-stream", headers=headers)


async def _stream(container: Container, owner: str) -> AsyncGenerator[str, None]:
    async with container.feeds.subscribe(owner) as subscription:
        yield KEEP_ALIVE
        while True:
            mark = subscription.signal.mark()
            changes = subscription.take()
            for change in changes:
                yield _event(change, container)
            if not changes:
                await subscription.signal.wait(mark, KEEP_ALIVE_SECONDS)
                if mark == subscription.signal.mark():
                    yield KEEP_ALIVE


def _event(change: Change, container: Container) -> str:
    """Return the text of an event, which all streams of the owner share."""
    if not change.text:
        if change.snapshot is None:
            change.text = f"event: deleted\ndata: {json.dumps({'id': change.public_id})}\n\n"
        else:
            view = job_view(change.snapshot.job, container, change.snapshot.position)
            change.text = f"event: job\ndata: {view.model_dump_json()}\n\n"
    return change.text
