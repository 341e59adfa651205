"""The stories of a server, for `AsyncClient.stories`: submit, read, follow, change, fetch the film."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncGenerator, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from eventing.client.calls import Calls
from eventing.client.download import download, place_of
from eventing.client.story_records import (
    StepType,
    StepTypes,
    Story,
    StoryEstimate,
    StoryFile,
    StoryPage,
    StoryResult,
)
from eventing.client.stream import Stream, resumed
from eventing.contract.errors import Conflict, InvalidRequest
from eventing.contract.records.models import JOB_ID_PATTERN, Status

PATIENCE_SECONDS = 120.0  # for a server that is away while a story is followed
StoryFileName = Literal["film", "subtitles", "poster"]
ENDINGS: dict[StoryFileName, str] = {"film": ".mp4", "subtitles": ".vtt", "poster": ".jpg"}
Request = Mapping[str, Any]


class AsyncStories:
    """The stories of one server."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def submit(self, request: Request, *, key: str | None = None) -> Story:
        """Submit a story, as `POST /v1/stories` takes it, and return it.

        The same `key` leads to the same story; without one a call whose answer was lost is still not made
        twice.
        """
        return await self._post("/v1/stories", request, key)

    async def put(self, story_id: str, request: Request) -> Story:
        """Submit a story under an id of your own; the same call leads to the same story."""
        return Story.read(await self._calls.json("PUT", _path(story_id), json=dict(request)))

    async def estimate(self, request: Request) -> StoryEstimate:
        """Return what `submit` of the same would take. Nothing is stored."""
        params = {"dry_run": "true"}
        answer = await self._calls.json("POST", "/v1/stories", json=dict(request), params=params)
        return StoryEstimate.read(answer)

    async def get(self, story_id: str) -> Story:
        """Return a story as it is now."""
        return Story.read(await self._calls.json("GET", _path(story_id)))

    async def page(
        self, *, status: Iterable[Status] = (), limit: int = 20, after: str | None = None
    ) -> StoryPage:
        """Return a page of stories, the newest first."""
        query = [("limit", str(limit)), *(("status", str(each)) for each in status)]
        query += [("after", after)] if after else []
        return StoryPage.read(await self._calls.json("GET", "/v1/stories", params=query))

    async def step_types(self) -> list[StepType]:
        """Return the step types of the server."""
        return StepTypes.read(await self._calls.json("GET", "/v1/step-types")).data

    async def cancel(self, story_id: str) -> Story:
        """Cancel a story: steps that run end within one step of theirs, and no further one begins."""
        return Story.read(await self._calls.json("POST", f"{_path(story_id)}/cancel"))

    async def retry(self, story_id: str, *, key: str | None = None) -> Story:
        """Continue a failed or cancelled story from what is not completed."""
        return await self._post(f"{_path(story_id)}/retry", None, key)

    async def revise(self, story_id: str, change: Request, *, key: str | None = None) -> Story:
        """Return a new story of this one with something changed. Steps that stay equal are not run again.

        `change` is a whole request, or some fields: `{"scenes": {"2": {"prompt": "a green square"}}}`.
        """
        return await self._post(f"{_path(story_id)}/revise", change, key)

    async def delete(self, story_id: str) -> None:
        """Delete a story that is over, with its files."""
        await self._calls.content("DELETE", _path(story_id))

    async def stream(self, story_id: str, patience: float = PATIENCE_SECONDS) -> AsyncGenerator[Story, None]:
        """Yield a story whenever it has changed, up to its end.

        A connection that breaks is made again, for `patience` seconds without an answer.
        """
        path = _path(story_id)
        stream = Stream(f"{path}/events", lambda event: Story.read(event.data), lambda: self.get(story_id))
        async for story in resumed(self._calls, stream, patience, lambda story: story.status.is_terminal):
            yield story

    async def wait(self, story_id: str, timeout: float | None = None) -> Story:  # noqa: ASYNC109 - part of the door
        """Return a story once it is over, in any way. Raises TimeoutError after `timeout` seconds."""
        async with asyncio.timeout(timeout):
            async for story in self.stream(story_id):
                if story.status.is_terminal:
                    return story
        raise AssertionError("a stream ends with the story")

    async def result(self, story_id: str) -> StoryResult:
        """Return the presigned addresses of a completed story's files. Raises Refused before its end."""
        return StoryResult.read(await self._calls.json("GET", f"{_path(story_id)}/result"))

    async def download(self, story_id: str, path: str | Path, what: StoryFileName = "film") -> Path:
        """Download a file of a completed story.

        A path that is a folder, or ends with `/`, gets a file named by the story. The file appears whole, and
        its checksum is compared. Raises Conflict if the story has no such file, StorageError, OSError.
        """
        story, result = await self.get(story_id), await self.result(story_id)
        file: StoryFile | None = getattr(result, what)
        if file is None:
            raise Conflict(f"story {story.id} has no {what}")
        target = place_of(path, f"{story.id}-{what}{ENDINGS[what]}")
        await download(self._calls, _path_of(story, file), target, file.sha256)
        return target

    async def _post(self, path: str, body: Request | None, key: str | None) -> Story:
        headers = {"Idempotency-Key": key or secrets.token_urlsafe(24)}
        options = {} if body is None else {"json": dict(body)}
        return Story.read(await self._calls.json("POST", path, headers=headers, **options))


def _path_of(story: Story, file: StoryFile) -> str:
    """Return the path of a result's file on the server, which takes the key of this client."""
    outputs = (output for step in story.steps for output in step.outputs.values())
    same = next((output for output in outputs if output.sha256 == file.sha256), None)
    if same is None:
        raise Conflict(f"story {story.id} has changed meanwhile; download it again")
    return same.url


def _path(story_id: str) -> str:
    """Return the path of a story. Raises InvalidRequest for what cannot be an id."""
    if not re.fullmatch(JOB_ID_PATTERN, story_id):
        raise InvalidRequest(f"{story_id!r} is not an id of a story", field="id")
    return f"/v1/stories/{story_id}"
