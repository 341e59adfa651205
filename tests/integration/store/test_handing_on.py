"""A slot that a job leaves goes to the next job in the same transaction, on both databases."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import select

from eventing.contract.records.events import GROUP_COMPLETED
from eventing.contract.records.models import Failure
from eventing.domain import job as state
from eventing.domain.group import members
from eventing.domain.job import Job, LeaseLost, Status
from eventing.domain.pool import Pool
from eventing.store.database.engine import Database
from eventing.store.submissions import Submission
from eventing.store.tables import slots
from eventing.testing import fake_result
from tests.support.builders import POOL, Stores, claim, make_job, stores, submission
from tests.support.sent import Sent

CAUSE = Failure(code="predictor_lost", message="gone", retryable=True)


async def prepared(database: Database, count: int = 2, pool: Pool = POOL, holder: str = "me") -> Stores:
    """A store with so many jobs that wait."""
    store = stores(database, holder=holder)
    await store.claims.prepare((pool,))
    for _ in range(count):
        await store.jobs.submit(submission())
    return store


async def holders(database: Database) -> list[tuple[str | None, int | None]]:
    """The job and the attempt of each slot."""
    async with database.read() as connection:
        rows = await connection.execute(select(slots.c.job_id, slots.c.attempt).order_by(slots.c.n))
        return [(job_id, attempt) for job_id, attempt in rows]


async def listed(store: Stores) -> list[Job]:
    return (await store.jobs.page(None, limit=10))[0]


async def test_a_job_takes_three_commits_until_its_end_is_visible(database: Database) -> None:
    """Its submission, its start, and its end, with which the next job is claimed."""
    store = await prepared(database, 1)
    job = await claim(store)
    for _ in range(3):
        sent = Sent(database)
        await store.jobs.submit(submission())
        first = await store.claims.start(job)
        ended, (job,) = await store.claims.end(first, fake_result(first.video, first.id, 1, None), POOL)
        assert sent.ends == {"COMMIT": 3}
        assert (ended.status, job.status, job.attempt) == (Status.completed, Status.in_progress, 1)
        assert await store.jobs.get(first.id) == ended and await store.jobs.get(job.id) == job
        assert await holders(database) == [(job.id, 1)]
    assert len(await store.outbox.messages(job_id=first.id)) == 3  # started, and the end for sink and S3
    ended, following = await store.claims.end(job, CAUSE, POOL)
    assert (ended, following) == (await store.jobs.get(job.id), [])
    assert await holders(database) == [(None, None)]


async def test_a_claimed_job_is_what_the_transition_says(database: Database) -> None:
    store = await prepared(database, 3)
    waiting = {job.id: job for job in await listed(store)}
    by_claim = await claim(store)
    _, (by_end,) = await store.claims.end(by_claim, CAUSE, POOL)
    sent = Sent(database)
    (by_free,) = await store.claims.free_slot(by_end, POOL)
    assert sent.ends == {"COMMIT": 1}
    for job in (by_claim, by_end, by_free):
        assert job == state.claim(waiting[job.id], "me", job.updated_at, 30.0)
    assert (await store.claims.complete(by_end, fake_result(by_end.video, by_end.id, 1, None))).result
    assert await holders(database) == [(by_free.id, 1)], "the end of a job without a slot takes none away"


async def test_a_late_end_is_refused_and_claims_nothing(database: Database) -> None:
    slow = stores(database, holder="slow", lease=0.0)
    await slow.claims.prepare((POOL,))
    await slow.jobs.submit(submission())
    first = await claim(slow)
    fast = await prepared(database, 1, holder="fast")
    assert await fast.claims.free_lapsed()
    second = await claim(fast)
    with pytest.raises(LeaseLost):
        await slow.claims.end(first, fake_result(first.video, first.id, 1, None), POOL)
    assert await slow.claims.free_slot(first, POOL) == []
    assert await holders(database) == [(second.id, second.attempt)]
    assert sum(job.status is Status.queued for job in await listed(fast)) == 1


async def test_what_the_holder_does_not_know_is_in_the_end(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start, a cancel, and the time, where the clock of the process has gone ahead."""
    store = await prepared(database, 3)
    job = await claim(store)
    await store.claims.start(job)
    ended, (job,) = await store.claims.end(job, fake_result(job.video, job.id, 1, None), POOL)
    assert (ended.attempts_used, ended.sequence) == (1, 2)
    await store.jobs.cancel(job.id)
    ended, (job,) = await store.claims.end(job, fake_result(job.video, job.id, 1, None), POOL)
    assert ended.status is Status.cancelled
    late = time.monotonic() + 1000.0
    monkeypatch.setattr("eventing.store.database.clock.monotonic", lambda: late)
    ended, _ = await store.claims.end(job, CAUSE, POOL)
    assert ended.completed_at is not None and ended.completed_at <= await database.ping()


async def test_a_group_announces_its_end_and_a_slot_that_is_gone_goes_to_no_job(database: Database) -> None:
    big = Pool(POOL.name, 2, POOL.routes)
    store = await prepared(database, 0, big)
    one, other = members(make_job(), "group-1", ["job-1", "job-2"])
    await store.jobs.submit(Submission(one, others=(other,)))
    first, second = await claim(store, big), await claim(store, big)
    await store.jobs.submit(submission())
    await store.claims.prepare((POOL,))
    assert (await store.claims.end(second, CAUSE, POOL))[1] == []
    assert len((await store.claims.end(first, CAUSE, POOL))[1]) == 1
    kinds = [message.event_type for message in await store.outbox.messages()]
    assert kinds.count(GROUP_COMPLETED) == 1
