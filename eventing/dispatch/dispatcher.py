"""Fill the free slots of every pool with claimed jobs, and sweep lapsed leases and missed start deadlines."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from eventing import traces
from eventing.contract.errors import ReelzeroError
from eventing.dispatch.attempt import Attempts
from eventing.dispatch.places import Places
from eventing.domain.pool import Pool
from eventing.metrics.jobs import LAPSED
from eventing.signal import IDLE, Signals
from eventing.store.claims import ClaimStore

log = logging.getLogger(__name__)


class Dispatcher:
    """Claims jobs and starts their attempts. `drain` stops claiming and lets open attempts end."""

    def __init__(
        self, claims: ClaimStore, attempts: Attempts, pools: tuple[Pool, ...], signals: Signals,
        poll_seconds: float,
    ) -> None:  # fmt: skip
        self._claims = claims
        self._places = [Places(pool, claims, attempts.run, signals.job_ready) for pool in pools]
        self._job_ready, self._message_due = signals.job_ready, signals.message_due
        self._story_due = signals.story_due
        self._poll = poll_seconds
        self._hurry = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []

    async def start(self) -> list[asyncio.Task[None]]:
        """Create the slots and start the loops. Return their tasks, which must never end on their own."""
        await self._claims.prepare(tuple(places.pool for places in self._places))
        self._loops = [
            asyncio.create_task(self._fill(places), name=f"fill {places.pool.name}")
            for places in self._places
        ]
        self._loops.append(asyncio.create_task(self._sweep(), name="lease sweep"))
        return self._loops

    @property
    def open_attempts(self) -> int:
        """Count the attempts that have not ended, also those that only upload."""
        return len(self._tasks())

    def hurry(self) -> None:
        """End a drain now: open attempts get no more time."""
        self._hurry.set()

    async def drain(self, seconds: float) -> None:
        """Stop claiming at once. Wait up to `seconds` or until `hurry`, then put the open jobs back."""
        for places in self._places:
            places.close()
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        if (running := self._tasks()) and seconds > 0:
            log.info("waiting for %d open attempts", len(running))
            await self._finish(seconds)
        while running := self._tasks():
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    def _tasks(self) -> set[asyncio.Task[None]]:
        return set[asyncio.Task[None]]().union(*(places.tasks for places in self._places))

    async def _finish(self, seconds: float) -> None:
        waits: set[asyncio.Task[Any]] = {
            asyncio.create_task(self._ended()),
            asyncio.create_task(self._hurry.wait()),
        }
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _ended(self) -> None:
        """Wait for all attempts, also for one whose slot was passed on when the drain began."""
        while running := self._tasks():
            await asyncio.wait(running)

    async def _fill(self, places: Places) -> None:
        """Start attempts while there are jobs and free slots; else wait for a signal."""
        while True:
            mark = self._job_ready.mark()
            if not await self._begin(places):
                await self._job_ready.wait(mark, IDLE)

    async def _begin(self, places: Places) -> bool:
        try:
            return await places.fill()
        except ReelzeroError as error:
            log.warning("cannot claim now: %s", error)
            return False

    async def _sweep(self) -> None:
        """Look what is due, once per poll, for all loops: an idle replica sends one statement for it.

        Free jobs whose lease has lapsed, fail jobs past their start deadline, and wake the loops that have
        work which other replicas, or time, have made.
        """
        while True:
            try:
                await self._look()
            except ReelzeroError as error:
                log.warning("cannot sweep now: %s", error)
            await asyncio.sleep(self._poll)

    async def _look(self) -> None:
        due = await self._claims.due()
        lapsed = await self._claims.free_lapsed() if due.lapsed else []
        overdue = await self._claims.fail_overdue() if due.overdue else []
        for job in lapsed:
            LAPSED.labels(job.model, job.lane).inc()
            traces.attempted(job, "lease_lapsed")
        for job in overdue:
            traces.waited(job)
        if due.jobs or lapsed or overdue:
            self._job_ready.notify()
        if due.messages or lapsed or overdue:
            self._message_due.notify()
        if due.stories or lapsed or overdue:
            self._story_due.notify()
