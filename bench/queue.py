"""A thousand jobs without generation, end to end: `python -m bench.queue`.

`reelzero serve` on SQLite and on PostgreSQL, with a no-op predictor behind real HTTP. The same run measures
the design that it replaces: FastAPI + Celery + Redis + PostgreSQL (bench/peers/celery_peer.py). The same
connections submit to each side as fast as it answers, and the same number of jobs run at once. All commits
are on disk: SQLite synchronous=FULL, PostgreSQL fsync and synchronous_commit on, Redis appendfsync always.
jobs/s counts from the first POST until the last row is completed. The product must also announce the end:
one PUT to S3 and two more commits that the peer does not have. `+ PUT` adds a PUT to the peer. `+
predictor` makes the peer's task call the same predictor over HTTP. Accept → start is the time from the 202
until the predictor or the task begins, once in the rush and once with a job every 100 ms on an idle queue.
Target: at least the jobs/s of Celery + predictor + PUT on PostgreSQL, 0.6 of them on
SQLite.
"""

from __future__ import annotations

import asyncio
import http.client
import itertools
import json
import shutil
import signal
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass

from bench.harness.process import machine
from bench.harness.records import Missing, Record, Size, at_least, main
from bench.peers import queue_sides
from bench.peers.celery_environment import prepare
from bench.peers.queue_sides import Running, Side, World

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


TARGETS = {
    ("reelzero, PostgreSQL", "Celery + predictor + PUT"): at_least(1.0),
    ("reelzero, SQLite", "Celery + predictor + PUT"): at_least(0.6),
}


@dataclass(frozen=True)
class Load:
    """How many jobs, how many run at once, on which sides, and how many connections submit."""

    count: int
    slots: tuple[int, ...] = (1, 4)
    sides: tuple[str, ...] = tuple(SIDES)
    callers: int = 8


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


async def run(options: Load, stack: AsyncExitStack) -> list[Record]:
    """Measure all sides in turn, for each number of slots."""
    records = []
    programs = await asyncio.to_thread(prepare)
    world = await queue_sides.opened(stack, programs)
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
        records += [one for name in outcomes for one in ratios(name, outcomes, slots)]
    return records


def line(outcome: Outcome) -> str:
    """Format one side's numbers."""
    idle, rush = (
        f"{cuts[49] * 1000:8.1f} ms / {cuts[98] * 1000:8.1f} ms"
        for cuts in (statistics.quantiles(seconds, n=100) for seconds in (outcome.idle, outcome.rush))
    )
    return f"{outcome.rate:8.1f} {outcome.accepted:8.1f}  {idle}   {rush}"


def ratios(name: str, outcomes: dict[str, Outcome], slots: int) -> list[Record]:
    """Return the product's jobs per second next to those of each peer."""
    if name not in OURS:
        return []
    ours, records = outcomes[name], []
    for peer in [one for one in PEERS if one in outcomes]:
        theirs = outcomes[peer]
        waits = [statistics.median(one) * 1e3 for one in (ours.idle, theirs.idle)]
        note = f"202 to start on an idle queue {waits[0]:.1f} ms, the peer {waits[1]:.1f} ms"
        target = TARGETS.get((name, peer)) if slots == 1 else None
        title = f"no-op jobs, {name}, {slots} at once"
        records.append(Record(title, "jobs/s", ours.rate, theirs.rate, peer, target, note))
    return records


async def guarded(load: Load) -> list[Record]:
    """Run, and end every process also on Ctrl-C and SIGTERM."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)  # type: ignore[union-attr]
    async with AsyncExitStack() as stack:
        return await run(load, stack)


def cases(size: Size) -> list[Record]:
    """Measure all sides; three of them in a quick run."""
    if shutil.which("redis-server") is None:
        raise Missing("redis-server: apt-get install -y redis-server (no service has to run)")
    if size is Size.smallest:
        raise Missing("its smallest run installs Celery and takes a minute: take quick")
    few = ("reelzero, SQLite", "reelzero, PostgreSQL", "Celery + predictor + PUT")
    return asyncio.run(guarded(size.of(full=Load(1000), quick=Load(200, (1,), few), smallest=Load(20))))


if __name__ == "__main__":
    main(cases)
