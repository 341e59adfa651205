"""The stories of a server, for `Client.stories`: each call runs the same one of AsyncStories to its end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

from eventing.client.async_client import AsyncClient
from eventing.client.stories import PATIENCE_SECONDS, Request, StoryFileName
from eventing.client.story_records import StepType, Story, StoryEstimate, StoryPage, StoryResult
from eventing.contract.records.models import Status

T = TypeVar("T")


class Run(Protocol):
    """Runs a coroutine to its end."""

    def __call__(self, work: Coroutine[Any, Any, T], /) -> T:
        """Return its result."""
        ...


class Stories:
    """The stories of one server."""

    def __init__(self, client: AsyncClient, run: Run) -> None:
        self._stories, self._run = client.stories, run

    def submit(self, request: Request, *, key: str | None = None) -> Story:
        """Submit a story, as `POST /v1/stories` takes it, and return it."""
        return self._run(self._stories.submit(request, key=key))

    def put(self, story_id: str, request: Request) -> Story:
        """Submit a story under an id of your own; the same call leads to the same story."""
        return self._run(self._stories.put(story_id, request))

    def estimate(self, request: Request) -> StoryEstimate:
        """Return what `submit` of the same would take. Nothing is stored."""
        return self._run(self._stories.estimate(request))

    def get(self, story_id: str) -> Story:
        """Return a story as it is now."""
        return self._run(self._stories.get(story_id))

    def page(self, *, status: Iterable[Status] = (), limit: int = 20, after: str | None = None) -> StoryPage:
        """Return a page of stories, the newest first."""
        return self._run(self._stories.page(status=status, limit=limit, after=after))

    def step_types(self) -> list[StepType]:
        """Return the step types of the server."""
        return self._run(self._stories.step_types())

    def cancel(self, story_id: str) -> Story:
        """Cancel a story: steps that run end within one step of theirs, and no further one begins."""
        return self._run(self._stories.cancel(story_id))

    def retry(self, story_id: str, *, key: str | None = None) -> Story:
        """Continue a failed or cancelled story from what is not completed."""
        return self._run(self._stories.retry(story_id, key=key))

    def revise(self, story_id: str, change: Request, *, key: str | None = None) -> Story:
        """Return a new story of this one with something changed; see AsyncStories.revise."""
        return self._run(self._stories.revise(story_id, change, key=key))

    def delete(self, story_id: str) -> None:
        """Delete a story that is over, with its files."""
        self._run(self._stories.delete(story_id))

    def stream(self, story_id: str, patience: float = PATIENCE_SECONDS) -> Iterator[Story]:
        """Yield a story whenever it has changed, up to its end."""
        stories = self._stories.stream(story_id, patience)
        try:
            while (story := self._run(_next(stories))) is not None:
                yield story
        finally:
            self._run(stories.aclose())

    def wait(self, story_id: str, timeout: float | None = None) -> Story:
        """Return a story once it is over, in any way. Raises TimeoutError after `timeout` seconds."""
        return self._run(self._stories.wait(story_id, timeout))

    def result(self, story_id: str) -> StoryResult:
        """Return the presigned addresses of a completed story's files."""
        return self._run(self._stories.result(story_id))

    def download(self, story_id: str, path: str | Path, what: StoryFileName = "film") -> Path:
        """Download a file of a completed story; see AsyncStories.download."""
        return self._run(self._stories.download(story_id, path, what))


async def _next(stories: AsyncIterator[Story]) -> Story | None:
    return await anext(stories, None)
