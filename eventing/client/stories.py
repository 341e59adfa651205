<<<<<<< HEAD
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
=======
"""Define what the server answers about stories, and the calls for them."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import Field

from eventing.client.answer import Answer
from eventing.client.calls import Calls
from eventing.client.download import download
from eventing.client.stream import PATIENCE_SECONDS, resumed
from eventing.contract.errors import Conflict, InvalidRequest, NotFound
from eventing.contract.records.models import JOB_ID_PATTERN, Failure, Status

FILES = {"film": ".mp4", "subtitles": ".vtt", "poster": ".jpg"}  # of a result, with their endings


class StoryFile(Answer):
    """A file of a story."""

    url: str
    sha256: str
    bytes: int
    content_type: str


class StoryStep(Answer):
    """One step of a story."""

    name: str
    uses: str
    state: str = Field(description="waiting, running, completed, failed, cancelled or skipped.")
    percent: int
    job_id: str | None = None
    reused: bool = False
    queued: bool = False
    expected_seconds: float = 0
    seconds: float | None = None
    outputs: dict[str, StoryFile] = Field(default_factory=dict)
    error: Failure | None = None


class Story(Answer):
    """A story as the server shows it."""

    id: str
    status: Status
    percent: int
    submitted_at: datetime
    revised_from: str | None = None
    steps: list[StoryStep]
    error: Failure | None = None


class StoryPage(Answer):
    """A page of stories; `next` goes into `after`."""

    data: list[Story]
    has_more: bool = False
    next: str | None = None


class StepEstimate(Answer):
    """One step of a story that is not stored."""

    name: str
    uses: str
    expected_seconds: float


class StoryEstimate(Answer):
    """What a story would take, had it been submitted."""

    steps: list[StepEstimate]
    expected_seconds: float
    expected_cost: float | None = None
    currency: str | None = None


class StoryResult(Answer):
    """The files of a completed story."""

    film: StoryFile | None = None
    subtitles: StoryFile | None = None
    poster: StoryFile | None = None


class Stories:
    """The stories of a server: `Stories(client.calls)`, inside `async with`."""
>>>>>>> 2f6e7d5 (reelzero story FILE makes a film, shows its steps as they end, and downloads it)

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

<<<<<<< HEAD
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
=======
    async def submit(self, request: Mapping[str, Any], key: str | None = None) -> Story:
        """Submit a story. The same `key` leads to the same one."""
        headers = {"Idempotency-Key": key or secrets.token_urlsafe(24)}
        answer = await self._calls.json("POST", "/v1/stories", json=dict(request), headers=headers)
        return Story.read(answer)

    async def estimate(self, request: Mapping[str, Any]) -> StoryEstimate:
        """Return what `submit` of the same would take and cost. Nothing is stored."""
>>>>>>> 2f6e7d5 (reelzero story FILE makes a film, shows its steps as they end, and downloads it)
        params = {"dry_run": "true"}
        answer = await self._calls.json("POST", "/v1/stories", json=dict(request), params=params)
        return StoryEstimate.read(answer)

<<<<<<< HEAD
    async def get(self, story_id: str) -> Story:
=======
    async def revise(self, story_id: str, change: Mapping[str, Any], key: str | None = None) -> Story:
        """Make a new story of an earlier one: a whole request, or the scenes and steps that change."""
        headers = {"Idempotency-Key": key or secrets.token_urlsafe(24)}
        path = f"{_path(story_id)}/revise"
        return Story.read(await self._calls.json("POST", path, json=dict(change), headers=headers))

    async def story(self, story_id: str) -> Story:
>>>>>>> 2f6e7d5 (reelzero story FILE makes a film, shows its steps as they end, and downloads it)
        """Return a story as it is now."""
        return Story.read(await self._calls.json("GET", _path(story_id)))

    async def page(
        self, *, status: Iterable[Status] = (), limit: int = 20, after: str | None = None
    ) -> StoryPage:
        """Return a page of stories, the newest first."""
        query = [("limit", str(limit)), *(("status", str(each)) for each in status)]
        query += [("after", after)] if after else []
        return StoryPage.read(await self._calls.json("GET", "/v1/stories", params=query))

<<<<<<< HEAD
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
=======
    async def cancel(self, story_id: str) -> Story:
        """Cancel a story: steps that run end within one step of theirs."""
        return Story.read(await self._calls.json("POST", f"{_path(story_id)}/cancel"))

    async def retry(self, story_id: str) -> Story:
        """Continue a failed or cancelled story from what is not completed."""
        return Story.read(await self._calls.json("POST", f"{_path(story_id)}/retry"))

    async def follow(self, story_id: str, patience: float = PATIENCE_SECONDS) -> AsyncIterator[Story]:
        """Yield a story whenever it changes, up to its end. A connection that breaks is made again."""

        async def state() -> Story:
            return await self.story(story_id)

        events = resumed(self._calls, f"{_path(story_id)}/events", patience, state)
        async for event in events:
            story = event if isinstance(event, Story) else Story.read(event.data)
            yield story
            if story.status.is_terminal:
                return

    async def download(self, story_id: str, folder: Path) -> list[Path]:
        """Download film, subtitles and poster of a completed story, each whole, with its checksum compared.

        Raises Conflict if it is not completed, NotFound if none of its steps makes a film.
        """
        story = await self.story(story_id)
        if story.status is not Status.completed:
            cause = f": {story.error.message}" if story.error else ""
            raise Conflict(f"story {story.id} is {story.status} and has no film{cause}")
        result = StoryResult.read(await self._calls.json("GET", f"{_path(story_id)}/result"))
        paths = []
        for name, ending in FILES.items():
            file: StoryFile | None = getattr(result, name)
            if file is not None:
                paths.append(folder / f"{story.id}-{name}{ending}")
                await download(self._calls, _address(story, file), paths[-1], file.sha256)
        if not paths:
            raise NotFound(f"no step of story {story.id} leaves a film, subtitles or a poster")
        return paths


def _address(story: Story, file: StoryFile) -> str:
    """Return the path of a file on the server, which takes the caller's key."""
    files = [each for step in story.steps for each in step.outputs.values()]
    return next((each.url for each in files if each.sha256 == file.sha256), file.url)


def _path(story_id: str) -> str:
>>>>>>> 2f6e7d5 (reelzero story FILE makes a film, shows its steps as they end, and downloads it)
    if not re.fullmatch(JOB_ID_PATTERN, story_id):
        raise InvalidRequest(f"{story_id!r} is not an id of a story", field="id")
    return f"/v1/stories/{story_id}"
