"""Paging through jobs while others write and delete: nothing is missed, nothing is shown twice."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from eventing.contract.errors import InvalidRequest, NotFound
from eventing.store.database.engine import Database
from eventing.store.jobs import JobStore
from eventing.store.listing import cursor_of
from eventing.store.schema import migrate
from tests.support.builders import stores, submission

MANY = 60


async def submitted(store: JobStore, count: int) -> list[str]:
    """Ids of new jobs, oldest first."""
    return [(await store.submit(submission()))[0].id for _ in range(count)]


@pytest.mark.parametrize("by_id", [True, False])
@pytest.mark.parametrize("ascending", [True, False])
async def test_a_cursor_outlives_its_row(database: Database, by_id: bool, ascending: bool) -> None:
    store = stores(database).jobs
    ids = await submitted(store, 4)
    expected = ids if ascending else ids[::-1]
    page, more = await store.page("ann", limit=2, ascending=ascending)
    assert more and [job.id for job in page] == expected[:2]
    for job in page:
        await store.drop(job.id)
    after = page[-1].id if by_id else cursor_of(page[-1])
    rest, more = await store.page("ann", limit=2, after=after, ascending=ascending)
    assert not more and [job.id for job in rest] == expected[2:]


async def test_an_id_that_never_was_and_one_of_another_owner_are_the_same_404(database: Database) -> None:
    store = stores(database).jobs
    (mine,) = await submitted(store, 1)
    for after in ("nothing", mine):
        with pytest.raises(NotFound) as caught:
            await store.page("bob", limit=2, after=after)
        assert (caught.value.field, caught.value.message) == ("after", f"there is no job {after}")
    await store.drop(mine)
    with pytest.raises(NotFound):
        await store.page("bob", limit=2, after=mine)


@pytest.mark.parametrize(
    "after", ["~", "x~y", "7ff0000000000000~a", "7ff8000000000001~a", "0" * 16 + "~", "a~\x00"]
)
async def test_a_cursor_that_none_was_is_refused_by_name(database: Database, after: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await stores(database).jobs.page("ann", limit=2, after=after)
    assert caught.value.field == "after"


async def test_positions_of_deleted_jobs_and_old_keys_are_swept(database: Database) -> None:
    store = stores(database).jobs
    job, _ = await store.submit(submission(key="k"))
    kept, _ = await store.submit(submission(key="kept"))
    await store.drop(job.id)
    await store.forget(positions_after=3600, keys_after=3600)
    assert await store.page("ann", limit=2, after=job.id, ascending=True) == ([kept], False)
    await store.forget(positions_after=-1, keys_after=-1)
    with pytest.raises(NotFound):
        await store.page("ann", limit=2, after=job.id)
    assert (await store.submit(submission(key="k")))[1]  # forgotten
    assert await store.submit(submission(key="kept")) == (kept, False)  # its job is still there


async def test_a_slow_submission_is_not_passed_by(postgres_url: str) -> None:
    """One that reads the clock first and commits last, as happens between replicas."""
    slow, fast = Database(postgres_url), Database(postgres_url)
    await migrate(slow)
    async with slow.engine.connect() as connection:
        await connection.execute(text("CREATE TABLE gate (id text)"))
        await connection.execute(
            text("""
            CREATE FUNCTION hold() RETURNS trigger AS $$
            BEGIN
                IF NEW.owner = 'ann' AND NEW.lane = 'slow' THEN
                    PERFORM pg_advisory_lock(1); PERFORM pg_advisory_unlock(1);
                END IF;
                RETURN NEW;
            END $$ LANGUAGE plpgsql
        """)
        )
        await connection.execute(
            text("CREATE TRIGGER t BEFORE INSERT ON jobs FOR EACH ROW EXECUTE FUNCTION hold()")
        )
        await connection.commit()
    async with fast.engine.connect() as gate:
        await gate.execute(text("SELECT pg_advisory_lock(1)"))
        held = asyncio.create_task(stores(slow).jobs.submit(submission(lane="slow")))
        waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        while not (await gate.execute(waiting)).scalar_one():
            await asyncio.sleep(0.01)
        store = stores(fast).jobs
        later, _ = await store.submit(submission())
        assert (await store.page("ann", limit=9, ascending=True))[0] == []  # it waits for the slow one
        assert [job.id for job in (await store.page("ann", limit=9))[0]] == [later.id]
        await gate.execute(text("SELECT pg_advisory_unlock(1)"))
        first, _ = await held
        page, _ = await store.page("ann", limit=9, ascending=True)
        assert [job.id for job in page] == [first.id, later.id]
    await slow.close()
    await fast.close()


async def followed(store: JobStore, done: asyncio.Event) -> AsyncIterator[str]:
    """Ids in ascending order, as a client sees them that continues after the last one it saw."""
    after, more = None, True
    while more or not done.is_set():
        finished = done.is_set()
        page, more = await store.page("ann", limit=5, after=after, ascending=True)
        for job in page:
            yield job.id
        after = page[-1].id if page else after
        more = bool(page) or not finished


@pytest.mark.parametrize("seed", range(3))
async def test_a_tail_misses_nothing_and_repeats_nothing(database_url: str, seed: int) -> None:
    """Racing writers in several replicas, and a deleter that removes what the reader has seen."""
    random_ = random.Random(seed)
    replicas = [Database(database_url) for _ in range(3)]
    await migrate(replicas[0])
    done, seen, made = asyncio.Event(), [], []

    async def write(database: Database) -> None:
        for _ in range(MANY // len(replicas)):
            job, _ = await stores(database).jobs.submit(submission())
            made.append(job.id)
            await asyncio.sleep(random_.random() / 200)

    async def read() -> None:
        store = stores(replicas[0]).jobs
        async for job_id in followed(store, done):
            seen.append(job_id)
            if random_.random() < 0.5:
                await stores(replicas[1]).jobs.drop(job_id)

    async with asyncio.TaskGroup() as group:
        reading = group.create_task(read())
        writing = [group.create_task(write(database)) for database in replicas]
        await asyncio.gather(*writing)
        done.set()
        await reading
    assert sorted(seen) == sorted(made) and len(set(seen)) == MANY
    for database in replicas:
        await database.close()


async def test_deleting_while_paging_shows_every_job_once(database: Database) -> None:
    store = stores(database).jobs
    ids = await submitted(store, 20)
    seen: list[str] = []
    after, more = None, True
    while more:
        page, more = await store.page("ann", limit=3, after=after)
        seen += [job.id for job in page]
        for job in page:
            await store.drop(job.id)
        after = page[-1].id
    assert seen == ids[::-1]
