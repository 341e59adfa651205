"""What one no-op job costs the service: `python -m bench.job_cost [--statements] [--profile FILE]`.

The service runs in this process, on PostgreSQL and on SQLite; predictor, S3, database and callers run in
processes of their own. Processor time is that of this process and all its threads, from the first submission
until the last event is delivered, divided by the number of jobs. Statements count as the driver gets them,
without BEGIN and COMMIT. Target: 5 ms of processor time on PostgreSQL.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import sys
import time
from contextlib import AsyncExitStack

from sqlalchemy import text

from bench.harness.process import ROOT, free_port
from bench.harness.records import Record, Size, at_most, parser, publish
from bench.peers import queue_sides
from bench.peers.queue_sides import World
from eventing.contract.catalog import load_catalog
from eventing.dispatch.endpoints import RemoteEndpoints
from eventing.service import Service
from eventing.settings import Endpoint, Settings
from eventing.store.database.engine import Database
from eventing.store.schema import migrate
from tests.faults.databases import Sqlite
from tests.support.sent import Sent

CALLER = """
import http.client, sys
port, count, callers = map(int, sys.argv[1:])
import threading
body = '{"prompt": "a red circle moving right", "model": "tiny"}'
def run(n):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for _ in range(n):
        c.request("POST", "/v1/jobs", body, {"Content-Type": "application/json"})
        a = c.getresponse(); a.read(); assert a.status == 202, a.status
ts = [threading.Thread(target=run, args=(len(range(k, count, callers)),)) for k in range(callers)]
[t.start() for t in ts]; [t.join() for t in ts]
"""
WARM_UP = 48
LIMIT = 5.0  # ms of processor time on PostgreSQL
DELIVERED = text("SELECT count(*) FROM outbox WHERE status = 'delivered'")


async def submit_many(port: int, count: int, callers: int) -> None:
    """Submit from another process."""
    arguments = (str(port), str(count), str(callers))
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", CALLER, *arguments, cwd=ROOT)
    if await process.wait():
        raise RuntimeError("a submission failed")


async def until_delivered(database: Database, count: int) -> None:
    """Wait until so many events are delivered."""
    while True:
        async with database.read() as connection:
            if (await connection.execute(DELIVERED)).scalar_one() >= count:
                return
        await asyncio.sleep(0.1)


async def measure(world: World, url: str, options: argparse.Namespace) -> tuple[float, str]:
    """Measure one database; return the milliseconds of a job, and what else was counted."""
    async with AsyncExitStack() as stack:
        predictor, _ = await queue_sides._predictor(world, stack)
        settings = Settings(
            database_url=url,
            auth="open",
            rate_per_minute=1_000_000,
            queue_quota=1_000_000,
            port=free_port(),
            host="127.0.0.1",
            s3_endpoint=world.s3.endpoint,
            s3_bucket=world.s3.bucket,
            endpoints=[Endpoint(model="tiny", url=f"http://127.0.0.1:{predictor}", capacity=options.slots)],
        )
        other = Database(url)
        stack.push_async_callback(other.close)
        await other.create_file()
        await migrate(other)
        service = Service(settings, RemoteEndpoints(settings.endpoints, load_catalog(None)))
        await service.start()
        stack.push_async_callback(service.stop)
        await submit_many(service.port, WARM_UP, options.callers)
        await until_delivered(other, WARM_UP)
        counts = Sent(service.container.database)
        profile = cProfile.Profile() if options.profile else None
        begin, main, wall = time.process_time(), time.thread_time(), time.perf_counter()
        if profile:
            profile.enable()
        await submit_many(service.port, options.count, options.callers)
        await until_delivered(other, WARM_UP + options.count)
        if profile:
            profile.disable()
            profile.dump_stats(options.profile)
        main = time.thread_time() - main
        spent, wall = time.process_time() - begin, time.perf_counter() - wall
        n, per = options.count, 1000 / options.count
        note = (
            f"event loop {main * per:.2f} ms, {counts.statements.total() / n:.1f} statements,"
            f" {counts.ends['COMMIT'] / n:.2f} commits, {n / wall:.1f} jobs/s"
        )
        if options.statements:
            for statement, number in counts.statements.most_common(30):
                print(f"{number / n:7.2f} {statement[:110]}")
        return spent * per, note


async def run(options: argparse.Namespace) -> list[Record]:
    """Measure the databases that the options name."""
    async with AsyncExitStack() as stack:
        world = await queue_sides.opened(stack)
        urls = {"postgresql": (await world.postgres.fresh()).url, "sqlite": Sqlite(world.folder).url}
        return [_record(name, *await measure(world, urls[name], options)) for name in options.databases]


def _record(database: str, milliseconds: float, note: str) -> Record:
    """Compare with the limit, which is set for PostgreSQL."""
    target = at_most(1.0) if database == "postgresql" else None
    name = f"processor time of a no-op job, {database}"
    return Record(name, "ms", milliseconds, LIMIT, "the limit on PostgreSQL", target, note)


def cases(size: Size) -> list[Record]:
    """Measure both databases."""
    return measured(size, options().parse_args([]))


def measured(size: Size, chosen: argparse.Namespace) -> list[Record]:
    """Measure with options; without a count it is that of the size."""
    chosen.count = chosen.count or size.of(full=400, quick=160, smallest=16)
    return asyncio.run(run(chosen))


def options() -> argparse.ArgumentParser:
    """Return the command line."""
    one = parser()
    one.add_argument("--count", type=int)
    one.add_argument("--callers", type=int, default=8)
    one.add_argument("--slots", type=int, default=1)
    one.add_argument("--databases", nargs="+", default=["postgresql", "sqlite"])
    one.add_argument("--statements", action="store_true", help="list the statements")
    one.add_argument("--profile", help="a file for cProfile's figures")
    return one


def main() -> None:
    """Parse the options, run."""
    chosen = options().parse_args()
    publish(chosen, lambda: measured(chosen.size, chosen))


if __name__ == "__main__":
    main()
