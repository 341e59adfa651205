"""A thousand jobs without generation, end to end: `python -m bench.queue [--count N] [--slots 1 4]`.

`reelzero serve` on SQLite and on PostgreSQL, with a no-op predictor behind real HTTP. The same run measures
the design that it replaces: FastAPI + Celery + Redis + PostgreSQL (bench/celery_peer.py). The same
connections submit to each side as fast as it answers, and the same number of jobs run at once. All commits
are on disk: SQLite synchronous=FULL, PostgreSQL fsync and synchronous_commit on, Redis appendfsync always.
jobs/s counts from the first POST until the last row is completed. The product must also announce the end:
one PUT to S3 and two more commits that the peer does not have. `+ PUT` adds a PUT to the peer. `+
predictor` makes the peer's task call the same predictor over HTTP. Accept → start is the time from the 202
until the predictor or the task begins, once in the rush and once with a job every 100 ms on an idle queue.
Target: at least the peer's jobs/s.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import itertools
import json
import os
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from bench import queue_sides
from bench.celery_environment import prepare
from bench.process import machine
from bench.queue_sides import Running, Side, World
from eventing.standalone.s3server import S3Server
from tests.faults.databases import PostgresServer

BODY = json.dumps({"prompt": "a red circle moving right", "model": "tiny"})
PACE = 0.1
HEAD = "\n{:2} at once                jobs/s accepts/s   accept → start: idle p50 / p99      in the rush"
WARM_UP = 20
SIDES: dict[str, Side] = {
    "reelzero, SQLite": queue_sides.sqlite,
    "reelzero, PostgreSQL": queue_sides.postgresql,
    "reelzero, PostgreSQL x 2": queue_sides.postgresql_two_replicas,
    "Celery": queue_sides.celery,
    "Celery + PUT": queue_sides.celery_with_put,
    "Celery + predictor + PUT": queue_sides.celery_with_predictor,
}
OURS, PEERS = list(SIDES)[:3], list(SIDES)[3:]


@dataclass(frozen=True)
class Outcome:
    """One side's numbers: jobs per second, and seconds from 202 to start in the rush and on an idle queue."""

    rate: float
    accepted: float
    rush: list[float]
    idle: list[float]


def submit(connection: http.client.HTTPConnection) -> tuple[str, float]:
    """Submit a job; return its id and the time of its 202."""
    connection.request("POST", "/v1/jobs", BODY, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 202, (answer.status, body)
    return json.loads(body)["id"], time.time()


def submit_many(port: int, turns: Iterator[int], pace: float = 0.0) -> dict[str, float]:
    """Submit over one connection, once per turn."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    accepted = {}
    for _ in turns:
        job, at = submit(connection)
        accepted[job] = at
        time.sleep(pace)
    connection.close()
    return accepted


async def until_ended(side: Running, count: int) -> None:
    """Wait until `count` jobs have ended. One look every 20 ms is exact enough and costs little."""
    while await side.ended() < count:  # noqa: ASYNC110 -- another process's database has no event
        await asyncio.sleep(0.02)


def waits(side: Running, accepted: dict[str, float]) -> list[float]:
    """Return the seconds from 202 to start; 0 for a job that began before its 202 arrived."""
    starts = dict(line.split() for line in side.journal.read_text().splitlines())
    return [max(0.0, float(starts[job]) - at) for job, at in accepted.items()]


async def measure(world: World, start: Side, slots: int, count: int, callers: int) -> Outcome:
    """Measure one side: warm-up, paced jobs, rush."""
    async with AsyncExitStack() as stack:
        side = await start(world, stack, slots)
        for number, port in enumerate(side.ports, 1):
            await asyncio.to_thread(submit_many, port, iter(range(WARM_UP)))
            await until_ended(side, number * WARM_UP)
        warm = len(side.ports) * WARM_UP
        few = max(20, count // 10)
        paced_jobs = await asyncio.to_thread(submit_many, side.ports[0], iter(range(few)), PACE)
        await until_ended(side, warm + few)
        idle = waits(side, paced_jobs)
        turns, begin = iter(range(count)), time.time()
        pool = stack.enter_context(ThreadPoolExecutor(callers))
        loop = asyncio.get_running_loop()
        ports = itertools.islice(itertools.cycle(side.ports), callers)
        rush = [loop.run_in_executor(pool, submit_many, port, turns) for port in ports]
        accepted = {job: at for part in await asyncio.gather(*rush) for job, at in part.items()}
        await until_ended(side, warm + few + count)
        seconds = time.time() - begin
        taken = max(accepted.values()) - begin
        return Outcome(count / seconds, count / taken, waits(side, accepted), idle)


async def run(options: argparse.Namespace, stack: AsyncExitStack) -> None:
    """Measure all sides in turn, for each number of slots."""
    programs = await asyncio.to_thread(prepare)
    folder = Path(options.keep or stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-queue-")))
    s3 = S3Server(folder / "s3", folder / "s3.log")
    location = await s3.start()
    stack.push_async_callback(s3.stop)
    os.environ.update(s3.credentials.environment())
    postgres = await stack.enter_async_context(PostgresServer(fsync=True))
    world = World(folder, postgres, location, programs)
    print(machine())
    print(
        f"PostgreSQL: {await queue_sides.durability(world)}; {options.count} jobs, {options.callers} callers"
    )
    for slots in options.slots:
        print(HEAD.format(slots))
        outcomes = {}
        for name in options.sides:
            outcome = await measure(world, SIDES[name], slots, options.count, options.callers)
            outcomes[name] = outcome
            print(f"{name:25}{line(outcome)}", flush=True)
        for name in outcomes:
            ratios(name, outcomes)


def line(outcome: Outcome) -> str:
    """Format one side's numbers."""
    idle, rush = (
        f"{cuts[49] * 1000:8.1f} ms / {cuts[98] * 1000:8.1f} ms"
        for cuts in (statistics.quantiles(seconds, n=100) for seconds in (outcome.idle, outcome.rush))
    )
    return f"{outcome.rate:8.1f} {outcome.accepted:8.1f}  {idle}   {rush}"


def ratios(name: str, outcomes: dict[str, Outcome]) -> None:
    """Print the product's ratios to each peer: above 1 is better for jobs/s, below 1 for waiting."""
    for peer in PEERS:
        if name in OURS and peer in outcomes:
            ours, theirs = outcomes[name], outcomes[peer]
            idle = statistics.median(ours.idle) / max(statistics.median(theirs.idle), 1e-4)
            rush = statistics.median(ours.rush) / max(statistics.median(theirs.rush), 1e-4)
            rate = ours.rate / theirs.rate
            print(f"{name} / {peer}: jobs/s {rate:.2f}, wait p50 idle {idle:.2f}, in the rush {rush:.2f}")


async def guarded(options: argparse.Namespace) -> None:
    """Run, and end every process also on Ctrl-C and SIGTERM."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)  # type: ignore[union-attr]
    async with AsyncExitStack() as stack:
        await run(options, stack)


def main() -> None:
    """Parse the options, check for redis-server, run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--callers", type=int, default=8, help="connections that submit")
    parser.add_argument("--slots", type=int, nargs="+", default=[1, 4], help="jobs that run at once")
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    parser.add_argument("--keep", type=Path, help="a folder for logs and databases, kept")
    options = parser.parse_args()
    if shutil.which("redis-server") is None:
        sys.exit("bench.queue needs redis-server: apt-get install -y redis-server (no service has to run)")
    try:
        asyncio.run(guarded(options))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(130)


if __name__ == "__main__":
    main()
