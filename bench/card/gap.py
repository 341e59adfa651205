"""How long a model's device is idle between two jobs, next to jobs one after the other: a part of bench.gpu.

Jobs go through the predictor's worker: the shortest video of the model in two
steps, encoded, signed and inline.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from bench.card.budget import Budget, Pair
from bench.harness.records import Record, median
from bench.tail import follow
from eventing.contract.catalog import CatalogEntry
from predictor.device.worker import Worker
from predictor.generation.attempt import make_attempt
from predictor.models.loading import LoadedModel
from predictor.settings import PredictorSettings

LIMIT = 50.0  # ms, of the gap


class Watched:
    """A pipeline that notes how long its device was idle before each job but the first."""

    def __init__(self, pipeline: Any) -> None:
        self._pipeline = pipeline
        self._free_at = 0.0
        self.gaps: list[float] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pipeline, name)

    def encode_prompt(self, spec: Any) -> dict[str, Any]:
        """Begin a job."""
        if self._free_at:
            self.gaps.append((time.perf_counter() - self._free_at) * 1000)
        embeds: dict[str, Any] = self._pipeline.encode_prompt(spec)
        return embeds

    def release(self) -> None:
        """End a job on the device."""
        self._pipeline.release()
        self._free_at = time.perf_counter()

    def drop(self) -> None:
        """Let go of the pipeline: the worker's thread lives as long as the process."""
        self._pipeline = None


def gap(budget: Budget, pipeline: Any) -> Record:
    """Compare the idle time between jobs that follow each other at once with that of jobs in a row."""
    name = f"{pipeline.entry.name}, idle gap between two jobs"

    def measure() -> Pair:
        watched = Watched(pipeline)
        try:
            ours, peer = asyncio.run(_gaps(watched, pipeline.entry, budget))
        finally:
            watched.drop()
        return ours, peer, f"at most {LIMIT:g} ms is the aim" if budget.on_card else ""

    return budget.record(name, "ms", "one after the other", measure)


async def _gaps(watched: Watched, entry: CatalogEntry, budget: Budget) -> tuple[float, float]:
    def load(_entry: Any, _settings: Any) -> LoadedModel:
        return LoadedModel(entry, watched, "bench", budget.device, None)

    worker = Worker(entry, PredictorSettings(model=entry.name, preview_steps=0), load)
    worker.begin()
    while not worker.ready:
        budget.require_time()
        await asyncio.sleep(0.01)
    await _run(worker, entry, 1, pipelined=False)
    gaps = []
    for pipelined in (True, False):
        watched.gaps.clear()
        await _run(worker, entry, budget.rounds + 1, pipelined=pipelined)
        gaps.append(median(watched.gaps[1:]))
    return gaps[0], gaps[1]


async def _run(worker: Worker, entry: CatalogEntry, jobs: int, *, pipelined: bool) -> None:
    fields = {"prompt": "a circle", "output": "inline", "num_inference_steps": 2}
    fields |= {"num_frames": entry.frames.min}
    tasks = []
    for seed in range(jobs):
        run, free = worker.take(make_attempt(entry, fields | {"seed": seed})), asyncio.Event()
        tasks.append(asyncio.create_task(follow(run, free)))
        await (free.wait() if pipelined else tasks[-1])
    await asyncio.gather(*tasks)
