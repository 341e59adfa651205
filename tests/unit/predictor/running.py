"""What every test of the worker does: start one over a fake pipeline, take jobs, wait for ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from eventing.contract.catalog import CatalogEntry
from predictor.device.channel import Terminal
from predictor.device.run import Run
from predictor.device.worker import Worker
from predictor.generation.attempt import Attempt, make_attempt
from predictor.settings import PredictorSettings
from tests.unit.predictor.fakes import FakePipeline, loaded

SOON = 300.0  # seconds a test waits for what must come


async def make_worker(
    entry: CatalogEntry,
    pipeline: FakePipeline,
    on_stage: Callable[[str], None] = lambda _stage: None,
    settings: PredictorSettings | None = None,
) -> Worker:
    settings = settings or PredictorSettings()
    worker = Worker(entry, settings, lambda entry, _settings: loaded(entry, pipeline), on_stage)
    worker.begin()
    await until(lambda: worker.ready)
    return worker


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON):
        while not condition():
            await asyncio.sleep(0.005)


def attempt(entry: CatalogEntry, **fields: Any) -> Attempt:
    return make_attempt(entry, {"prompt": "a red circle", "output": "inline", "seed": 1} | fields)


async def finish(run: Run) -> Terminal:
    async with asyncio.timeout(SOON):
        return await run.result(heartbeat=SOON)


def failing(error: BaseException) -> Callable[[int], None]:
    def at_step(_done: int) -> None:
        raise error

    return at_step
