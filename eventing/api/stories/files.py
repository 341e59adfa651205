"""Serve the files of stories: the result as presigned addresses, each output of a step as bytes."""

from __future__ import annotations

import asyncio
import hashlib
import mimetypes
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from eventing.api.answers.content import read_object, stream_file
from eventing.api.callers.auth import Owner
from eventing.api.dependencies import Container, ContainerDep
from eventing.api.stories.routes import StoryId
from eventing.api.stories.views import FileView, file_view
from eventing.contract.errors import Conflict, NotFound
from eventing.contract.records.models import Frozen, Status
from eventing.contract.records.results import StoredFile
from eventing.contract.records.story_manifest import story_manifest_key
from eventing.contract.stories.types import NAME
from eventing.domain.story import Story
from eventing.domain.story_result import result_of

router = APIRouter(prefix="/v1/stories", tags=["stories"])
ENDINGS = {"text/vtt": ".vtt", "video/x-matroska": ".mkv", "audio/wav": ".wav"}  # not in every system's table


class StoryResultView(Frozen):
    """Where the files of a completed story are. The addresses are presigned and expire."""

    film: FileView | None
    subtitles: FileView | None
    poster: FileView | None
    manifest: FileView | None
    expires_in_seconds: int


@router.get("/{story_id}/result", responses={409: {"description": "Not completed."}})
async def result(
    story_id: StoryId, container: ContainerDep, owner: Owner, response: Response
) -> StoryResultView:
    """Return the presigned addresses of film, subtitles, poster and manifest; null for what is not made."""
    story = await container.stories.get(story_id, owner)
    _check_completed(story)
    files = {**vars(result_of(story)), "manifest": await _manifest(story, container)}
    views = {name: await _presigned(story, name, file, container) for name, file in files.items() if file}
    response.headers["Cache-Control"] = "no-store"
    absent = dict.fromkeys(files)
    return StoryResultView(**{**absent, **views, "expires_in_seconds": container.settings.presign_seconds})


@router.get("/{story_id}/files/{step}/{output}", response_class=Response)
@router.head("/{story_id}/files/{step}/{output}", response_class=Response, include_in_schema=False)
async def content(
    story_id: StoryId,
    step: Annotated[str, Path(pattern=NAME)],
    output: Annotated[str, Path(pattern=NAME)],
    container: ContainerDep, owner: Owner, request: Request,
    download: Annotated[bool, Query(description="Whether a browser saves it.")] = False,
) -> Response:  # fmt: skip
    """Return a file that a step has left, or the part of it that `Range` names; also while others run."""
    story = await container.stories.get(story_id, owner)
    if step not in story.by_name:
        raise NotFound(f"story {story.public_id} has no step {step}; it has: {', '.join(story.by_name)}")
    outputs = story.by_name[step].outputs
    if output not in outputs:
        known = ", ".join(outputs) or "none yet"
        raise NotFound(f"the step {step} of story {story.public_id} has no file {output}; it has: {known}")
    name = _name(story, f"{step}-{output}", outputs[output])
    return await stream_file(container, request, outputs[output], name, attachment=download)


def _check_completed(story: Story) -> None:
    if story.status is Status.completed:
        return
    if not story.is_over:
        problem = f"story {story.public_id} is {story.status}; its result is not there yet"
        raise Conflict(problem, retry_after=5)
    cause = f": {story.error.message}" if story.error else ""
    raise Conflict(f"story {story.public_id} {story.status}{cause}")


async def _manifest(story: Story, container: Container) -> StoredFile | None:
    """Return the manifest as a file; None while it is not written."""
    key = story_manifest_key(story.id)
    body = await read_object(container, key)
    if body is None:
        return None
    digest = hashlib.sha256(body).hexdigest()
    uri = f"s3://{container.bucket.name}/{key}"
    return StoredFile(uri=uri, sha256=digest, bytes=len(body), content_type="application/json")


async def _presigned(story: Story, what: str, file: StoredFile, container: Container) -> FileView:
    bucket, seconds = container.bucket, container.settings.presign_seconds
    url = await asyncio.to_thread(
        bucket.presign, bucket.key(file.uri), seconds, _name(story, what, file), attachment=False
    )
    return file_view(file, url)


def _name(story: Story, what: str, file: StoredFile) -> str:
    """Return the name under which a browser saves a file."""
    ending = ENDINGS.get(file.content_type) or mimetypes.guess_extension(file.content_type) or ""
    return f"{story.public_id}-{what}{ending}"
