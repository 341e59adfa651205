"""The use cases of stories: submit, check, read, cancel, retry, revise, delete, remove what has expired.

Every way in (REST, CloudEvents, the command line) translates its request and calls one of these.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from eventing.contract.errors import (
    Conflict,
    InvalidRequest,
    NotFound,
    ReelzeroError,
    StorageError,
    TooMany,
)
from eventing.contract.records.models import Status
from eventing.contract.records.results import StoredFile
from eventing.contract.records.steps import story_prefix
from eventing.contract.storage.s3 import Bucket, Folder
from eventing.contract.stories.document import StoryRequest
from eventing.domain import story as state
from eventing.domain.job import Job
from eventing.domain.story import Story
from eventing.drafts import Origin
from eventing.jobs import Jobs
from eventing.metrics.stories import SUBMITTED
from eventing.pictures.fetch import OwnsJob
from eventing.signal import Signals
from eventing.store.database.shielded import finish, shielded
from eventing.store.jobs import JobStore
from eventing.store.stories import Moment, StoryStore
from eventing.stories.advance import Advance
from eventing.stories.plan import Plan, Planner, inputs_folder
from eventing.stories.revise import revised
from eventing.watchers import Watchers

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stories:
    """The use cases of one replica."""

    planner: Planner
    store: StoryStore
    job_store: JobStore
    jobs: Jobs
    loop: Advance
    bucket: Bucket
    signals: Signals
    watchers: Watchers

    async def submit(
        self, request: StoryRequest, origin: Origin, story_id: str | None = None
    ) -> tuple[Story, bool]:
        """Store a story; return it, and whether it is new. `story_id` is an id that its owner chose.

        It is not new if an equal submission made it before. Raises InvalidRequest with the path of what is
        wrong, Conflict, TooMany, Unavailable.
        """
        return await self._submit(await self.planner.plan(request, origin, story_id), origin)

    async def check(self, request: StoryRequest, origin: Origin) -> Plan:
        """Return the plan of a request: steps, seconds, cost. Raises as `submit`, and stores nothing."""
        return await self.planner.plan(request, origin)

    async def get(self, story_id: str, owner: str) -> Story:
        """Return a story of an owner. Raises NotFound."""
        return await self.store.get(story_id, owner)

    async def moment(self, story_id: str, owner: str) -> Moment:
        """Return a story of an owner with its jobs, by step. Raises NotFound."""
        return await self.store.moment((await self.store.get(story_id, owner)).id)

    async def page(
        self, owner: str, *, limit: int, after: str | None = None, statuses: tuple[Status, ...] = ()
    ) -> tuple[list[Story], dict[str, dict[str, Job]], bool]:
        """Return stories, newest first, with their jobs by story and id, and whether more follow."""
        stories, more = await self.store.page(owner, limit=limit, after=after, statuses=statuses)
        return stories, await self.store.jobs_of([story.id for story in stories]), more

    async def cancel(self, story_id: str, owner: str) -> Story:
        """Ask for the end of a story and its jobs. One that is over stays as it is. Raises NotFound."""
        story = await self.store.change(story_id, owner, state.request_cancel)
        return await self._moved(story)

    async def retry(self, story_id: str, owner: str) -> tuple[Story, bool]:
        """Continue a failed or cancelled story; return it, and whether this call did that.

        It did not if the story waits or runs. Raises NotFound, Conflict if it is completed.
        """
        before = await self.store.get(story_id, owner)
        story = await self.store.change(story_id, owner, _retried)
        return await self._moved(story), before.is_over

    async def revise(self, story_id: str, change: Any, origin: Origin) -> tuple[Story, bool]:
        """Make a new story of a changed one, which takes over what has not changed. Raises as `submit`.

        The new one is not new if an equal submission with the same key made it before.
        """
        old = await self.store.get(story_id, origin.owner)
        plan = await self.planner.plan(revised(old.document, change), origin)
        plan = replace(plan, story=replace(plan.story, revised_from=old.public_id))
        kept = {address: file for step in old.steps for address, file in step.fetched.items()}
        return await self._submit(plan, origin, kept)

    @shielded  # a cut between the objects and the rows would leave a story without its files
    async def delete(self, story_id: str, owner: str) -> None:
        """Delete a story that is over, with its jobs and objects. Raises NotFound, Conflict."""
        story = await self.store.get(story_id, owner)
        if not story.is_over:
            problem = f"story {story_id} is {story.status}; only one that is over can be deleted"
            raise Conflict(problem, field="id")
        await self._remove(story.id)

    async def remove_expired(self) -> None:
        """Delete stories that have outlived their retention. Raises StorageError, Unavailable."""
        while expired := await self.store.expired():
            for story_id in expired:
                await self._remove(story_id)

    async def _submit(
        self, plan: Plan, origin: Origin, kept: Mapping[str, StoredFile] | None = None
    ) -> tuple[Story, bool]:
        if not plan.has_addresses:
            return self._announced(await self.store.submit(plan.story, origin.key), origin)
        if earlier := await self.store.earlier(plan.story, origin.key):  # files need not be fetched again
            return earlier, False
        try:
            story = await self.planner.with_files(plan, self._owner_of(origin.owner), kept or {})
        except BaseException:
            await finish(self._discard(plan.story))
            raise
        return self._announced(await self._store_with(story, origin), origin)

    @shielded  # a caller that leaves after the commit must not take the files of the story away
    async def _store_with(self, story: Story, origin: Origin) -> tuple[Story, bool]:
        """Store a story whose files are there; delete these if it is certain that no story names them."""
        try:
            stored, new = await self.store.submit(story, origin.key)
        except (Conflict, InvalidRequest, TooMany):
            await self._discard(story)
            raise
        if stored.id != story.id:
            await self._discard(story)
        return stored, new

    def _announced(self, stored: tuple[Story, bool], origin: Origin) -> tuple[Story, bool]:
        story, new = stored
        if new:
            SUBMITTED.labels(origin.way).inc()
            self.signals.story_due.notify()
            self.watchers.changed(story.id)
        return stored

    async def _moved(self, story: Story) -> Story:
        """Return a story after a look at it, or as it is if this has to wait for the loop."""
        self.signals.story_due.notify()
        self.watchers.changed(story.id)
        with contextlib.suppress(ReelzeroError):
            await self.loop.look(story.id)
        return await self.store.get(story.id)

    def _owner_of(self, owner: str) -> OwnsJob:
        """Return what tells whether a job or a story is the owner's."""

        async def owns(name: str) -> bool:
            for get in (self.job_store.get, self.store.get):
                with contextlib.suppress(NotFound):
                    await get(name, owner)
                    return True
            return False

        return owns

    async def _discard(self, story: Story) -> None:
        """Delete the files of a story that was not stored. A chosen id may be that of a stored one."""
        if story.chosen_id is not None:
            return
        try:
            await asyncio.to_thread(self.bucket.delete_folder, Folder(inputs_folder(story.id)))
        except StorageError:
            log.warning("files of no story stay in S3", extra={"story": story.id}, exc_info=True)

    async def _remove(self, story_id: str) -> None:
        # The row of the story goes last: if this fails before, the row makes the next sweep repeat it.
        folder = Folder(story_prefix(story_id))
        for job_id in (await self.store.jobs_of([story_id]))[story_id]:
            await self.jobs.remove(job_id)
        await asyncio.to_thread(self.bucket.delete_folder, folder)
        await self.store.drop(story_id)
        self.watchers.changed(story_id)
        await asyncio.to_thread(self.bucket.delete_folder, folder)  # a relay may have written the event


def _retried(story: Story, now: float) -> Story:
    """Return a story that continues; one that is not over as it is. Raises Conflict."""
    if not story.is_over:
        return story
    if story.status is Status.completed:
        problem = f"story {story.public_id} is completed; only a failed or cancelled one can be retried"
        raise Conflict(problem, field="id")
    return state.retry(story, now)
