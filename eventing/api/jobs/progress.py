"""Serve `GET /v1/jobs/{id}/events` and `/v1/groups/{id}/events`: server-sent events, from any replica.

of a job
    event: progress     {"status", "stage", "step", "total_steps", "elapsed_seconds", "percent", "preview", …}
    event: completed | failed | cancelled     the job as GET /v1/jobs/{id} shows it; then the stream ends
of a group
    event: progress     the group as GET /v1/groups/{id} shows it
    event: completed    the same, once every job has ended; then the stream ends

The id of an event is a digest of the state that it shows, so it is the same on every replica. A client that
reconnects with `Last-Event-ID` gets the next event once the state differs from the one it has seen, and 204
if it has seen the end: a browser's EventSource then stops reconnecting.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Header, Response
from fastapi.responses import StreamingResponse

from eventing.api.callers.auth import Owner
from eventing.api.dependencies import Container, ContainerDep
from eventing.api.jobs.groups import GroupId
from eventing.api.jobs.routes import JobId
from eventing.api.jobs.views import group_view, job_view, preview_link
from eventing.contract.errors import NotFound
from eventing.domain.group import Group
from eventing.domain.job import Status
from eventing.signal import wait_any
from eventing.store.listing import ids_of
from eventing.watchers import Snapshot, Watchers

KEEP_ALIVE_SECONDS = 25.0  # common proxies cut a connection that is silent for 30 to 60 s
KEEP_ALIVE = ": still here\n\n"
router = APIRouter(prefix="/v1", tags=["jobs"])
LastEventId = Annotated[str | None, Header(max_length=64, description="The id of the last event received.")]


RESPONSES: dict[int | str, dict[str, Any]] = {
    204: {"description": "The client has seen the end: `Last-Event-ID` is the last event's."}
}
Show = Callable[[list[Snapshot]], tuple[str, str]]  # name and data of the event that shows these jobs


@router.get("/jobs/{job_id}/events", response_class=StreamingResponse, responses=RESPONSES)
async def follow(
    job_id: JobId, container: ContainerDep, owner: Owner, last_event_id: LastEventId = None
) -> Response:
    """Follow a job until it ends."""
    snapshot = await _look(container.watchers, job_id, owner)
    return _answer(container.watchers, [snapshot], lambda latest: _job(latest[0], container), last_event_id)


@router.get("/groups/{group_id}/events", response_class=StreamingResponse, responses=RESPONSES)
async def follow_group(
    group_id: GroupId, container: ContainerDep, owner: Owner, last_event_id: LastEventId = None
) -> Response:
    """Follow a group until all its jobs have ended."""
    group = await container.job_store.group(group_id, owner)

    def show(latest: list[Snapshot]) -> tuple[str, str]:
        state = Group(group_id, tuple(snapshot.job for snapshot in latest))
        return "completed" if state.is_over else "progress", group_view(state, container).model_dump_json()

    return _answer(container.watchers, [Snapshot(job) for job in group.jobs], show, last_event_id)


async def _look(watchers: Watchers, public_id: str, owner: str) -> Snapshot:
    """Return the state of an owner's job. Raises NotFound."""
    for row_id in ids_of(public_id, owner):
        with contextlib.suppress(NotFound):
            return await watchers.look(row_id, owner)
    raise NotFound(f"there is no job {public_id}")


def _answer(watchers: Watchers, snapshots: list[Snapshot], show: Show, last_id: str | None) -> Response:
    if _all_ended(snapshots) and event_text(*show(snapshots))[0] == last_id:
        return Response(status_code=204)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    stream = _stream(watchers, snapshots, show, last_id)
    return StreamingResponse(stream, media_type="text/event-stream", headers=headers)


async def _stream(
    watchers: Watchers, snapshots: list[Snapshot], show: Show, last_id: str | None
) -> AsyncIterator[str]:
    """Yield an event whenever the state differs; end once all jobs have ended or are deleted."""
    silent_since = time.monotonic()
    with contextlib.ExitStack() as stack:
        watched = [stack.enter_context(watchers.follow(snapshot)) for snapshot in snapshots]
        while latest := [each.snapshot for each in watched if each.snapshot is not None]:
            marks = [(each.signal, each.signal.mark()) for each in watched]
            event_id, text = event_text(*show(latest))
            if event_id != last_id:
                last_id, silent_since = event_id, time.monotonic()
                yield text
            if _all_ended(latest):
                return
            # By the clock, since each renewal of the lease signals, also when nothing new is to be shown.
            left = silent_since + KEEP_ALIVE_SECONDS - time.monotonic()
            await wait_any(marks, max(0.0, left))
            if time.monotonic() >= silent_since + KEEP_ALIVE_SECONDS:
                silent_since = time.monotonic()
                yield KEEP_ALIVE


def _all_ended(snapshots: list[Snapshot]) -> bool:
    return all(snapshot.job.status.is_terminal for snapshot in snapshots)


def event_text(name: str, data: str) -> tuple[str, str]:
    """Return the id and the text of an event."""
    event_id = hashlib.blake2s(data.encode(), digest_size=8).hexdigest()
    return event_id, f"id: {event_id}\nevent: {name}\ndata: {data}\n\n"


def _job(snapshot: Snapshot, container: Container) -> tuple[str, str]:
    """Return the name and the data that show a job."""
    job = snapshot.job
    if job.status.is_terminal:
        return str(job.status), job_view(job, container).model_dump_json()
    return "progress", _progress(snapshot, container.settings.path_prefix)


def _progress(snapshot: Snapshot, prefix: str) -> str:
    job = snapshot.job
    fields = {"id": job.public_id, "status": str(job.status), **job.progress.model_dump(mode="json")}
    fields |= {"percent": job.progress.percent(), "attempt": job.attempt, "queue_position": snapshot.position}
    fields["preview"] = preview_link(job, prefix)
    waits = job.error is not None and job.status is Status.queued
    fields["waiting_for"] = job.error.code if job.error and waits else None
    return json.dumps(fields)
