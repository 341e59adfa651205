"""Jobs per second with a long history and a long queue: `python -m bench.table_size`.

The store alone, without HTTP, S3 and predictors: a job is submitted, claimed, started, completed, and its
event is claimed and recorded. A table with finished and waiting jobs stands beside an empty one, in turns.
The waiting jobs belong to the same lane and to another owner. The database copies one row so many times in
one statement, so that a million rows take seconds. Target: 0.9 of the empty table, on both.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from bench.harness.records import Record, Size, at_least, main, median
from eventing.store.database.engine import Database
from eventing.store.outbox import Try
from eventing.store.rows import job_values
from eventing.store.schema import migrate
from eventing.store.tables import jobs
from eventing.testing import fake_result
from tests.faults.databases import PostgresServer
from tests.support.builders import POOL, Stores, claim, make_job, stores, submission

FINISHED, WAITING = 1_000_000, 100_000
COPY = """
    WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count)
    INSERT INTO jobs ({columns}) SELECT {values} FROM jobs, numbers WHERE id = :id
"""


async def fill(database: Database, finished: int, waiting: int) -> None:
    """Insert jobs of each kind: one row, and its copies."""
    for status, count in (("completed", finished), ("queued", waiting)):
        if count:
            async with database.write() as connection:
                await _fill(connection, status, count)
    if not database.is_sqlite:
        async with database.write() as connection:
            await connection.execute(text("ANALYZE"))


async def _fill(connection: AsyncConnection, status: str, count: int) -> None:
    own = {"id": f"{status}-0", "turn": 0.0, "submitted_at": 0.0}
    row = job_values(make_job(owner="history")) | {"status": status} | own
    await connection.execute(insert(jobs), [row])
    copies = {name: name for name in row} | {
        "id": f"'{status}-' || n",
        "turn": "CAST(n AS double precision)",
        "submitted_at": "CAST(n AS double precision)",
    }
    statement = COPY.format(columns=", ".join(copies), values=", ".join(copies.values()))
    if count > 1:
        await connection.execute(text(statement), {"id": own["id"], "count": count - 1})


async def work(store: Stores, count: int) -> float:
    """Bring jobs from submission to delivered event, one after the other; return the jobs per second."""
    begin = time.perf_counter()
    for _ in range(count):
        await store.jobs.submit(submission())
        job = await store.claims.start(await claim(store))
        await store.claims.complete(job, fake_result(job.video, job.id, job.attempt, None))
        messages = await store.outbox.claim(10)
        await store.outbox.record_all([(message, Try(True, 0.0, 200)) for message in messages])
    return count / (time.perf_counter() - begin)


async def prepared(url: str, finished: int, waiting: int) -> tuple[Database, Stores]:
    """Make a database with so many jobs."""
    database = Database(url)
    await migrate(database)
    await fill(database, finished, waiting)
    store = stores(database)
    await store.claims.prepare((POOL,))
    await work(store, 2)
    return database, store


async def compare(name: str, urls: tuple[str, str], size: Size) -> Record:
    """Measure both tables of one database in turns."""
    finished, waiting = size.of(full=FINISHED, quick=50_000, smallest=40), size.of(WAITING, 5000, 10)
    rounds, count = size.of(full=5, quick=3, smallest=1), size.of(full=60, quick=20, smallest=1)
    full, empty = await prepared(urls[0], finished, waiting), await prepared(urls[1], 0, 0)
    rates: tuple[list[float], list[float]] = [], []
    for _ in range(rounds):
        for (_database, store), measured in zip((full, empty), rates, strict=True):
            measured.append(await work(store, count))
    for database, _store in (full, empty):
        await database.close()
    title = f"jobs of the store with {finished:,} finished and {waiting:,} waiting rows, {name}"
    return Record(title, "jobs/s", median(rates[0]), median(rates[1]), "an empty table", at_least(0.9))


async def run(size: Size) -> list[Record]:
    """Compare on both databases; in the smallest form on SQLite only."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-size-")))
        files = [f"sqlite+aiosqlite:///{folder}/{name}.db" for name in ("full", "empty")]
        records = [await compare("sqlite", (files[0], files[1]), size)]
        if size is not Size.smallest:
            server = await stack.enter_async_context(PostgresServer(fsync=True))
            urls = ((await server.fresh()).url, (await server.fresh()).url)
            records.append(await compare("postgresql", urls, size))
        return records


def cases(size: Size) -> list[Record]:
    """Measure both databases."""
    return asyncio.run(run(size))


if __name__ == "__main__":
    main(cases)
