"""The places of a pool in one process: which attempts have a slot, and which have left it.

An attempt leaves its slot when its device is free, or with its end. Either way the slot goes straight to the
next job of the pool, in the transaction that frees it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Sequence
from contextvars import Context
from typing import Protocol

from eventing.contract.records.models import Failure
from eventing.domain.job import Job
from eventing.domain.kinds import Result
from eventing.domain.pool import Pool
from eventing.signal import Signal
from eventing.store.claims import ClaimStore
from eventing.store.database.shielded import shielded


class Run(Protocol):
    """Runs a claimed job. `claimed_at` is the monotonic time before the claim."""

    def __call__(self, job: Job, claimed_at: float, place: Place) -> Coroutine[None, None, None]:
        """Return the attempt."""


class Places:
    """The attempts of one pool."""

    def __init__(self, pool: Pool, claims: ClaimStore, run: Run, job_ready: Signal) -> None:
        self.pool = pool
        self.claims = claims
        self._run = run
        self._job_ready = job_ready
        self._running = set[asyncio.Task[None]]()
        self._tails = set[asyncio.Task[None]]()  # attempts without a slot
        self._is_open = True

    @property
    def tasks(self) -> set[asyncio.Task[None]]:
        """Return all attempts."""
        return self._running | self._tails

    @shielded  # a claim that commits during shutdown must still be run or put back
    async def fill(self) -> bool:
        """Claim jobs for the free slots and start their attempts. Return False if there is no pair."""
        claimed_at = time.monotonic()  # before the claim: the leases must end here first
        room = self.pool.capacity - len(self._running)
        claimed = await self.claims.claim(self.pool, room) if room > 0 else []
        self.start(claimed, claimed_at)
        return bool(claimed)

    def close(self) -> None:
        """Pass no slot on from now on."""
        self._is_open = False

    def start(self, jobs: Sequence[Job], claimed_at: float) -> None:
        """Start attempts."""
        for job in jobs:
            place = Place(self)
            # In a context of its own, without the trace and the log fields of the job before it.
            attempt = self._run(job, claimed_at, place)
            place.task = task = asyncio.create_task(attempt, context=Context())
            self._running.add(task)
            task.add_done_callback(self._end)

    def has_slot(self, task: asyncio.Task[None]) -> bool:
        """Tell whether an attempt has a slot that may be passed on."""
        return self._is_open and task in self._running

    def leave(self, task: asyncio.Task[None]) -> None:
        """Count an attempt as one without a slot."""
        if task in self._running:
            self._running.discard(task)
            self._tails.add(task)

    def look(self) -> None:
        """Wake the fill loop: a slot is free."""
        self._job_ready.notify()

    def _end(self, task: asyncio.Task[None]) -> None:
        if task in self._running:
            self.look()
        self._running.discard(task)
        self._tails.discard(task)


class Place:
    """The place of one attempt."""

    task: asyncio.Task[None]

    def __init__(self, places: Places) -> None:
        self._places = places
        self.left_at: float | None = None  # monotonic

    @shielded  # as in `fill`
    async def free(self, job: Job) -> None:
        """Give the slot to the next job, since the device is free. Raises Unavailable."""
        claimed_at = time.monotonic()
        self._leave(await self._places.claims.free_slot(job, self._pool), claimed_at)

    @shielded
    async def end(self, job: Job, verdict: Result | Failure) -> Job:
        """End the job, give the slot to the next one, and return the job. Raises as ClaimStore.end."""
        claimed_at = time.monotonic()
        ended, following = await self._places.claims.end(job, verdict, self._pool)
        self._leave(following, claimed_at)
        return ended

    def leave(self) -> None:
        """Give the slot up in this process; the database frees it with the end of the job."""
        self.left_at = self.left_at or time.monotonic()
        self._places.leave(self.task)

    @property
    def _pool(self) -> Pool | None:
        """Return the pool whose next job gets the slot; None if the attempt has none, and in a drain."""
        return self._places.pool if self._places.has_slot(self.task) else None

    def _leave(self, following: Sequence[Job], claimed_at: float) -> None:
        """Start the jobs that were claimed with the slot; without one, others may have it."""
        self.leave()
        self._places.start(following, claimed_at)
        if not following:
            self._places.look()
