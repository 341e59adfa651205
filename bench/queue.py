"""A thousand jobs without generation, end to end: `python -m bench.queue`.

`reelzero serve` on SQLite and on PostgreSQL, with a no-op predictor behind real HTTP. The same run measures
the design that it replaces: FastAPI + Celery + Redis + PostgreSQL (bench/peers/celery_peer.py), and
procrastinate, a queue in PostgreSQL (procrastinate_peer.py). A peer whose parts are absent is left out, and
its line says what it needs. The same connections submit to each side as fast as it answers, and the same
number of jobs run at once. All commits are on disk: SQLite synchronous=FULL, PostgreSQL fsync and
synchronous_commit on, Redis appendfsync always. jobs/s counts from the first POST until the last row is
completed. The product must also announce the end: one PUT to S3 and two more commits that a peer does not
have. `+ PUT` adds a PUT to a peer. `+ predictor` makes a peer's task call the same predictor over HTTP.
Accept → start is the time from the 202 until the predictor or the task begins, once in the rush and once with
a job every 100 ms on an idle queue. Target: at least the jobs/s of Celery + predictor + PUT on PostgreSQL,
0.6 of them on SQLite.
"""

from __future__ import annotations

import asyncio
import http.client
import itertools
import json
import signal
import statistics
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass

from bench.harness.process import machine
from bench.harness.records import Missing, Record, Size, at_least, main, not_run
from bench.peers import queue_sides
from bench.peers.queue_sides import Running, Side, World

BODY = json.dumps({"prompt": "a red circle moving right", "model": "tiny"})
PACE = 0.1
HEAD = (
    "\n{:2} at once                       jobs/s accepts/s   accept → start: idle p50 / p99      in the rush"
)
WARM_UP = 20
SIDES: dict[str, Side] = {
    "reelzero, SQLite": queue_sides.sqlite,
    "reelzero, PostgreSQL": queue_sides.postgresql,
    "reelzero, PostgreSQL x 2": queue_sides.postgresql_two_replicas,
    "Celery": queue_sides.celery,
    "Celery + PUT": queue_sides.celery_with_put,
    "Celery + predictor + PUT": queue_sides.celery_with_predictor,
    "procrastinate + predictor + PUT": queue_sides.procrastinate,
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


async def warm_up(side: Running) -> int:
    """Submit the first jobs to each port; return how many have ended."""
    for number, port in enumerate(side.ports, 1):
        await asyncio.to_thread(submit_many, port, iter(range(WARM_UP)))
        await until_ended(side, number * WARM_UP)
    return len(side.ports) * WARM_UP


async def measure(world: World, start: Side, slots: int, count: int, callers: int) -> Outcome:
    """Measure one side: warm-up, paced jobs, rush."""
    async with AsyncExitStack() as stack:
        side = await start(world, stack, slots)
        warm, few = await warm_up(side), max(20, count // 10)
        paced_jobs = await asyncio.to_thread(submit_many, side.ports[0], iter(range(few)), PACE)
        await until_ended(side, warm + few)
        return await rush(side, warm + few, count, callers, waits(side, paced_jobs))


async def rush(side: Running, before: int, count: int, callers: int, idle: list[float]) -> Outcome:
    """Submit as fast as the side answers, and wait until all have ended."""
    turns, begin = iter(range(count)), time.time()
    with ThreadPoolExecutor(callers) as pool:
        loop = asyncio.get_running_loop()
        ports = itertools.islice(itertools.cycle(side.ports), callers)
        callings = [loop.run_in_executor(pool, submit_many, port, turns) for port in ports]
        accepted = {job: at for part in await asyncio.gather(*callings) for job, at in part.items()}
    await until_ended(side, before + count)
    seconds = time.time() - begin
    taken = max(accepted.values()) - begin
    return Outcome(count / seconds, count / taken, waits(side, accepted), idle)


async def run(options: Load, stack: AsyncExitStack) -> list[Record]:
    """Measure all sides in turn, for each number of slots."""
    records = []
    world = await queue_sides.opened(stack)
    print(machine())
    print(
        f"PostgreSQL: {await queue_sides.durability(world)}; {options.count} jobs, {options.callers} callers"
    )
    for slots in options.slots:
        print(HEAD.format(slots))
        outcomes = {name: await one_side(world, name, slots, options) for name in options.sides}
        records += [one for name in outcomes for one in ratios(name, outcomes, slots)]
    return records


async def one_side(world: World, name: str, slots: int, options: Load) -> Outcome | Missing:
    """Measure one side and print its line; return what is missing where it cannot run."""
    try:
        outcome = await measure(world, SIDES[name], slots, options.count, options.callers)
    except Missing as missing:
        print(f"{name:32} needs {missing}", flush=True)
        return missing
    print(f"{name:32}{line(outcome)}", flush=True)
    return outcome


def line(outcome: Outcome) -> str:
    """Format one side's numbers."""
    idle, rush = (
        f"{cuts[49] * 1000:8.1f} ms / {cuts[98] * 1000:8.1f} ms"
        for cuts in (statistics.quantiles(seconds, n=100) for seconds in (outcome.idle, outcome.rush))
    )
    return f"{outcome.rate:8.1f} {outcome.accepted:8.1f}  {idle}   {rush}"


def ratios(name: str, outcomes: Mapping[str, Outcome | Missing], slots: int) -> list[Record]:
    """Return the product's jobs per second next to those of each peer."""
    ours = outcomes[name]
    if name not in OURS or isinstance(ours, Missing):
        return []
    return [_ratio(name, ours, peer, outcomes[peer], slots) for peer in PEERS if peer in outcomes]


def _ratio(name: str, ours: Outcome, peer: str, theirs: Outcome | Missing, slots: int) -> Record:
    target = TARGETS.get((name, peer)) if slots == 1 else None
    title = f"no-op jobs, {name}, {slots} at once"
    if isinstance(theirs, Missing):
        return not_run(title, "jobs/s", peer, f"[not run] needs {theirs}", target)
    waits = [statistics.median(one) * 1e3 for one in (ours.idle, theirs.idle)]
    note = f"202 to start on an idle queue {waits[0]:.1f} ms, the peer {waits[1]:.1f} ms"
    return Record(title, "jobs/s", ours.rate, theirs.rate, peer, target, note)


async def guarded(load: Load) -> list[Record]:
    """Run, and end every process also on Ctrl-C and SIGTERM."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)  # type: ignore[union-attr]
    async with AsyncExitStack() as stack:
        return await run(load, stack)


def cases(size: Size) -> list[Record]:
    """Measure all sides; ours and the two peers that go as long a way in a quick run."""
    if size is Size.smallest:
        raise Missing("a size above the smallest, which would make the peers' environments: take quick")
    few = ("reelzero, SQLite", "reelzero, PostgreSQL", *PEERS[2:])
    return asyncio.run(guarded(size.of(full=Load(1000), quick=Load(200, (1,), few), smallest=Load(20))))


if __name__ == "__main__":
    main(cases)
