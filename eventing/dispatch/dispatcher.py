"""Fill the free slots of every pool with claimed jobs, and sweep lapsed leases and missed start deadlines."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from eventing import traces
from eventing.contract.errors import ReelzeroError
from eventing.dispatch.attempt import Attempts
from eventing.domain.job import Job
from eventing.domain.pool import Pool
from eventing.metrics.jobs import LAPSED
from eventing.signal import IDLE, Signals
from eventing.store.claims import ClaimStore
from eventing.store.database.shielded import shielded

log = logging.getLogger(__name__)


class Dispatcher:
    """Claims jobs and starts their attempts. `drain` stops claiming and lets open attempts end."""

    def __init__(
        self, claims: ClaimStore, attempts: Attempts, pools: tuple[Pool, ...], signals: Signals,
        poll_seconds: float,
    ) -> None:  # fmt: skip
        self._claims = claims
        self._attempts = attempts
        self._pools = pools
        self._job_ready, self._message_due = signals.job_ready, signals.message_due
        self._poll = poll_seconds
        self._hurry = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []
        self._running: dict[str, set[asyncio.Task[None]]] = {pool.name: set() for pool in pools}
        self._tails: set[asyncio.Task[None]] = set()  # attempts that have left their device and slot

    async def start(self) -> list[asyncio.Task[None]]:
        """Create the slots and start the loops. Return their tasks, which must never end on their own."""
        await self._claims.prepare(self._pools)
        self._loops = [
            asyncio.create_task(self._fill(pool), name=f"fill {pool.name}") for pool in self._pools
        ]
        self._loops.append(asyncio.create_task(self._sweep(), name="lease sweep"))
        return self._loops

    def hurry(self) -> None:
        """End a drain now: open attempts get no more time."""
        self._hurry.set()

    async def drain(self, seconds: float) -> None:
        """Stop claiming at once. Wait up to `seconds` or until `hurry`, then put the open jobs back."""
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        running = set().union(*self._running.values(), self._tails)
        if running and seconds > 0:
            log.info("waiting for %d open attempts", len(running))
            await self._finish(running, seconds)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _finish(self, running: set[asyncio.Task[None]], seconds: float) -> None:
        waits: set[asyncio.Task[Any]] = {
            asyncio.create_task(asyncio.wait(running)),
            asyncio.create_task(self._hurry.wait()),
        }
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _fill(self, pool: Pool) -> None:
        """Start attempts while there are jobs and free slots; else wait for a signal."""
        while True:
            mark = self._job_ready.mark()
            if not await self._begin(pool):
                await self._job_ready.wait(mark, IDLE)

    @shielded  # a claim that commits during shutdown must still be run or put back
    async def _begin(self, pool: Pool) -> bool:
        """Claim jobs for the free slots and start their attempts. Return False if there is no pair."""
        running = self._running[pool.name]
        claimed_at = time.monotonic()  # before the claim: the leases must end here first
        room = pool.capacity - len(running)
        try:
            claimed = await self._claims.claim(pool, room) if room > 0 else []
        except ReelzeroError as error:
            log.warning("cannot claim now: %s", error)
            return False
        for job in claimed:
            self._start(job, claimed_at, running)
        return bool(claimed)

    def _start(self, job: Job, claimed_at: float, running: set[asyncio.Task[None]]) -> None:
        def leave() -> None:
            running.discard(task)
            self._tails.add(task)
            self._job_ready.notify()

        task = asyncio.create_task(self._attempts.run(job, claimed_at, leave))
        running.add(task)
        task.add_done_callback(running.discard)
        task.add_done_callback(self._tails.discard)
        task.add_done_callback(lambda _: self._job_ready.notify())

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
