"""Latency of the readiness probe while a job runs and while none does: `python -m bench.health_during_job`.

A client probes every 20 ms: for 5 s without a job, then during jobs of the tiny model (49 frames of
128x128). A predict that blocks the event loop would delay an answer by a whole job.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from pathlib import Path

from bench.process import build_tiny, call, machine, predictor

JOB = {
    "text_input": "a red circle",
    "parameters": {"width": 128, "height": 128, "num_frames": 49, "output": "inline", "quality": "high"},
}


def latencies(port: int, until: threading.Event) -> list[float]:
    """Probe until the event is set; return the milliseconds of each answer."""
    milliseconds = []
    while not until.is_set():
        begin = time.perf_counter()
        status, _ = call(port, "/v2/models/tiny/ready")
        milliseconds.append((time.perf_counter() - begin) * 1000)
        assert status == 200
        time.sleep(0.02)
    return milliseconds


def during(port: int, jobs: int) -> tuple[list[float], float]:
    done = threading.Event()
    seconds: list[float] = []

    def work() -> None:
        for _ in range(jobs):
            begin = time.perf_counter()
            call(port, "/v2/models/tiny/generate", JOB)
            seconds.append(time.perf_counter() - begin)
        done.set()

    threading.Thread(target=work).start()
    return latencies(port, done), statistics.median(seconds)


def row(name: str, values: list[float]) -> str:
    p99 = sorted(values)[int(len(values) * 0.99)]
    return (
        f"{name:<12} median {statistics.median(values):6.1f} ms  p99 {p99:6.1f} ms"
        f"  worst {max(values):6.1f} ms  ({len(values)})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=5)
    jobs = parser.parse_args().jobs
    with tempfile.TemporaryDirectory() as name:
        build_tiny(Path(name))
        with predictor(Path(name)) as (port, _):
            call(port, "/v2/models/tiny/generate", JOB)  # warm
            stop = threading.Event()
            threading.Timer(5, stop.set).start()
            idle = latencies(port, stop)
            busy, seconds = during(port, jobs)
    print(machine())
    print(row("idle", idle))
    print(row("in a job", busy))
    ratio = statistics.median(busy) / statistics.median(idle)
    print(f"ratio of medians {ratio:.2f}; a job took {seconds:.2f} s")


if __name__ == "__main__":
    main()
