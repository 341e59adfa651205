"""Connections of a replica: leases and deliveries have their own; a small limit of the server is no error."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from sqlalchemy import text

from eventing.contract.records.models import Failure
from eventing.store.database.engine import Database
from eventing.store.schema import migrate
from tests.support.builders import POOL, claim, stores, submission


async def test_leases_and_deliveries_do_not_wait_behind_readers(database_url: str) -> None:
    database = Database(database_url, connections=4)
    await migrate(database)
    store = stores(database)
    await store.claims.prepare((POOL,))
    await store.jobs.submit(submission(id="job-1"))
    async with AsyncExitStack() as readers, asyncio.timeout(300):
        for _ in range(2):
            await readers.enter_async_context(database.read())
        waiting = asyncio.create_task(database.ping())
        job = await claim(store)
        assert (await store.claims.renew(job, None)).id == "job-1"
        await store.claims.fail(job, Failure(code="out_of_memory", message="too large"))
        assert await store.outbox.claim(10)
        assert not waiting.done()
    assert await waiting > 0
    await database.close()


async def test_a_server_with_few_connections_is_waited_for(postgres_url: str) -> None:
    owner = Database(postgres_url)
    await migrate(owner)
    name = owner.url.database
    async with owner.write() as connection:
        await connection.execute(text(f"CREATE ROLE r_{name} LOGIN CONNECTION LIMIT 3"))
        await connection.execute(text(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO r_{name}"))
    database = Database(postgres_url.replace("postgres:@", f"r_{name}:@"), connections=20)
    store = stores(database)
    done = await asyncio.gather(*(store.jobs.submit(submission()) for _ in range(40)))
    assert all(new for _, new in done)
    await database.close()
    await owner.close()
