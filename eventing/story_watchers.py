"""Keep followed stories up to date: one reader per process, for any number of streams.

The reader runs only while a story is followed. It reads all followed stories with their jobs by two
statements: soon after a change in this process, and with each poll, for changes that other replicas made. It
spends at most a twentieth of the time in the database. While that is away, streams keep what they have.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from eventing.contract.errors import ReelzeroError
from eventing.domain.job import Job
from eventing.domain.story import Story
from eventing.signal import Signal, wait_any
from eventing.store.stories import StoryStore

GAP = 0.3  # least seconds between two reads: a story of a hundred steps is a long text
SHARE = 20  # seconds of pause for each second that a read took
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StorySnapshot:
    """A story at one moment, with its jobs by their ids."""

    story: Story
    jobs: Mapping[str, Job]


@dataclass
class FollowedStory:
    """A story that a stream follows. `snapshot` is None once it is deleted."""

    snapshot: StorySnapshot | None
    streams: int = 0
    signal: Signal = field(default_factory=Signal)

    def show(self, snapshot: StorySnapshot | None) -> None:
        """Replace the snapshot and signal the streams, if it differs."""
        if snapshot != self.snapshot:
            self.snapshot = snapshot
            self.signal.notify()


class StoryWatchers:
    """The followed stories of this process and the task that reads them.

    `changes` are the signals of this process after which a story may differ.
    """

    def __init__(self, store: StoryStore, changes: Sequence[Signal], poll_seconds: float) -> None:
        self._store = store
        self._changes = changes
        self._poll = poll_seconds
        self._followed: dict[str, FollowedStory] = {}
        self._reader: asyncio.Task[None] | None = None
        self._away = False

    async def look(self, story_id: str, owner: str) -> StorySnapshot:
        """Return the state of an owner's story by its public id. Raises NotFound, Unavailable."""
        story = await self._store.get(story_id, owner)
        return StorySnapshot(story, (await self._store.jobs_of([story.id]))[story.id])

    @contextmanager
    def follow(self, snapshot: StorySnapshot) -> Iterator[FollowedStory]:
        """Keep a story up to date inside the context; its `signal` reports each change."""
        story_id = snapshot.story.id
        followed = self._followed.setdefault(story_id, FollowedStory(snapshot))
        followed.streams += 1
        if self._reader is None:
            self._reader = asyncio.create_task(self._run(), name="story watchers")
        try:
            yield followed
        finally:
            followed.streams -= 1
            if not followed.streams:
                self._followed.pop(story_id, None)
            if not self._followed and self._reader:
                self._reader.cancel()
                self._reader = None

    async def _run(self) -> None:
        while True:
            marks, begin = [(signal, signal.mark()) for signal in self._changes], time.monotonic()
            await self._read()
            await asyncio.sleep(max(GAP, SHARE * (time.monotonic() - begin)))
            await wait_any(marks, self._poll)

    async def _read(self) -> None:
        """Read all followed stories. No error ends the reader: it reads again later."""
        ids = list(self._followed)
        try:
            stories, jobs = await self._store.by_ids(ids), await self._store.jobs_of(ids)
        except ReelzeroError as error:
            if not self._away:
                log.warning("followed stories cannot be read now: %s", error)
            self._away = True
            return
        except Exception:
            log.exception("followed stories cannot be read")
            return
        self._away = False
        for story_id in ids:
            if followed := self._followed.get(story_id):
                story = stories.get(story_id)
                followed.show(StorySnapshot(story, jobs[story_id]) if story else None)
