"""Watching jobs: one reader per process, however many streams and callers wait.

The reader runs only while something is watched. Changes made by this process are read at once (`changed`);
changes by other replicas are found by a poll. Each look is one small statement for all watched jobs, then
one for the rows that differ. While the database is away the watchers keep their last snapshot and wait.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from eventing.contract.errors import NotFound, ReelzeroError, Unavailable
from eventing.domain.job import Job, Status
from eventing.signal import Signal
from eventing.store.watched import Version, WatchStore, version_of

GAP = 0.1  # least seconds between two looks: a busy queue must not make the reader busy
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Snapshot:
    """A job at one moment. `position` is the number of jobs ahead of it; None unless it is queued."""

    job: Job
    position: int | None = None


@dataclass
class Watched:
    """A job with at least one watcher. `snapshot` is None before the first look and after a deletion."""

    job_id: str
    owner: str
    snapshot: Snapshot | None = None
    deleted: bool = False
    error: ReelzeroError | None = None  # why the first look failed
    watchers: int = 0
    signal: Signal = field(default_factory=Signal)

    @property
    def version(self) -> Version | None:
        """The version of the snapshot."""
        return version_of(self.snapshot.job) if self.snapshot else None

    def show(self, snapshot: Snapshot) -> None:
        """Replace the snapshot and wake the watchers, if it differs."""
        if snapshot != self.snapshot:
            self.snapshot = snapshot
            self.signal.notify()

    def delete(self) -> None:
        """Signal the watchers: the job is gone, or its id belongs to another owner now."""
        self.snapshot, self.deleted = None, True
        self.signal.notify()

    def fail(self, error: ReelzeroError) -> None:
        """Signal the watchers that wait for the first look."""
        if self.snapshot is None:
            self.error = error
            self.signal.notify()


class Watchers:
    """The watched jobs of this process and the task that reads them."""

    def __init__(self, store: WatchStore, poll_seconds: float) -> None:
        self._store = store
        self._poll = poll_seconds
        self._watched: dict[tuple[str, str], Watched] = {}
        self._dirty: set[str] = set()
        self._signal = Signal()
        self._reader: asyncio.Task[None] | None = None
        self._away = False

    @property
    def watched(self) -> int:
        """Count the watched jobs."""
        return len(self._watched)

    def changed(self, job_id: str) -> None:
        """Note that this process changed a job: its watchers see it at once."""
        if self._watched:
            self._dirty.add(job_id)
            self._signal.notify()

    async def look(self, job_id: str, owner: str) -> Snapshot:
        """Read one job together with all that are asked for now. Raises NotFound, Unavailable."""
        with self._watch(job_id, owner, None) as watched:
            while watched.snapshot is None and not watched.deleted and watched.error is None:
                await watched.signal.wait(watched.signal.mark(), 60)
            if watched.snapshot is not None:
                return watched.snapshot
            raise watched.error or NotFound(f"there is no job {job_id}")

    @contextmanager
    def follow(self, snapshot: Snapshot) -> Iterator[Watched]:
        """Keep a job's snapshot up to date. Wait on `signal`."""
        with self._watch(snapshot.job.id, snapshot.job.owner, snapshot) as watched:
            yield watched

    @contextmanager
    def _watch(self, job_id: str, owner: str, snapshot: Snapshot | None) -> Iterator[Watched]:
        watched = self._watched.setdefault((job_id, owner), Watched(job_id, owner, snapshot))
        watched.snapshot = watched.snapshot or snapshot
        watched.watchers += 1
        if watched.snapshot is None:
            watched.error, watched.deleted = None, False
            self._signal.notify()
        if self._reader is None:
            self._reader = asyncio.create_task(self._run(), name="watchers")
        try:
            yield watched
        finally:
            self._leave(watched)

    def _leave(self, watched: Watched) -> None:
        watched.watchers -= 1
        if not watched.watchers:
            del self._watched[watched.job_id, watched.owner]
        if not self._watched and self._reader:
            self._reader.cancel()
            self._reader = None

    async def _run(self) -> None:
        next_poll = 0.0
        while True:
            seen = self._signal.mark()
            everything = time.monotonic() >= next_poll
            if everything:
                next_poll = time.monotonic() + self._poll
            await self._refresh(self._due(everything))
            await asyncio.sleep(GAP)
            await self._signal.wait(seen, max(0.0, next_poll - time.monotonic()))

    def _due(self, everything: bool) -> list[Watched]:
        dirty, self._dirty = self._dirty, set()
        return [
            watched
            for watched in self._watched.values()
            if everything or watched.snapshot is None or watched.job_id in dirty
        ]

    async def _refresh(self, due: list[Watched]) -> None:
        """Look at these jobs. No error ends the reader: it looks again with the next poll."""
        try:
            if due:
                await self._look(due)
            self._away = False
        except ReelzeroError as error:
            if not self._away:
                log.warning("watched jobs cannot be read now: %s", error)
            self._away = True
            self._fail(due, error)
        except Exception:
            log.exception("watched jobs cannot be read")
            self._fail(due, Unavailable("the job cannot be read now", retry_after=5))

    def _fail(self, due: list[Watched], error: ReelzeroError) -> None:
        for watched in due:
            watched.fail(error)

    async def _look(self, due: list[Watched]) -> None:
        versions = await self._store.versions({watched.job_id for watched in due})
        stale = [w for w in due if (v := versions.get(w.job_id)) and v.owner == w.owner and v != w.version]
        rows = await self._store.jobs({watched.job_id for watched in stale})
        latest = {w.job_id: w.snapshot.job for w in due if w.snapshot} | rows
        queued = {job.id for job in latest.values() if job.status is Status.queued}
        positions = await self._store.positions(queued) if queued else {}
        for watched in due:
            version = versions.get(watched.job_id)
            if version is None or version.owner != watched.owner:
                watched.delete()
            elif (job := latest.get(watched.job_id)) and job.owner == watched.owner:
                watched.show(Snapshot(job, positions.get(job.id)))
