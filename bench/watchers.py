"""The cost of idle watchers: `python -m bench.watchers`.

A `reelzero serve` process has one queued job per watcher and no predictor. Rounds alternate between no stream
and one open stream per job. Each round measures the processor time of the idle process, then the latency of
submissions over one connection. Targets: 2,000 watchers cost at most 3 % of a core more than none, and the
p99 of a submission is at most 1.5 times the one without.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.harness.process import free_port
from bench.harness.records import Record, Size, at_most, main, median
from bench.submit import BODY, service, submit, wait
from tests.support.streams import Streams

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Load:
    """How many watchers, in how many rounds, with how many seconds of idleness and submissions in each."""

    watchers: int
    rounds: int
    seconds: float
    posts: int


@dataclass(frozen=True)
class Sample:
    """One round: percent of a core while idle, and milliseconds of each submission."""

    percent: float
    milliseconds: list[float]


def processor_seconds(pid: int) -> float:
    """Return the processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def make_jobs(connection: http.client.HTTPConnection, count: int) -> list[str]:
    """Submit jobs; return their ids."""
    ids = []
    for _ in range(count):
        connection.request("POST", "/v1/jobs", BODY, {"Content-Type": "application/json"})
        ids.append(json.loads(connection.getresponse().read())["id"])
    return ids


async def sample(pid: int, connection: http.client.HTTPConnection, seconds: float, posts: int) -> Sample:
    """Measure one round."""
    before, begin = processor_seconds(pid), time.perf_counter()
    await asyncio.sleep(seconds)
    percent = 100 * (processor_seconds(pid) - before) / (time.perf_counter() - begin)
    milliseconds = [await asyncio.to_thread(submit, connection) for _ in range(posts)]
    return Sample(percent, milliseconds)


async def measure(
    options: Load, port: int, process: subprocess.Popen[bytes]
) -> tuple[list[Sample], list[Sample]]:
    """Alternate between rounds without and with watchers."""
    connection, pid = await asyncio.to_thread(wait, port, process), process.pid
    ids = await asyncio.to_thread(make_jobs, connection, options.watchers)
    alone, watched = [], []
    for _ in range(options.rounds):
        alone.append(await sample(pid, connection, options.seconds, options.posts))
        async with Streams(port) as streams:
            await streams.open(ids)
            await asyncio.sleep(2)  # the work of opening is over
            watched.append(await sample(pid, connection, options.seconds, options.posts))
        if streams.opened != options.watchers or streams.ends:
            raise RuntimeError(f"{streams.opened} streams of {options.watchers} were open")
        await asyncio.sleep(2)  # the work of closing is over
    return alone, watched


def report(alone: list[Sample], watched: list[Sample], watchers: int) -> list[Record]:
    """Return the records of the medians of the rounds."""
    rows = []
    for samples in (alone, watched):
        cuts = [statistics.quantiles(one.milliseconds, n=100) for one in samples]
        p50, p99 = (median(cut[at] for cut in cuts) for at in (49, 98))
        rows.append((median(one.percent for one in samples), p50, p99))
    (idle, p50, p99), (idle_watched, p50_watched, p99_watched) = rows
    versus, note = "no watcher", f"{idle_watched:.2f} % of a core while idle, without watchers {idle:.2f} %"
    return [
        Record(f"202 with {watchers} watchers, p50", "ms", p50_watched, p50, versus, note=note),
        Record(f"202 with {watchers} watchers, p99", "ms", p99_watched, p99, versus, at_most(1.5)),
    ]


def cases(size: Size) -> list[Record]:
    """Start the service; measure rounds without and with watchers."""
    load = size.of(full=Load(2000, 3, 15, 200), quick=Load(500, 1, 5, 100), smallest=Load(3, 1, 0.1, 2))
    with tempfile.TemporaryDirectory() as name:
        port = free_port()
        process = service(f"sqlite+aiosqlite:///{name}/jobs.db", port)
        try:
            alone, watched = asyncio.run(measure(load, port, process))
        finally:
            process.kill()
            process.wait()
    return report(alone, watched, load.watchers)


if __name__ == "__main__":
    main(cases)
