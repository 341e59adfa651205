"""A caller that goes away in the middle of a transaction leaves no lock and no half job behind."""

from __future__ import annotations

import asyncio
import random

from eventing.store.database.engine import Database
from tests.support.builders import stores, submission


async def test_cancelled_submissions_are_whole_or_absent_and_hold_no_lock(database: Database) -> None:
    store, dice = stores(database), random.Random(7)
    ids = [f"job-{n}" for n in range(60)]
    for job_id in ids:
        task = asyncio.create_task(store.jobs.submit(submission(id=job_id, key=job_id)))
        await asyncio.sleep(dice.random() * 0.006)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        # On a lock left behind this would wait for 30 s and then fail.
        await asyncio.wait_for(store.jobs.submit(submission(id="probe-" + job_id)), 10)
    jobs, _ = await store.jobs.page("ann", limit=200)
    for job in jobs:
        _, new = await store.jobs.submit(submission(id=job.id))
        assert not new
