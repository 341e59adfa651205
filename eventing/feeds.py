"""Tell the streams of an owner what changes among the owner's jobs: new ones, new states, deleted ones.

A feed looks at the owner's newest jobs, at those that run, and at deletions. Its streams share it: one reader
per process looks at the feeds of all owners who have a stream open, at once after a change in this process
and with each poll. It spends at most a twentieth of the time in the database, so many owners make it slower
and not busier.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from eventing.contract.errors import ReelzeroError
from eventing.domain.job import Job, Status
from eventing.signal import Signal
from eventing.store.watched import DELETED, WatchStore, version_of
from eventing.watchers import LONGEST_PAUSE, Snapshot

GAP = 0.2  # least seconds between two rounds
SHARE = 20  # seconds of pause for each second that a round took, or that the queue positions took
log = logging.getLogger(__name__)


@dataclass
class Change:
    """A job's new state; None once it is deleted. `text` is the event, once a stream has written it."""

    public_id: str
    snapshot: Snapshot | None
    text: str = ""


@dataclass(eq=False)
class Subscription:
    """One stream. A job that changes twice before the stream is read counts once."""

    signal: Signal = field(default_factory=Signal)
    _pending: dict[str, Change] = field(default_factory=dict)

    def put(self, row_id: str, change: Change) -> None:
        """Add a change and signal it."""
        self._pending.pop(row_id, None)
        self._pending[row_id] = change
        self.signal.notify()

    def take(self) -> list[Change]:
        """Return the changes since the last call, oldest first."""
        changes, self._pending = list(self._pending.values()), {}
        return changes


@dataclass(eq=False)
class Feed:
    """What the streams of one owner share. `snapshots` is None before the first look."""

    owner: str
    streams: set[Subscription] = field(default_factory=set)
    snapshots: dict[str, Snapshot] | None = None
    deleted: frozenset[str] = frozenset()  # row ids of the deletions that the last look saw
    positions_at: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def publish(self, row_id: str, public_id: str, snapshot: Snapshot | None) -> None:
        """Give every stream a change."""
        change = Change(public_id, snapshot)
        for stream in self.streams:
            stream.put(row_id, change)


class Feeds:
    """The feeds of this process and the task that reads for them."""

    def __init__(self, store: WatchStore, changes: Signal, poll_seconds: float) -> None:
        self._store = store
        self._changes = changes
        self._poll = poll_seconds
        self._feeds: dict[str, Feed] = {}
        self._reader: asyncio.Task[None] | None = None
        self._away = False

    @asynccontextmanager
    async def subscribe(self, owner: str) -> AsyncIterator[Subscription]:
        """Collect an owner's changes in the context, the jobs under way first. Raises Unavailable."""
        feed, stream = self._feeds.setdefault(owner, Feed(owner)), Subscription()
        feed.streams.add(stream)
        try:
            if feed.snapshots is None:
                await self._look(feed)
            if self._reader is None:
                self._reader = asyncio.create_task(self._run(), name="feeds")
            for row_id, snapshot in (feed.snapshots or {}).items():
                if not snapshot.job.status.is_terminal:
                    stream.put(row_id, Change(snapshot.job.public_id, snapshot))
            yield stream
        finally:
            self._leave(feed, stream)

    def _leave(self, feed: Feed, stream: Subscription) -> None:
        feed.streams.discard(stream)
        if not feed.streams and self._feeds.get(feed.owner) is feed:
            del self._feeds[feed.owner]
        if not self._feeds and self._reader:
            self._reader.cancel()
            self._reader = None

    async def _run(self) -> None:
        while True:
            mark, begin = self._changes.mark(), time.monotonic()
            for feed in list(self._feeds.values()):
                await self._try_look(feed)
            await asyncio.sleep(max(GAP, SHARE * (time.monotonic() - begin)))
            await self._changes.wait(mark, self._poll)

    async def _try_look(self, feed: Feed) -> None:
        """Look, and go on later if the database is away: no error ends the reader."""
        try:
            await self._look(feed)
            self._away = False
        except ReelzeroError as error:
            if not self._away:
                log.warning("feeds of jobs cannot be read now: %s", error)
            self._away = True
        except Exception:
            log.exception("a feed of jobs cannot be read")

    async def _look(self, feed: Feed) -> None:
        async with feed.lock:
            old = feed.snapshots
            versions = await self._store.newest(feed.owner)
            deleted = frozenset(i for i, version in versions.items() if version[2] == DELETED)
            versions = {i: version for i, version in versions.items() if i not in deleted}
            known = old or {}
            stale = {
                i for i, version in versions.items() if i not in known or version_of(known[i].job) != version
            }
            gone = known.keys() - versions.keys()
            rows = await self._store.jobs(stale | gone) if stale | gone else {}
            jobs = {i: rows.get(i) or known[i].job for i in versions if i in rows or i in known}
            positions = await self._positions(feed, jobs)
            feed.snapshots = {i: Snapshot(job, positions.get(i)) for i, job in jobs.items()}
            if old is not None:
                _announce(feed, old, {i: rows.get(i) for i in gone})
                for row_id in deleted - feed.deleted - old.keys():
                    feed.publish(row_id, row_id, None)
            feed.deleted = deleted

    async def _positions(self, feed: Feed, jobs: dict[str, Job]) -> dict[str, int]:
        """Return the queue positions; those of the last look while it is too early for a new one."""
        queued = {i for i, job in jobs.items() if job.status is Status.queued}
        begin = time.monotonic()
        if not queued or begin < feed.positions_at:
            known = feed.snapshots or {}
            return {i: place for i in queued if i in known and (place := known[i].position) is not None}
        positions = await self._store.positions(queued)
        pause = min(max(self._poll, SHARE * (time.monotonic() - begin)), LONGEST_PAUSE)
        feed.positions_at = time.monotonic() + pause
        return positions


def _announce(feed: Feed, old: dict[str, Snapshot], gone: dict[str, Job | None]) -> None:
    """Publish what differs between two looks. A job that only left the newest ones has not changed."""
    for row_id, snapshot in (feed.snapshots or {}).items():
        before = old.get(row_id)
        if before is None or before.job is not snapshot.job or before.position != snapshot.position:
            feed.publish(row_id, snapshot.job.public_id, snapshot)
    for row_id, job in gone.items():
        before = old[row_id]
        if job is None or job.owner != feed.owner:
            feed.publish(row_id, before.job.public_id, None)
        elif version_of(job) != version_of(before.job):
            feed.publish(row_id, job.public_id, Snapshot(job))
