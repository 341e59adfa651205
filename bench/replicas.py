"""Two replicas of the service next to one, on PostgreSQL: `python -m bench.replicas`.

As many connections submit no-op jobs to each, as fast as they are answered (bench/queue.py); four run at
once. Callers, the no-op predictor, S3 and PostgreSQL run on the same cores. So the note has the share of all
cores that one replica's run left idle: without it a second replica finds no processor time, however well the
two share the work. Target: 1.7 times one replica's jobs/s on two cores.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import psutil

from bench.harness.records import Record, Size, at_least, main, median
from bench.peers import queue_sides
from bench.peers.queue_sides import Side, World
from bench.queue import rush, warm_up

SLOTS, CALLERS = 4, 8


async def rate(world: World, start: Side, count: int) -> tuple[float, float]:
    """Return the jobs per second of a fresh start, and the share of all cores that was idle meanwhile."""
    async with AsyncExitStack() as stack:
        side = await start(world, stack, SLOTS)
        warm = await warm_up(side)
        psutil.cpu_times_percent()  # the next call says what was since this one
        outcome = await rush(side, warm, count, CALLERS, [])
        return outcome.rate, psutil.cpu_times_percent().idle / 100


async def run(count: int, rounds: int) -> list[Record]:
    """Measure one and two replicas in turns."""
    ones, twos = [], []
    async with AsyncExitStack() as stack:
        world = await queue_sides.opened(stack)
        for _ in range(rounds):
            ones.append(await rate(world, queue_sides.postgresql, count))
            twos.append(await rate(world, queue_sides.postgresql_two_replicas, count))
    one, two = (median([jobs for jobs, _ in side]) for side in (ones, twos))
    idle = median([share for _, share in ones])
    note = f"{psutil.cpu_count()} cores, of which {idle:.0%} were idle with one replica"
    title = "no-op jobs, PostgreSQL, two replicas"
    return [Record(title, "jobs/s", two, one, "one replica", at_least(1.7), note)]


def cases(size: Size) -> list[Record]:
    """Measure both, each after a start of its own."""
    count, rounds = size.of(full=(1000, 3), quick=(200, 1), smallest=(4, 1))
    return asyncio.run(run(count, rounds))


if __name__ == "__main__":
    main(cases)
