"""Renew the lease of a claimed job by a timer, from the claim to the end of its attempt.

The timer does not depend on the predictor's stream: no byte arrives while a GPU starts. Each renewal stores
the latest progress and reads whether a cancel was requested. A cancel or a lost lease ends `hold`, and then
attempt.py stops the work.

Two holders never overlap. The holder counts the lease on a monotonic clock from before its request, and gives
up at 80 % of it. The database counts from its own later moment; a lapsed job is freed by the dispatcher's
sweep only then.
"""

from __future__ import annotations

import asyncio
import logging
import time
from enum import StrEnum

from eventing.contract.errors import NotFound, ReelzeroError
from eventing.contract.records.models import Progress
from eventing.domain.job import Job, LeaseLost
from eventing.store.claims import ClaimStore
from eventing.watchers import Watchers

TICK = 0.5  # seconds between two looks for new progress or a due renewal
ANNOUNCE_EVERY = 5.0  # least seconds between two progress events
SHARE = 0.8  # of the lease, after which the holder gives up
log = logging.getLogger(__name__)


class End(StrEnum):
    """Why the holder must stop its attempt."""

    cancelled = "cancelled"
    lost = "lost"


class Lease:
    """The renewal of one job's lease. `claimed_at` is the monotonic time before the claim."""

    def __init__(
        self, claims: ClaimStore, watchers: Watchers, job: Job, *, claimed_at: float, announce: bool
    ) -> None:
        self._claims = claims
        self._watchers = watchers
        self.job = job  # as the row was when this process wrote it last
        self._safe_until = claimed_at + claims.lease * SHARE
        self._progress: Progress | None = None
        self._stored: Progress | None = None
        self._announce = announce
        self._announced_at = 0.0
        self._renewed_at = claimed_at

    def report(self, progress: Progress) -> None:
        """Keep the latest progress; the next renewal stores it."""
        self._progress = progress

    async def hold(self) -> End:
        """Renew until the attempt must stop. Return why it must."""
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
        now = time.monotonic()
        fresh = self._progress is not self._stored
        if not fresh and now - self._renewed_at < min(self._claims.lease / 3, 2.0):
            return None
        progress = self._progress
        renewing = asyncio.ensure_future(self._claims.renew(self.job, progress))
        renewing.add_done_callback(_read_outcome)
        # asyncio.wait, because wait_for would also wait for a hanging transaction, past the lease.
        await asyncio.wait({renewing}, timeout=max(0.1, self._safe_until - now))
        if not renewing.done():
            return None  # `hold` gives up in its next round
        try:
            job = renewing.result()
        except (LeaseLost, NotFound) as error:
            log.warning("the lease is lost: %s", error)
            return End.lost
        self.job, self._stored, self._renewed_at = job, progress, now
        if fresh:
            self._watchers.changed(job.id)
        self._safe_until = now + self._claims.lease * SHARE
        if job.cancel_requested:
            return End.cancelled
        if self._announce and progress and now - self._announced_at >= ANNOUNCE_EVERY:
            self._announced_at = now
            await self._claims.announce_progress(job)
        return None


def _read_outcome(renewing: asyncio.Future[Job]) -> None:
    """Read a renewal's error, so that asyncio does not log it when the attempt ended first."""
    if not renewing.cancelled():
        renewing.exception()
