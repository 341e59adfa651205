"""Claims, leases, caps and fencing, on both databases; several replicas on PostgreSQL."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from eventing.contract.records.models import Failure, Progress, Stage
from eventing.domain.job import LeaseLost, Status
from eventing.domain.pool import Pool
from eventing.store.database.engine import Database
from eventing.store.schema import migrate
from eventing.testing import fake_result
from tests.support.builders import POOL, Stores, claim, stores, submission

CAUSE = Failure(code="predictor_lost", message="gone", retryable=True)


async def fill(store: Stores, count: int, **changes: Any) -> list[str]:
    return [(await store.jobs.submit(submission(**changes)))[0].id for _ in range(count)]


async def test_jobs_are_claimed_oldest_first_up_to_the_capacity(database: Database) -> None:
    store = stores(database)
    pool = Pool("p", 2, POOL.routes)
    await store.claims.prepare((pool,))
    ids = await fill(store, 3)
    first, second = await claim(store, pool), await claim(store, pool)
    assert [first.id, second.id, await store.claims.claim(pool)] == [ids[0], ids[1], []]
    await store.claims.complete(first, fake_result(first.video, ids[0], 1, None))
    assert (await claim(store, pool)).id == ids[2]


async def test_a_pool_takes_only_its_own_lanes(database: Database) -> None:
    store = stores(database)
    await store.claims.prepare((POOL,))
    await fill(store, 1, lane="long")
    assert await store.claims.claim(POOL) == []


async def test_a_late_report_of_a_lapsed_holder_is_refused(database: Database) -> None:
    slow, fast = stores(database, holder="slow", lease=0.05), stores(database, holder="fast")
    await slow.claims.prepare((POOL,))
    await fill(slow, 1)
    first = await claim(slow, POOL)
    while not await fast.claims.free_lapsed():
        await asyncio.sleep(0.01)
    second = await claim(fast, POOL)
    assert (second.id, second.attempt) == (first.id, 2)
    for call in (
        slow.claims.renew(first, None),
        slow.claims.start(first),
        slow.claims.complete(first, fake_result(first.video, first.id, 1, None)),
        slow.claims.fail(first, CAUSE),
        slow.claims.put_back(first, CAUSE, 0),
    ):
        with pytest.raises(LeaseLost):
            await call
    done = await fast.claims.complete(second, fake_result(second.video, second.id, 2, None))
    assert done.result is not None
    assert (done.status, done.result.attempt) == (Status.completed, 2)


async def test_a_renewal_keeps_the_job_and_brings_back_a_cancel(database: Database) -> None:
    store = stores(database, lease=30)
    await store.claims.prepare((POOL,))
    await fill(store, 1)
    job = await claim(store)
    step = Progress(stage=Stage.denoise, step=1, total_steps=2)
    assert not (await store.claims.renew(job, step)).cancel_requested
    await store.jobs.cancel(job.id)
    renewed = await store.claims.renew(job, None)
    assert renewed.cancel_requested and renewed.progress == step


async def test_a_start_is_stored_once_also_if_its_first_answer_was_lost(database: Database) -> None:
    store = stores(database)
    await store.claims.prepare((POOL,))
    await store.jobs.submit(submission())
    job = await claim(store)
    started = await store.claims.start(job)
    assert await store.claims.start(job) == await store.claims.start(started) == started
    assert await store.jobs.get(job.id) == started
    assert len(await store.outbox.messages(job_id=job.id)) == 1


async def test_back_off_is_waited_for_and_the_place_is_free_meanwhile(database: Database) -> None:
    store = stores(database)
    await store.claims.prepare((POOL,))
    first, second = await fill(store, 2)
    await store.claims.put_back(await claim(store), CAUSE, 3600)
    job = await claim(store)
    assert job.id == second and (await store.jobs.get(first)).error == CAUSE


async def test_a_cancelled_running_job_frees_its_place(database: Database) -> None:
    store = stores(database)
    await store.claims.prepare((POOL,))
    await fill(store, 2)
    job = await claim(store)
    await store.jobs.cancel(job.id)
    assert (await store.claims.fail(job, CAUSE)).status is Status.cancelled
    assert await store.claims.claim(POOL)


async def test_overdue_jobs_fail_and_are_never_claimed(database: Database) -> None:
    store = stores(database)
    await store.claims.prepare((POOL,))
    job, _ = await store.jobs.submit(submission(start_within=0.0))
    assert await store.claims.claim(POOL) == []
    assert len(await store.claims.fail_overdue()) == 1
    error = (await store.jobs.get(job.id)).error
    assert error is not None and error.code == "start_deadline_passed"


async def test_three_failed_starts_pause_a_model_and_one_probe_goes_out_at_a_time(database: Database) -> None:
    store = stores(database)
    pool = Pool("p", 4, POOL.routes)
    await store.claims.prepare((pool,))
    await fill(store, 4)
    job = await claim(store, pool)
    for count in (1, 2, 3):
        assert await store.claims.start_failed(job, "no pod came", 0.0) == count
    assert await store.claims.open_circuits() == {("tiny", "default"): "no pod came"}
    await store.claims.put_back(job, CAUSE, 0.0)
    probe = await claim(store, pool)
    assert await store.claims.claim(pool) == []
    await store.claims.start(probe)  # it speaks: the pause is over
    assert await store.claims.open_circuits() == {}
    assert await store.claims.claim(pool)


async def test_the_places_follow_the_capacity(database: Database) -> None:
    store = stores(database)
    big, small = Pool("p", 3, POOL.routes), Pool("p", 1, POOL.routes)
    await store.claims.prepare((big,))
    await fill(store, 3)
    held = [await claim(store, big) for _ in range(2)]
    await store.claims.prepare((small,))
    assert await store.claims.claim(small) == []
    for job in held:
        await store.claims.fail(job, CAUSE)
    assert await store.claims.claim(small) and await store.claims.claim(small) == []


async def test_racing_replicas_never_exceed_the_cap_and_no_job_is_taken_twice(postgres_url: str) -> None:
    replicas = [Database(postgres_url) for _ in range(4)]
    await migrate(replicas[0])
    parts = [stores(database, holder=f"r{n}") for n, database in enumerate(replicas)]
    pool = Pool("p", 3, POOL.routes)
    await asyncio.gather(*(part.claims.prepare((pool,)) for part in parts))
    await fill(parts[0], 60)
    running, most, taken = 0, 0, []
    full = asyncio.Event()  # the first ones hold their places until all places are taken at once

    async def work(part: Stores) -> None:
        nonlocal running, most
        idle = 0
        while idle < 20:
            claimed = await part.claims.claim(pool)
            if not claimed:
                idle += 1
                await asyncio.sleep(0.002)
                continue
            (job,) = claimed
            idle, running = 0, running + 1
            most = max(most, running)
            taken.append(job.id)
            if running == pool.capacity:
                full.set()
            await asyncio.wait_for(full.wait(), 30)
            running -= 1
            await part.claims.fail(job, CAUSE)

    await asyncio.gather(*(work(part) for part in parts for _ in range(2)))
    for database in replicas:
        await database.close()
    assert len(taken) == len(set(taken)) == 60
    assert most == 3
