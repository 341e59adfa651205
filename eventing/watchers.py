"""Keep watched jobs up to date: one reader per process, for any number of streams and waiting requests.

The reader runs only while a job is watched. It reads at three paces:
    at once          jobs that this process changed (`changed`), and jobs without a snapshot
    with each poll   jobs that other replicas changed: one statement for all watched jobs
    complete reads   queue positions, deleted jobs, and changes that a poll missed: at most 0.3 % of the time
While the database is away the watchers keep their last snapshot.
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

GAP = 0.1  # least seconds between two reads, so that a busy queue does not keep the reader busy
OVERLAP = 5.0  # seconds that a poll looks back further, since a change is visible only after its commit
LONGEST_PAUSE = 30.0  # seconds between two complete reads
PAUSE = 300  # seconds of pause for each second that a complete read took
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Snapshot:
    """A job at one moment. `position` is the number of jobs ahead of it; None unless it is queued."""

    job: Job
    position: int | None = None


@dataclass
class Watched:
    """A job with at least one watcher. `snapshot` is None before the first read and after a deletion."""

    job_id: str
    owner: str
    snapshot: Snapshot | None = None
    version: Version | None = None
    deleted: bool = False
    error: ReelzeroError | None = None  # why the first read failed
    watchers: int = 0
    signal: Signal = field(default_factory=Signal)

    def show(self, job: Job, position: int | None) -> None:
        """Replace the snapshot and signal the watchers, if it differs."""
        old = self.snapshot
        if old is None or job is not old.job or position != old.position:
            self.snapshot, self.version = Snapshot(job, position), version_of(job)
            self.signal.notify()

    def delete(self) -> None:
        """Signal the watchers that the job is deleted, or that its id belongs to another owner now."""
        self.snapshot, self.deleted = None, True
        self.signal.notify()

    def fail(self, error: ReelzeroError) -> None:
        """Signal the watchers that the first read failed; later failures keep the snapshot."""
        if self.snapshot is None:
            self.error = error
            self.signal.notify()


class Watchers:
    """The watched jobs of this process and the task that reads them."""

    def __init__(self, store: WatchStore, poll_seconds: float) -> None:
        self.changes = Signal()  # a job has changed in this process, watched or not
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
        """Read a job again at once, because this process changed it."""
        self.changes.notify()
        if self._watched:
            self._dirty.add(job_id)
            self._signal.notify()

    async def look(self, job_id: str, owner: str) -> Snapshot:
        """Return the state of one job. Concurrent calls share one query. Raises NotFound, Unavailable."""
        with self._watch(job_id, owner, None) as watched:
            while watched.snapshot is None and not watched.deleted and watched.error is None:
                await watched.signal.wait(watched.signal.mark(), 60)
            if watched.snapshot is not None:
                return watched.snapshot
            raise watched.error or NotFound(f"there is no job {job_id}")

    @contextmanager
    def follow(self, snapshot: Snapshot) -> Iterator[Watched]:
        """Keep a job's snapshot up to date inside the context; its `signal` reports each change."""
        with self._watch(snapshot.job.id, snapshot.job.owner, snapshot) as watched:
            yield watched

    @contextmanager
    def _watch(self, job_id: str, owner: str, snapshot: Snapshot | None) -> Iterator[Watched]:
        watched = self._watched.setdefault((job_id, owner), Watched(job_id, owner))
        if watched.snapshot is None and snapshot is not None:
            watched.snapshot, watched.version = snapshot, version_of(snapshot.job)
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
        poll_at = complete_at = 0.0
        last_poll = time.monotonic()
        while True:
            mark, begin = self._signal.mark(), time.monotonic()
            if begin >= complete_at:
                is_complete = await self._refresh(list(self._watched.values()))
                pause = PAUSE * (time.monotonic() - begin) if is_complete else 0.0
                complete_at = time.monotonic() + min(max(self._poll, pause), LONGEST_PAUSE)
            if begin >= poll_at:
                poll_at = begin + self._poll
                if await self._poll_changes(begin - last_poll + OVERLAP):
                    last_poll = begin
            await self._refresh(self._due())
            await asyncio.sleep(GAP)
            await self._signal.wait(mark, max(0.0, min(poll_at, complete_at) - time.monotonic()))

    async def _poll_changes(self, seconds: float) -> bool:
        """Mark the jobs that changed in the last seconds. Return False if the database is away."""
        try:
            self._dirty.update(await self._store.changed({w.job_id for w in self._watched.values()}, seconds))
        except ReelzeroError:
            return False  # the next complete read logs it
        return True

    def _due(self) -> list[Watched]:
        dirty, self._dirty = self._dirty, set()
        return [w for w in self._watched.values() if w.snapshot is None or w.job_id in dirty]

    async def _refresh(self, due: list[Watched]) -> bool:
        """Read these jobs. Return False if that failed; no error ends the reader, it reads again later."""
        if not due:
            return True
        try:
            await self._look(due)
        except ReelzeroError as error:
            if not self._away:
                log.warning("watched jobs cannot be read now: %s", error)
            self._away = True
            self._fail(due, error)
            return False
        except Exception:
            log.exception("watched jobs cannot be read")
            self._fail(due, Unavailable("the job cannot be read now", retry_after=5))
            return False
        self._away = False
        return True

    def _fail(self, due: list[Watched], error: ReelzeroError) -> None:
        for watched in due:
            watched.fail(error)

    async def _look(self, due: list[Watched]) -> None:
        """Compare versions, and read only the rows that changed."""
        versions = await self._store.versions({watched.job_id for watched in due})
        present, stale = [], set()
        for watched in due:
            version = versions.get(watched.job_id)
            if version is None or version[0] != watched.owner:
                watched.delete()
                continue
            present.append(watched)
            if version != watched.version:
                stale.add(watched.job_id)
        await self._show(present, await self._store.jobs(stale) if stale else {})

    async def _show(self, present: list[Watched], rows: dict[str, Job]) -> None:
        """Put the new rows and the queue positions into the snapshots."""
        latest = {w.job_id: w.snapshot.job for w in present if w.snapshot} | rows
        queued = {job.id for job in latest.values() if job.status is Status.queued}
        positions = await self._store.positions(queued) if queued else {}
        for watched in present:
            job = latest.get(watched.job_id)
            if job and job.owner == watched.owner:
                watched.show(job, positions.get(job.id))
