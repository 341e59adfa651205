"""Serve `/v1/stories`: submit, read, list, cancel, retry, revise, delete (progress.py follows a story)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import JSONResponse

from eventing.api.callers.auth import Owner
from eventing.api.dependencies import Container, ContainerDep
from eventing.api.requests.origin import DryRun, PutOrigin, RestOrigin, SubmitOrigin, Submitter
from eventing.api.stories.estimates import StoryEstimateView, story_estimate_view
from eventing.api.stories.requests import REVISE_BODY, STORY_BODY, ChangeBody, StoryBody
from eventing.api.stories.views import StoryPage, StoryView, story_view
from eventing.contract.errors import StorageError, Unavailable
from eventing.contract.records.models import JOB_ID_PATTERN, Status
from eventing.domain.story import Story
from eventing.store.listing import CURSOR_PATTERN
from eventing.store.stories import cursor_of

router = APIRouter(prefix="/v1/stories", tags=["stories"])
StoryId = Annotated[str, Path(pattern=JOB_ID_PATTERN, description="The story's id.")]
After = Annotated[str | None, Query(pattern=CURSOR_PATTERN, description="`next` of the page before.")]


@router.post(
    "",
    status_code=202,
    response_model=StoryView,
    responses={200: {"model": StoryEstimateView}},
    openapi_extra=STORY_BODY,
)
async def submit(
    origin: SubmitOrigin, body: StoryBody, container: ContainerDep, response: Response,
    dry_run: DryRun = False,
) -> StoryView | Response:  # fmt: skip
    """Store a story of several steps and answer at once. It is checked whole before anything runs.

    The same `Idempotency-Key` leads to the same story.
    """
    if dry_run:
        view = story_estimate_view(await container.stories.check(body, origin), container)
        return JSONResponse(view.model_dump(mode="json"))
    story, new = await container.stories.submit(body, origin)
    return await _made(story, container, response, new=new)


@router.put("/{story_id}", status_code=202, responses={200: {"model": StoryView}}, openapi_extra=STORY_BODY)
async def put(
    story_id: StoryId, origin: PutOrigin, body: StoryBody, container: ContainerDep, response: Response
) -> StoryView:
    """Store a story under an id of the caller's choice; a repeated call answers 200 with the same story."""
    story, new = await container.stories.submit(body, origin, story_id)
    return await _made(story, container, response, new=new)


@router.get("")
async def page(
    container: ContainerDep, owner: Owner,
    status: Annotated[list[Status] | None, Query(description="Only these; may be repeated.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: After = None,
) -> StoryPage:  # fmt: skip
    """List the caller's stories, newest first."""
    stories, jobs, more = await container.stories.page(
        owner, limit=limit, after=after, statuses=tuple(status or ())
    )
    prefix = container.settings.path_prefix
    data = [story_view(story, jobs[story.id], prefix) for story in stories]
    return StoryPage(data=data, has_more=more, next=cursor_of(stories[-1]) if more else None)


@router.get("/{story_id}")
async def read(story_id: StoryId, container: ContainerDep, owner: Owner) -> StoryView:
    """Return one story, with its steps."""
    return await _shown(await container.stories.get(story_id, owner), container)


@router.post("/{story_id}/cancel", status_code=202, responses={200: {"model": StoryView}})
async def cancel(story_id: StoryId, container: ContainerDep, owner: Owner, response: Response) -> StoryView:
    """Cancel a story: 200 if it is over, 202 if steps run until their next step. No further one begins."""
    story = await container.stories.cancel(story_id, owner)
    response.status_code = 200 if story.is_over else 202
    return await _shown(story, container)


@router.post("/{story_id}/retry", status_code=202, responses={200: {"model": StoryView}})
async def retry(
    story_id: StoryId, owner: Submitter, container: ContainerDep, response: Response
) -> StoryView:
    """Continue a failed or cancelled story from the steps that are not completed.

    A story that waits or runs is left as it is (200). A completed one is a 409: revise it.
    """
    story, queued = await container.stories.retry(story_id, owner)
    return await _made(story, container, response, new=queued)


@router.post(
    "/{story_id}/revise", status_code=202, responses={200: {"model": StoryView}}, openapi_extra=REVISE_BODY
)
async def revise(
    story_id: StoryId, origin: RestOrigin, body: ChangeBody, container: ContainerDep, response: Response
) -> StoryView:
    """Make a new story of this one with something changed. Steps that stay equal are not run again.

    The body is a whole request, or what changes of scenes, steps, film, metadata and callback_url.
    """
    story, new = await container.stories.revise(story_id, body, origin)
    return await _made(story, container, response, new=new)


@router.delete("/{story_id}", status_code=204, responses={409: {"description": "It is not over."}})
async def delete(story_id: StoryId, container: ContainerDep, owner: Owner) -> None:
    """Delete a story that is over, with its jobs and files. Revisions have copies of their own."""
    try:
        await container.stories.delete(story_id, owner)
    except StorageError as error:
        raise Unavailable("object storage cannot be reached", retry_after=5) from error


async def _made(story: Story, container: Container, response: Response, *, new: bool) -> StoryView:
    response.status_code = 202 if new else 200
    response.headers["Location"] = f"/v1/stories/{story.public_id}"
    return await _shown(story, container)


async def _shown(story: Story, container: Container) -> StoryView:
    jobs = await container.stories.store.jobs_of([story.id])
    return story_view(story, jobs[story.id], container.settings.path_prefix)
