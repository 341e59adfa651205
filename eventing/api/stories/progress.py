"""Serve `GET /v1/stories/{id}/events`: server-sent events, from any replica.

    event: story     the story as GET /v1/stories/{id} shows it, whenever it has changed

The last one comes once the story is over. The id of an event is a digest of the state that it shows, so it is
the same on every replica. A client that reconnects with `Last-Event-ID` gets the next event once the state
differs from the one it has seen, and 204 if it has seen the end.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from eventing.api.callers.auth import Owner
from eventing.api.dependencies import ContainerDep
from eventing.api.jobs.progress import KEEP_ALIVE, KEEP_ALIVE_SECONDS, RESPONSES, LastEventId, event_text
from eventing.api.stories.routes import StoryId
from eventing.api.stories.views import story_view
from eventing.story_watchers import StorySnapshot, StoryWatchers

router = APIRouter(prefix="/v1/stories", tags=["stories"])


@router.get("/{story_id}/events", response_class=StreamingResponse, responses=RESPONSES)
async def follow(
    story_id: StoryId, container: ContainerDep, owner: Owner, last_event_id: LastEventId = None
) -> Response:
    """Follow a story until it is over."""
    prefix = container.settings.path_prefix
    snapshot = await container.story_watchers.look(story_id, owner)
    if snapshot.story.is_over and _event(snapshot, prefix)[0] == last_event_id:
        return Response(status_code=204)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    stream = _stream(container.story_watchers, snapshot, prefix, last_event_id)
    return StreamingResponse(stream, media_type="text/event-stream", headers=headers)


async def _stream(
    watchers: StoryWatchers, snapshot: StorySnapshot, prefix: str, last_id: str | None
) -> AsyncIterator[str]:
    """Yield an event whenever the state differs; end once the story is over or deleted."""
    silent_since = time.monotonic()
    with watchers.follow(snapshot) as followed:
        while latest := followed.snapshot:
            mark = followed.signal.mark()
            event_id, text = _event(latest, prefix)
            if event_id != last_id:
                last_id, silent_since = event_id, time.monotonic()
                yield text
            if latest.story.is_over:
                return
            left = silent_since + KEEP_ALIVE_SECONDS - time.monotonic()
            await followed.signal.wait(mark, max(0.0, left))
            if time.monotonic() >= silent_since + KEEP_ALIVE_SECONDS:
                silent_since = time.monotonic()
                yield KEEP_ALIVE


def _event(snapshot: StorySnapshot, prefix: str) -> tuple[str, str]:
    return event_text("story", story_view(snapshot.story, snapshot.jobs, prefix).model_dump_json())
