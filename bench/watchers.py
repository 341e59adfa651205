"""The cost of idle watchers: `python -m bench.watchers [--watchers 2000] [--rounds 3]`.

A `reelzero serve` process has one queued job per watcher and no predictor. Rounds alternate between no stream
and one open stream per job. Each round measures the processor time of the idle process, then the latency of
submissions over one connection. Targets: 2,000 watchers cost at most 3 % of a core more than none, and the
p99 of a submission is at most 1.5 times the one without.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.process import free_port, machine
from bench.submit import BODY, service, submit, wait
from tests.support.streams import Streams

TICKS = os.sysconf("SC_CLK_TCK")


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


async def measure(options: argparse.Namespace, port: int, pid: int) -> tuple[list[Sample], list[Sample]]:
    """Alternate between rounds without and with watchers."""
    connection = await asyncio.to_thread(wait, port)
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


def report(alone: list[Sample], watched: list[Sample], watchers: int) -> None:
    """Print medians of the rounds, and their ratios."""
    print(machine())
    rows = []
    for label, samples in (("no watcher", alone), (f"{watchers} watchers", watched)):
        percent = statistics.median(one.percent for one in samples)
        p50 = statistics.median(statistics.median(one.milliseconds) for one in samples)
        p99 = statistics.median(statistics.quantiles(one.milliseconds, n=100)[98] for one in samples)
        rows.append((percent, p50, p99))
        print(f"{label:15} idle {percent:5.2f} % of a core   POST p50 {p50:6.1f} ms   p99 {p99:6.1f} ms")
    (idle, p50, p99), (idle_watched, p50_watched, p99_watched) = rows
    print(f"difference {idle_watched - idle:+.2f} % of a core (target < 3)")
    print(f"ratio of POST p50 {p50_watched / p50:.2f}, p99 {p99_watched / p99:.2f} (target <= 1.5)")


def main() -> None:
    """Parse the options, start the service, measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--watchers", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=15, help="of idleness per round")
    parser.add_argument("--posts", type=int, default=200, help="submissions per round")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        port = free_port()
        process = service(Path(name), port)
        try:
            alone, watched = asyncio.run(measure(options, port, process.pid))
        finally:
            process.kill()
            process.wait()
    report(alone, watched, options.watchers)


if __name__ == "__main__":
    main()
