"""A model that does not start: one probe at a time, none of them wasted, on both databases."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import update

from eventing.contract.records.models import Failure
from eventing.domain.job import Status
from eventing.domain.pool import Pool
from eventing.store.database.engine import Database
from eventing.store.lanes import circuit_breaker
from eventing.store.schema import migrate
from eventing.store.tables import model_state
from tests.support.builders import POOL, Stores, claim, stores, submission

CAUSE = Failure(code="model_unavailable", message="no pod came", retryable=True)
WIDE = Pool("p", 4, POOL.routes)


@pytest.fixture
async def paused(database: Database) -> Stores:
    """Stores whose model is paused, with a probe that is due, and no job."""
    store = stores(database)
    await store.claims.prepare((WIDE,))
    job, _ = await store.jobs.submit(submission())
    held = await claim(store, WIDE)
    for _ in range(circuit_breaker.OPEN_AFTER):
        await store.claims.start_failed(held, "no pod came", 0.0)
    await store.claims.put_back(held, CAUSE, 0.0)
    await store.jobs.cancel(job.id)
    return store


async def probe_is_due(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(update(model_state).values(next_probe_at=0))


async def test_a_probe_waits_for_a_job(paused: Stores) -> None:
    assert await paused.claims.claim(WIDE) == []  # no job waits that could be a probe
    await paused.jobs.submit(submission())
    assert await paused.claims.claim(WIDE)


async def test_a_probe_whose_end_says_nothing_of_the_model_is_followed_by_another(
    paused: Stores, database: Database
) -> None:
    await paused.jobs.submit(submission())
    await paused.jobs.submit(submission())
    probe = await claim(paused, WIDE)
    await probe_is_due(database)
    assert await paused.claims.claim(WIDE) == []  # one at a time, however long it takes
    await paused.jobs.cancel(probe.id)
    await paused.claims.put_back(probe, CAUSE, 0.0)
    assert (await paused.jobs.get(probe.id)).status is Status.cancelled
    assert await paused.claims.claim(WIDE)


async def test_a_job_that_runs_holds_up_no_probe(paused: Stores, database: Database) -> None:
    for _ in range(2):
        await paused.jobs.submit(submission())
    running = await claim(paused, WIDE)
    await paused.claims.start(running)
    for _ in range(circuit_breaker.OPEN_AFTER):  # other places fail while it runs on
        await paused.claims.start_failed(running, "no pod came", 0.0)
    await probe_is_due(database)
    assert await paused.claims.claim(WIDE)


async def test_a_route_without_a_job_keeps_no_other_from_its_probe(paused: Stores) -> None:
    both = Pool("p", 4, (*POOL.routes, ("tiny", "long")))
    job, _ = await paused.jobs.submit(submission(lane="long"))
    held = await claim(paused, both)
    for _ in range(circuit_breaker.OPEN_AFTER):
        await paused.claims.start_failed(held, "no pod came", 0.0)
    await paused.claims.put_back(held, CAUSE, 0.0)
    assert (await claim(paused, both)).id == job.id


async def test_a_predictor_that_answers_ends_the_pause(paused: Stores) -> None:
    await paused.jobs.submit(submission())
    await paused.claims.close_circuit(await claim(paused, WIDE))
    assert await paused.claims.open_circuits() == {}


async def test_failed_starts_at_the_same_time_all_count(postgres_url: str) -> None:
    replicas = [Database(postgres_url) for _ in range(4)]
    await migrate(replicas[0])
    parts = [stores(database) for database in replicas]
    await parts[0].claims.prepare((WIDE,))
    await parts[0].jobs.submit(submission())
    job = await claim(parts[0], WIDE)
    await asyncio.gather(*(database.ping() for database in replicas))
    counts = await asyncio.gather(*(part.claims.start_failed(job, "no pod came", 0.0) for part in parts))
    assert sorted(counts) == [1, 2, 3, 4]
    for database in replicas:
        await database.close()
