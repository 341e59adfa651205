"""Holding a job: a timer renews the lease from claim to end, whatever the stream says.

No byte flows while a GPU wakes up, so the timer alone keeps the job ours. Each renewal carries the latest
progress and brings back a cancel request or the loss of the lease. The holder counts from before its
request, on a monotonic clock, and gives up before the database would: two holders never overlap.
"""

from __future__ import annotations

import asyncio
import logging
import time
from enum import StrEnum

from eventing.contract.errors import NotFound, ReelzeroError
from eventing.contract.models import Progress
from eventing.domain.job import Job, LeaseLost
from eventing.store.claims import ClaimStore
from eventing.watchers import Watchers

TICK = 0.5  # progress and cancel requests travel at this pace
ANNOUNCE_EVERY = 5.0
log = logging.getLogger(__name__)


class End(StrEnum):
    """Why a holder must let go."""

    cancelled = "cancelled"
    lost = "lost"


class Lease:
    """The renewal of one claimed job."""

    def __init__(
        self, claims: ClaimStore, watchers: Watchers, job: Job, *, claimed: float, announce: bool
    ) -> None:
        self._claims = claims
        self._watchers = watchers
        self._job = job
        self._safe_until = claimed + claims.lease * 0.8
        self._progress: Progress | None = None
        self._written: Progress | None = None
        self._announce = announce
        self._announced = 0.0
        self._renewed = claimed

    def report(self, progress: Progress) -> None:
        """The latest progress, stored with the next renewal."""
        self._progress = progress

    async def hold(self) -> End:
        """Renew until the job must be let go; the answer says why."""
        while True:
            await asyncio.sleep(TICK)
            if time.monotonic() > self._safe_until:
                log.warning("the lease could not be renewed in time; the attempt is given up")
                return End.lost
            try:
                if end := await self._renew():
                    return end
            except ReelzeroError as error:
                log.warning("the lease cannot be renewed yet: %s", error)

    async def _renew(self) -> End | None:
        asked = time.monotonic()
        fresh = self._progress is not self._written
        if not fresh and asked - self._renewed < min(self._claims.lease / 3, 2.0):
            return None
        progress = self._progress
        renewing = asyncio.ensure_future(self._claims.renew(self._job, progress))
        renewing.add_done_callback(_look)
        # Not wait_for: it would wait for a hanging transaction to end, past the lease.
        await asyncio.wait({renewing}, timeout=max(0.1, self._safe_until - asked))
        if not renewing.done():
            return None  # the next round sees that the time is up
        try:
            job = renewing.result()
        except (LeaseLost, NotFound) as error:
            log.warning("the lease is lost: %s", error)
            return End.lost
        self._written, self._renewed = progress, asked
        if fresh:
            self._watchers.changed(job.id)
        self._safe_until = asked + self._claims.lease * 0.8
        if job.cancel_requested:
            return End.cancelled
        if self._announce and progress and asked - self._announced >= ANNOUNCE_EVERY:
            self._announced = asked
            await self._claims.announce_progress(job)
        return None


def _look(renewing: asyncio.Future[Job]) -> None:
    """Take note of how a renewal ended that nobody waited for to the end: the attempt was over first."""
    if not renewing.cancelled():
        renewing.exception()
