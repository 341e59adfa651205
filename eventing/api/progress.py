"""Serve `GET /v1/jobs/{id}/events`: a job's progress as server-sent events, from any replica.

event: progress     {"status", "stage", "step", "total_steps", "elapsed_seconds", "percent", "preview", …}
event: completed | failed | cancelled     the job as GET /v1/jobs/{id} shows it; then the stream ends

The id of an event is a digest of the state that it shows, so it is the same on every replica. A client that
reconnects with `Last-Event-ID` gets the next event once the state differs from the one it has seen, and 204
if it has seen the end: a browser's EventSource then stops reconnecting.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Response
from fastapi.responses import StreamingResponse

from eventing.api.auth import Owner
from eventing.api.dependencies import ContainerDep
from eventing.api.jobs import JobId
from eventing.api.views import job_view, preview_link
from eventing.contract.errors import NotFound
from eventing.domain.job import Status
from eventing.store.listing import ids_of
from eventing.watchers import Snapshot, Watchers

KEEP_ALIVE_SECONDS = 25.0  # common proxies cut a connection that is silent for 30 to 60 s
KEEP_ALIVE = ": still here\n\n"
router = APIRouter(prefix="/v1", tags=["jobs"])
LastEventId = Annotated[str | None, Header(max_length=64, description="The id of the last event received.")]


@router.get(
    "/jobs/{job_id}/events",
    response_class=StreamingResponse,
    responses={204: {"description": "The client has seen the end: `Last-Event-ID` is the last event's."}},
)
async def follow(
    job_id: JobId, container: ContainerDep, owner: Owner, last_event_id: LastEventId = None
) -> Response:
    """Follow a job until it ends."""
    snapshot = await _look(container.watchers, job_id, owner)
    prefix = container.settings.path_prefix
    if snapshot.job.status.is_terminal and _event(snapshot, prefix)[0] == last_event_id:
        return Response(status_code=204)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    stream = _stream(container.watchers, snapshot, prefix, last_event_id)
    return StreamingResponse(stream, media_type="text/event-stream", headers=headers)


async def _look(watchers: Watchers, public_id: str, owner: str) -> Snapshot:
    """Return the state of an owner's job. Raises NotFound."""
    for row_id in ids_of(public_id, owner):
        with contextlib.suppress(NotFound):
            return await watchers.look(row_id, owner)
    raise NotFound(f"there is no job {public_id}")


async def _stream(
    watchers: Watchers, snapshot: Snapshot, prefix: str, last_id: str | None
) -> AsyncIterator[str]:
    """Yield an event whenever the state differs; end after the terminal one, or when the job is deleted."""
    silent_since = time.monotonic()
    with watchers.follow(snapshot) as watched:
        while (latest := watched.snapshot) is not None:
            mark = watched.signal.mark()
            event_id, text = _event(latest, prefix)
            if event_id != last_id:
                last_id, silent_since = event_id, time.monotonic()
                yield text
            if latest.job.status.is_terminal:
                return
            # By the clock, since each renewal of the lease signals, also when nothing new is to be shown.
            left = silent_since + KEEP_ALIVE_SECONDS - time.monotonic()
            await watched.signal.wait(mark, max(0.0, left))
            if time.monotonic() >= silent_since + KEEP_ALIVE_SECONDS:
                silent_since = time.monotonic()
                yield KEEP_ALIVE


def _event(snapshot: Snapshot, prefix: str) -> tuple[str, str]:
    """Return the event that shows a state: its id and its text. `prefix` stands before paths in links."""
    job = snapshot.job
    if job.status.is_terminal:
        name, data = str(job.status), job_view(job, prefix).model_dump_json()
    else:
        name, data = "progress", _progress(snapshot, prefix)
    event_id = hashlib.blake2s(data.encode(), digest_size=8).hexdigest()
    return event_id, f"id: {event_id}\nevent: {name}\ndata: {data}\n\n"


def _progress(snapshot: Snapshot, prefix: str) -> str:
    job = snapshot.job
    fields = {"id": job.public_id, "status": str(job.status), **job.progress.model_dump(mode="json")}
    fields |= {"percent": job.progress.percent(), "attempt": job.attempt, "queue_position": snapshot.position}
    fields["preview"] = preview_link(job, prefix)
    waits = job.error is not None and job.status is Status.queued
    fields["waiting_for"] = job.error.code if job.error and waits else None
    return json.dumps(fields)
