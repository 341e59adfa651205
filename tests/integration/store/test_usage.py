"""What jobs have used is reported the same before and after their rows are deleted, at any moment, once."""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from eventing.contract.records.models import Failure
from eventing.domain.job import Job, Status
from eventing.domain.pool import Pool
from eventing.domain.usage import DAY, NO_WAIT, Usage, total
from eventing.store.database.engine import Database, now
from eventing.store.rows import job_values
from eventing.store.tables import jobs, slots
from eventing.store.usage import Since, UsageStore
from eventing.testing import fake_result
from tests.support.builders import POOL, claim, make_job, stores, submission

WEEK = Since(seconds=7 * DAY)
Totals = dict[tuple[int, str, str], Usage]


def ended(chance: random.Random, at: float) -> Job:
    """A job that has ended in the last ten days with figures that are exact in binary."""
    status = chance.choice([Status.completed, Status.failed, Status.cancelled])
    seconds = {
        f"{name}_seconds": chance.randrange(4000) / 4 for name in ("used", "starting", "wasted", "idle")
    }
    return make_job(
        status=status, owner=chance.choice(["ann", "bob"]), model=chance.choice(["tiny", "gone"]),
        completed_at=at - chance.randrange(10 * DAY), expires_at=at + 1000,
        reused_from=chance.choice([None, "vid_1"]) if status is Status.completed else None,
        video_seconds=chance.randrange(40) / 8, cold_starts=chance.randrange(2),
        wait_class=chance.choice([None, 3, 40]), **seconds,
    )  # fmt: skip


def simple(entries: list[Job], since: int) -> Totals:
    """What a report must say, by a model without a database."""
    whole: Totals = {}
    for job in entries:
        assert job.completed_at is not None
        day = int(job.completed_at // DAY)
        usage = Usage(
            completed=int(job.status is Status.completed), failed=int(job.status is Status.failed),
            cancelled=int(job.status is Status.cancelled), reused=int(job.reused_from is not None),
            cold_starts=job.cold_starts, video_seconds=job.video_seconds, used=job.used_seconds,
            starting=job.starting_seconds, wasted=job.wasted_seconds, idle=job.idle_seconds,
            waits=Counter([NO_WAIT if job.wait_class is None else job.wait_class]),
        )  # fmt: skip
        if day >= since:
            key = (day, job.owner, job.model)
            whole[key] = whole.get(key, Usage()) + usage
    return whole


async def reported(store: UsageStore, owner: str | None = None) -> tuple[int, Totals]:
    period = await store.period(WEEK, owner)
    return period.since, {(entry.day, entry.owner, entry.model): entry.usage for entry in period.entries}


async def test_deleting_jobs_in_any_order_changes_no_report(database: Database) -> None:
    chance, store, usage = random.Random(1), stores(database), UsageStore(database)
    async with database.write() as connection:
        at = await now(connection)
        made = [ended(chance, at) for _ in range(25)]
        await connection.execute(insert(jobs), [job_values(job) for job in made])
    since, before = await reported(usage)
    assert before == simple(made, since)
    _, of_ann = await reported(usage, "ann")
    assert of_ann == {key: value for key, value in before.items() if key[1] == "ann"}
    chance.shuffle(made)
    for job in made:
        await store.jobs.drop(job.id)
        if chance.random() < 0.2:
            assert (await reported(usage))[1] == before
    assert (await reported(usage))[1] == before
    await store.jobs.drop(made[0].id)  # a second deletion counts nothing
    assert await reported(usage, "ann") == (since, of_ann)


async def test_two_sweeps_that_delete_the_same_job_count_it_once(database: Database) -> None:
    store, usage, chance = stores(database), UsageStore(database), random.Random(3)
    async with database.write() as connection:
        job = replace(ended(chance, await now(connection)), used_seconds=8.0)
        await connection.execute(insert(jobs), job_values(job))
    before = await usage.period(Since(day=0), None)
    await asyncio.gather(*(store.jobs.drop(job.id) for _ in range(4)))
    assert (await usage.period(Since(day=0), None)).entries == before.entries
    assert total(entry.usage for entry in before.entries).used == 8.0


async def test_a_report_between_deletions_sees_each_job_once(database: Database) -> None:
    store, usage, chance = stores(database), UsageStore(database), random.Random(4)
    async with database.write() as connection:
        at = await now(connection)
        made = [ended(chance, at) for _ in range(12)]
        await connection.execute(insert(jobs), [job_values(job) for job in made])
    _, before = await reported(usage)

    async def delete() -> None:
        for job in made:
            await store.jobs.drop(job.id)

    deleting = asyncio.create_task(delete())
    while not deleting.done():
        assert (await reported(usage))[1] == before
    await deleting


async def test_a_job_that_has_not_ended_is_not_in_a_report_and_a_retried_one_counts_at_its_new_end(
    database: Database,
) -> None:
    store, usage = stores(database), UsageStore(database)
    await store.claims.prepare((POOL,))
    await store.jobs.submit(submission())
    job = await claim(store)
    assert (await reported(usage))[1] == {}
    failed = await store.claims.fail(job, Failure(code="out_of_memory", message="no"))
    (one,) = (await reported(usage))[1].values()
    assert (one.failed, one.completed, one.wasted) == (1, 0, failed.wasted_seconds)
    await store.jobs.requeue(job.id)
    assert (await reported(usage))[1] == {}
    again = await claim(store)
    done = await store.claims.complete(again, fake_result(again.video, again.id, 2, None))
    (one,) = (await reported(usage))[1].values()
    assert (one.failed, one.completed, one.wasted) == (0, 1, failed.wasted_seconds)
    assert one.paid == pytest.approx(done.wasted_seconds + done.starting_seconds + done.idle_seconds)


async def test_a_claim_records_how_long_the_predictor_of_its_slot_was_awake(database: Database) -> None:
    store = stores(database)
    pool = Pool("p", 1, POOL.routes, idle_seconds=60.0)
    await store.claims.prepare((pool,))
    for _ in range(4):
        await store.jobs.submit(submission())
    first = await claim(store, pool)
    assert first.idle_seconds == 0.0  # nothing is known of the time before
    await store.claims.complete(first, fake_result(first.video, first.id, 1, None))
    await freed(database, seconds_ago=20.0)
    second = await claim(store, pool)
    assert second.idle_seconds == pytest.approx(20.0, abs=15.0) and second.idle_seconds >= 20.0
    await store.claims.free_slot(second)
    await freed(database, seconds_ago=4000.0)
    third = await claim(store, pool)
    assert third.idle_seconds == 60.0
    assert (await store.jobs.get(third.id)).idle_seconds == 60.0
    await store.claims.free_slot(third)
    await freed(database, seconds_ago=4000.0)
    fourth = await claim(store, Pool("p", 1, POOL.routes, idle_seconds=math.inf))
    assert fourth.idle_seconds >= 4000.0


async def freed(database: Database, seconds_ago: float) -> None:
    """Move the time when the slots were freed back."""
    async with database.write() as connection:
        values: Any = (await connection.execute(select(slots.c.freed_at))).scalars().all()
        assert all(value is not None for value in values)
        await connection.execute(update(slots).values(freed_at=slots.c.freed_at - seconds_ago))
