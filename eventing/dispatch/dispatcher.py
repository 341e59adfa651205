"""The dispatcher: fills every pool's places with claimed jobs, and sweeps what time has settled."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from eventing.contract.errors import ReelzeroError
from eventing.dispatch.attempt import Attempts
from eventing.domain.job import Job
from eventing.domain.pool import Pool
from eventing.signal import Wake
from eventing.store.claims import ClaimStore

log = logging.getLogger(__name__)


class Dispatcher:
    """Claims while it runs; `drain` stops claiming and lets open attempts end."""

    def __init__(
        self, claims: ClaimStore, attempts: Attempts, pools: tuple[Pool, ...], wake: Wake, poll_seconds: float
    ) -> None:
        self._claims = claims
        self._attempts = attempts
        self._pools = pools
        self._wake = wake
        self._poll = poll_seconds
        self._hurry = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []
        self._running: dict[str, set[asyncio.Task[None]]] = {pool.name: set() for pool in pools}

    async def start(self) -> list[asyncio.Task[None]]:
        """Make the places and begin. The tasks it answers must never end on their own."""
        await self._claims.prepare(self._pools)
        self._loops = [
            asyncio.create_task(self._fill(pool), name=f"fill {pool.name}") for pool in self._pools
        ]
        self._loops.append(asyncio.create_task(self._sweep(), name="lease sweep"))
        return self._loops

    def hurry(self) -> None:
        """Give open attempts no more time when draining."""
        self._hurry.set()

    async def drain(self, seconds: float) -> None:
        """Stop claiming at once, give open attempts this long or until `hurry`, then put their jobs back."""
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        running = set().union(*self._running.values())
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
        running = self._running[pool.name]
        while True:
            seen = self._wake.mark()
            asked = time.monotonic()
            job = await self._claim(pool) if len(running) < pool.capacity else None
            if job is None:
                await self._wake.wait(seen, self._poll)
                continue
            task = asyncio.create_task(self._attempts.run(job, asked))
            running.add(task)
            task.add_done_callback(running.discard)
            task.add_done_callback(lambda _: self._wake.now())

    async def _claim(self, pool: Pool) -> Job | None:
        # Shielded: a claim that commits while we are told to stop must still be run or put back.
        claiming = asyncio.ensure_future(self._claims.claim(pool))
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            await self._finish_claim(pool, claiming)
            raise
        except ReelzeroError as error:
            log.warning("cannot claim now: %s", error)
            return None

    async def _finish_claim(self, pool: Pool, claiming: asyncio.Future[Job | None]) -> None:
        try:
            job = await claiming
        except ReelzeroError:
            return
        if job is not None:
            self._running[pool.name].add(asyncio.create_task(self._attempts.run(job, time.monotonic())))

    async def _sweep(self) -> None:
        while True:
            try:
                freed = await self._claims.free_lapsed() + await self._claims.fail_overdue()
                if freed:
                    self._wake.now()
            except ReelzeroError as error:
                log.warning("cannot sweep now: %s", error)
            await asyncio.sleep(self._poll)
