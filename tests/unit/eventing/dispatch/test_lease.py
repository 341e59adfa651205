"""The timer that holds a job."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path
from typing import cast

from eventing.contract.records.models import Progress, Stage
from eventing.dispatch.lease import Lease
from eventing.domain.job import Job, LeaseLost
from eventing.store.claims import ClaimStore
from eventing.store.database.engine import Database
from eventing.store.watched import WatchStore
from eventing.watchers import Watchers
from tests.support.builders import make_job


class Claims:
    """Renewals that end, refused, when they are let go."""

    lease = 60.0

    def __init__(self) -> None:
        self.asked, self.let_go = asyncio.Event(), asyncio.Event()

    async def renew(self, job: Job, progress: Progress | None) -> Job:
        self.asked.set()
        await self.let_go.wait()
        raise LeaseLost("the attempt is over")


async def test_a_renewal_that_outlives_its_attempt_ends_quietly(tmp_path: Path) -> None:
    complaints = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    claims = Claims()
    watchers = Watchers(WatchStore(Database(f"sqlite+aiosqlite:///{tmp_path}/jobs.db")), 1.0)
    now = asyncio.get_running_loop().time()
    lease = Lease(cast(ClaimStore, claims), watchers, make_job(), claimed_at=now, announce=False)
    lease.report(Progress(stage=Stage.denoise))  # news are stored with the next tick
    holding = asyncio.create_task(lease.hold())
    await claims.asked.wait()
    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)
    claims.let_go.set()
    del holding
    for _ in range(3):
        await asyncio.sleep(0)
    gc.collect()
    assert complaints == []
