"""Move stories on: the loop that looks at each story that is due.

A story is due when it was submitted or changed, and when one of its jobs has ended. A look writes the story,
the jobs of the steps that begin and the events in one transaction, which holds only if nothing has changed
meanwhile. Any replica may look at any story, also two at once: the slower one writes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

from eventing.contract.errors import NotFound, ReelzeroError
from eventing.domain.story import StepState, Story
from eventing.jobs import Jobs
from eventing.metrics.jobs import SUBMITTED
from eventing.metrics.stories import REUSED, count_end
from eventing.signal import IDLE, Signals
from eventing.store.stories import Moment, StoryChanged, StoryStore
from eventing.stories.decide import Decisions
from eventing.watchers import Watchers

AT_ONCE = 8  # stories
TRIES = 20  # looks at a story that changes all the time, before the others get their turn
LATER = 5.0  # seconds until a story is looked at again whose files or database are away
MUCH_LATER = 60.0  # after an unexpected error
log = logging.getLogger(__name__)


class Advance:
    """Looks at stories."""

    def __init__(
        self, store: StoryStore, decisions: Decisions, jobs: Jobs, signals: Signals, watchers: Watchers
    ) -> None:
        self._store = store
        self._decisions = decisions
        self._jobs = jobs
        self._signals = signals
        self._watchers = watchers
        self._places = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        """Look at what is due, until this task is cancelled."""
        while True:
            mark = self._signals.story_due.mark()
            if not await self._round():
                await self._signals.story_due.wait(mark, IDLE)

    async def look(self, story_id: str) -> None:
        """Move one story on as far as it goes now. Raises NotFound, Unavailable."""
        for _ in range(TRIES):
            with contextlib.suppress(StoryChanged):
                await self._look(await self._store.moment(story_id))
                return

    async def _round(self) -> bool:
        """Look at all stories that are due. Return whether there were any; no error ends the loop."""
        try:
            due = await self._store.due()
        except ReelzeroError as error:
            log.warning("stories cannot be read now: %s", error)
            return False
        await asyncio.gather(*map(self._look_safely, due))
        return bool(due)

    async def _look_safely(self, story_id: str) -> None:
        async with self._places:
            try:
                await self.look(story_id)
            except NotFound:
                return  # it was deleted meanwhile
            except ReelzeroError as error:
                log.warning("a story waits: %s", error, extra={"story": story_id})
                await self._postpone(story_id, error.retry_after or LATER)
            except Exception:
                log.exception("a story cannot go on", extra={"story": story_id})
                await self._postpone(story_id, MUCH_LATER)

    async def _postpone(self, story_id: str, seconds: float) -> None:
        try:
            await self._store.postpone(story_id, seconds)
        except ReelzeroError as error:
            log.warning("a story cannot be postponed: %s", error, extra={"story": story_id})
            await asyncio.sleep(LATER)

    async def _look(self, moment: Moment) -> None:
        story = self._decisions.after_ends(moment)
        await self._cancel_jobs(story, moment)
        decision = await self._decisions.next_steps(story, moment.at)
        new, written = await self._decisions.finish(moment.story, decision)
        if new != moment.story or written.jobs:
            new = await self._store.write(moment.story, new, written)
            self._announce(moment.story, new)
            for job in written.jobs:
                SUBMITTED.labels(job.model, job.lane, "story").inc()

    async def _cancel_jobs(self, story: Story, moment: Moment) -> None:
        """Cancel the jobs of a story that is to be cancelled. Raises StoryChanged if one ends at once."""
        running = {step.name for step in story.steps if step.state is StepState.running}
        for name, job in moment.jobs.items():
            if not story.cancel_requested or name not in running or job.cancel_requested:
                continue
            with contextlib.suppress(NotFound):
                if (await self._jobs.cancel(job.id)).status.is_terminal:
                    raise StoryChanged(story.id)

    def _announce(self, old: Story, new: Story) -> None:
        """Wake what waits for a change of the story, and count it."""
        self._signals.job_ready.notify()
        self._signals.message_due.notify()
        self._watchers.changed(new.id)
        before = old.by_name
        for step in new.steps:
            if step.reused and not before[step.name].reused:
                REUSED.labels(step.uses).inc()
        if new.is_over and not old.is_over:
            count_end(str(new.status), (new.completed_at or 0.0) - new.submitted_at)
