"""Owners take turns: both databases do what the pure model of eventing/domain/turns.py says."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, insert, inspect, text, update

from eventing.contract.records.models import Failure
from eventing.domain.group import members
from eventing.domain.job import Job, Status
from eventing.domain.pool import Pool
from eventing.domain.turns import EQUAL, Lane, Place, Shares, in_order
from eventing.store.database.engine import Database, insert_once
from eventing.store.lanes.turns import take_turns
from eventing.store.rows import job_values
from eventing.store.schema import SCRIPTS, migrate
from eventing.store.submissions import Submission
from eventing.store.tables import jobs
from eventing.store.watched import WatchStore
from tests.support.builders import POOL, Stores, claim, make_job, stores, submission

CAUSE = Failure(code="predictor_lost", message="gone", retryable=True)
WEIGHTS = Shares({"ann": 3})
CAPPED = Shares({"bob": 2}, most_running=2)
FRESH = itertools.count()
CHOICE = st.integers(0, 10)
OWNERS = st.sampled_from(["ann", "bob", "eve"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("submit"), OWNERS, st.integers(0, 3), st.integers(1, 4)),
        st.tuples(st.just("claim"), st.integers(1, 3)),
        st.tuples(st.sampled_from(["cancel", "end", "put_back", "requeue"]), CHOICE),
    ),
    min_size=5,
    max_size=20,
)


@dataclass
class Both:
    """A lane in the database and the model of it. Every step is made in both, and they are compared."""

    store: Stores
    watch: WatchStore
    shares: Shares
    pool: Pool
    lane: Lane = field(default_factory=Lane)
    waiting: dict[str, Job] = field(default_factory=dict)
    running: dict[str, Job] = field(default_factory=dict)
    ended: dict[str, Job] = field(default_factory=dict)

    async def submit(self, owner: str, priority: int, count: int) -> None:
        name = f"{owner}-{self.pool.name}"  # of this example
        first = make_job(owner=name, lane=self.pool.routes[0][1], priority=priority)
        made = members(first, f"grp_{first.id}", [f"{first.id}-{number}" for number in range(count)])
        await self.store.jobs.submit(Submission(made[0], others=made[1:]))
        self.lane, turns = self.lane.enter((name, priority), self._step(first), count)
        for job, turn in zip(made, turns, strict=True):
            self.waiting[job.id] = await self.store.jobs.get(job.id)
            assert self.waiting[job.id].turn == turn

    async def claim(self, most: int) -> None:
        counts = Counter(job.owner for job in self.running.values())
        room = min(most, self.pool.capacity - len(self.running))
        expected = in_order(self._places(), counts, self.shares)[: max(0, room)]
        claimed = await self.store.claims.claim(self.pool, most)
        assert [job.id for job in claimed] == [place.id for place in expected]
        for job in claimed:
            del self.waiting[job.id]
            self.running[job.id] = job
            self.lane = self.lane.serve(job.turn)

    async def cancel(self, choice: int) -> None:
        if job := _any(self.waiting, choice):
            self.ended[job.id] = await self.store.jobs.cancel(job.id)
            del self.waiting[job.id]
            flow = (job.owner, job.priority)
            rest = [each.turn for each in self.waiting.values() if (each.owner, each.priority) == flow]
            self.lane = self.lane.leave(flow, self._step(job), max(rest, default=0.0))

    async def end(self, choice: int) -> None:
        if job := _any(self.running, choice):
            self.ended[job.id] = await self.store.claims.fail(job, CAUSE)
            del self.running[job.id]

    async def put_back(self, choice: int) -> None:
        if job := _any(self.running, choice):
            self.waiting[job.id] = await self.store.claims.put_back(job, CAUSE, 0.0)
            del self.running[job.id]

    async def requeue(self, choice: int) -> None:
        if job := _any(self.ended, choice):
            self.waiting[job.id] = await self.store.jobs.requeue(job.id)
            del self.ended[job.id]
            self.lane, (turn,) = self.lane.enter((job.owner, job.priority), self._step(job))
            assert self.waiting[job.id].turn == turn

    async def compare_positions(self) -> None:
        order = {place.id: number for number, place in enumerate(sorted(self._places()))}
        assert {job.id: await self.store.jobs.position(job) for job in self.waiting.values()} == order
        assert await self.watch.positions(list(order)) == order

    async def finish(self) -> None:
        while self.running:
            await self.end(0)
        for job in list(self.waiting):
            await self.store.jobs.cancel(job)

    def _places(self) -> tuple[Place, ...]:
        return tuple(Place(job.turn, job.submitted_at, job.id, job.owner) for job in self.waiting.values())

    def _step(self, job: Job) -> float:
        return self.shares.step(job.owner, job.priority)


def _any(rows: dict[str, Job], choice: int) -> Job | None:
    return list(rows.values())[choice % len(rows)] if rows else None


async def both(database: Database, shares: Shares) -> Both:
    name = f"l{next(FRESH)}"
    pool = Pool(name, 3, (("tiny", name),))
    owners = {f"{owner}-{name}": weight for owner, weight in shares.weights.items()}
    shares = Shares(owners, shares.most_running)
    store = stores(database, shares=shares)
    await store.claims.prepare((pool,))
    return Both(store, WatchStore(database), shares, pool)


@pytest.mark.parametrize("shares", [EQUAL, WEIGHTS, CAPPED], ids=["equal", "weights", "cap"])
@settings(
    max_examples=5, derandomize=True, database=None, phases=[Phase.generate],  # shrinking takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(steps=STEPS)
async def test_jobs_are_claimed_in_the_order_of_the_model(
    database: Database, shares: Shares, steps: list[tuple[Any, ...]]
) -> None:
    lane = await both(database, shares)
    for name, *arguments in steps:
        await getattr(lane, name)(*arguments)
    await lane.compare_positions()
    await lane.finish()


async def submit(store: Stores, owner: str, count: int) -> list[str]:
    return [(await store.jobs.submit(submission(owner=owner)))[0].id for _ in range(count)]


async def test_the_turns_of_cancelled_jobs_delay_no_later_one(database: Database) -> None:
    """All jobs are cancelled, the newest first, and the oldest is claimed before its cancel."""
    store = stores(database)
    await store.claims.prepare((POOL,))
    oldest, *others = await submit(store, "ann", 5)
    for job_id in reversed(others):
        await store.jobs.cancel(job_id)
    assert (await claim(store)).id == oldest
    (after,) = await submit(store, "ann", 1)
    assert (await store.jobs.get(after)).turn == 1.0


async def test_lanes_of_one_pool_have_turns_of_their_own(database: Database) -> None:
    """Several models share the slots of one machine: the lane goes first whose next job is the oldest."""
    store = stores(database)
    pool = Pool("p", 4, (*POOL.routes, ("tiny", "long")))
    await store.claims.prepare((pool,))
    await submit(store, "ann", 3)
    bob, _ = await store.jobs.submit(submission(owner="bob", lane="long"))
    claimed = await store.claims.claim(pool, 4)
    assert [job.owner for job in claimed] == ["ann", "ann", "ann", "bob"] and claimed[-1].id == bob.id


async def test_jobs_that_wait_during_the_migration_take_turns_too(database_url: str) -> None:
    database = Database(database_url)
    await database.create_file()
    owners = ["ann", "ann", "bob", "ann"]
    async with database.write() as connection:
        await connection.run_sync(_upgrade_to, "0008")
        known = await connection.run_sync(_columns_of_jobs)
        for number, owner in enumerate(owners):
            values = job_values(make_job(owner=owner, id=f"job-{number}", submitted_at=100.0 + number))
            old = {name: value for name, value in values.items() if name in known}
            await connection.execute(insert(jobs), old)
    await migrate(database)
    store = stores(database)
    pool = Pool("p", 5, POOL.routes)
    await store.claims.prepare((pool,))
    await submit(store, "ann", 1)
    claimed = await store.claims.claim(pool, 5)
    assert [(job.owner, job.turn) for job in claimed] == [
        ("ann", 0.0), ("bob", 0.0), ("ann", 1.0), ("ann", 2.0), ("ann", 3.0),
    ]  # fmt: skip
    await database.close()


def _columns_of_jobs(connection: Connection) -> set[str]:
    return {column["name"] for column in inspect(connection).get_columns("jobs")}


def _upgrade_to(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


async def test_a_job_of_the_release_before_is_claimed(database: Database) -> None:
    """That release inserts rows without a turn, while both run."""
    store = stores(database)
    await store.claims.prepare((POOL,))
    ids = await submit(store, "ann", 3)
    async with database.write() as connection:
        await connection.execute(update(jobs).values(turn=0.0))
    for job_id in ids:
        job = await claim(store)
        assert job.id == job_id
        await store.claims.fail(job, CAUSE)
    await submit(store, "ann", 1)
    assert (await claim(store)).status is Status.in_progress


async def test_racing_submissions_of_one_owner_get_different_turns(postgres_url: str) -> None:
    replicas = [Database(postgres_url) for _ in range(3)]
    await migrate(replicas[0])
    parts = [stores(database) for database in replicas]
    made = await asyncio.gather(*(submit(part, "ann", 5) for part in parts for _ in range(4)))
    turns = [(await parts[0].jobs.get(job_id)).turn for ids in made for job_id in ids]
    assert sorted(turns) == [float(number) for number in range(60)]
    for database in replicas:
        await database.close()


async def test_racing_cancels_of_all_jobs_of_an_owner_give_back_their_turns(postgres_url: str) -> None:
    replicas = [Database(postgres_url) for _ in range(3)]
    await migrate(replicas[0])
    parts = [stores(database) for database in replicas]
    made = await submit(parts[0], "ann", 12)
    await asyncio.gather(*(parts[number % 3].jobs.cancel(job_id) for number, job_id in enumerate(made)))
    (after,) = await submit(parts[0], "ann", 1)
    assert (await parts[0].jobs.get(after)).turn == 1.0
    for database in replicas:
        await database.close()


async def test_a_newcomer_waits_for_one_job_per_slot_while_replicas_race(postgres_url: str) -> None:
    replicas = [Database(postgres_url) for _ in range(3)]
    await migrate(replicas[0])
    parts = [stores(database, holder=f"r{number}") for number, database in enumerate(replicas)]
    pool = Pool("p", 3, POOL.routes)
    await parts[0].claims.prepare((pool,))
    await submit(parts[0], "ann", 60)
    order: list[str] = []
    starts: dict[str, int] = {}

    async def work(part: Stores) -> None:
        while len(order) < 62:
            for job in await part.claims.claim(pool, random.randint(1, 3)):
                order.append(job.owner)
                await part.claims.fail(job, CAUSE)
            await asyncio.sleep(0)

    async def arrive(owner: str, after: int) -> None:
        while len(order) < after:
            await asyncio.sleep(0.001)
        await submit(parts[0], owner, 1)
        starts[owner] = len(order)

    await asyncio.gather(*(work(part) for part in parts), arrive("bob", 10), arrive("eve", 30))
    for owner, start in starts.items():
        assert order[start : max(start, order.index(owner))].count("ann") <= pool.capacity
    for database in replicas:
        await database.close()


async def test_racing_replicas_keep_the_cap_of_an_owner(postgres_url: str) -> None:
    replicas = [Database(postgres_url) for _ in range(3)]
    await migrate(replicas[0])
    parts = [stores(database, shares=Shares({}, most_running=2)) for database in replicas]
    pool = Pool("p", 9, POOL.routes)
    await parts[0].claims.prepare((pool,))
    for owner in ("ann", "bob", "eve"):
        await submit(parts[0], owner, 8)
    claimed = await asyncio.gather(*(part.claims.claim(pool, 3) for part in parts for _ in range(3)))
    counts = Counter(job.owner for part in claimed for job in part)
    assert counts == {"ann": 2, "bob": 2, "eve": 2}
    for database in replicas:
        await database.close()


async def test_a_cancel_and_a_repeated_submission_of_the_same_job_do_not_wait_for_each_other(
    postgres_url: str,
) -> None:
    """A submission has the row of its flow and then meets the row of the job that a cancel ends."""
    database, other = Database(postgres_url), Database(postgres_url)
    await migrate(database)
    store = stores(other)
    job, _ = await store.jobs.submit(submission(id="job-1"))
    blocked = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    async with database.write() as connection:
        await take_turns(connection, [job], EQUAL)
        cancel = asyncio.create_task(store.jobs.cancel(job.id))
        while not (await connection.execute(blocked)).scalar_one():
            await asyncio.sleep(0.01)
        assert not await insert_once(connection, jobs, job_values(job))
    assert (await cancel).status is Status.cancelled
    await database.close()
    await other.close()
