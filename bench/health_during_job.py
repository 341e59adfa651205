"""Latency of the readiness probe while a job runs and while none does: `python -m bench.health_during_job`.

A client probes every 20 ms: for 5 s without a job, then during jobs of the tiny model (49 frames of
128x128). A predict that blocks the event loop would delay an answer by a whole job.
"""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from bench.harness.process import build_tiny, call, predictor
from bench.harness.records import Record, Size, main, median

Job = dict[str, Any]
JOB: Job = {
    "text_input": "a red circle",
    "parameters": {"width": 128, "height": 128, "num_frames": 49, "output": "inline", "quality": "high"},
}
SMALLEST: Job = {"text_input": "a red circle", "parameters": {"num_inference_steps": 1, "output": "inline"}}


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


def during(port: int, jobs: int, job: Job) -> tuple[list[float], float]:
    done = threading.Event()
    seconds: list[float] = []

    def work() -> None:
        for _ in range(jobs):
            begin = time.perf_counter()
            call(port, "/v2/models/tiny/generate", job)
            seconds.append(time.perf_counter() - begin)
        done.set()

    threading.Thread(target=work).start()
    return latencies(port, done), median(seconds)


def p99(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]


def cases(size: Size) -> list[Record]:
    """Probe without a job, then during jobs."""
    with tempfile.TemporaryDirectory() as name:
        build_tiny(Path(name))
        with predictor(Path(name)) as (port, _):
            job = size.of(full=JOB, quick=JOB, smallest=SMALLEST)
            call(port, "/v2/models/tiny/generate", job)  # warm
            stop = threading.Event()
            threading.Timer(size.of(full=5.0, quick=2.0, smallest=0.2), stop.set).start()
            idle = latencies(port, stop)
            busy, seconds = during(port, size.of(full=5, quick=2, smallest=1), job)
    note = f"p99 {p99(busy):.1f} ms, idle {p99(idle):.1f} ms; a job took {seconds:.2f} s"
    return [Record("health during a job", "ms", median(busy), median(idle), "without a job", note=note)]


if __name__ == "__main__":
    main(cases)
