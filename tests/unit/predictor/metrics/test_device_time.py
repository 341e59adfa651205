"""Device-seconds: each goes to one use, and their sum is what is paid."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import REGISTRY

from eventing.contract.catalog import CatalogEntry
from predictor.metrics.device_time import DeviceTime, Use
from tests.unit.predictor.fakes import FakePipeline
from tests.unit.predictor.running import attempt, failing, finish, make_worker


def test_every_second_of_every_device_has_one_use() -> None:
    ticks: Iterator[float] = iter([10.0, 13.0, 15.0, 20.0])
    time = DeviceTime(2, 0.0, lambda: next(ticks))
    time.become(Use.idle)
    with time.busy():
        pass
    assert time.seconds() == {Use.loading: 20.0, Use.busy: 4.0, Use.idle: 16.0}


def wasted(outcome: str) -> float:
    labels = {"model": "tiny", "outcome": outcome}
    return REGISTRY.get_sample_value("reelzero_gpu_wasted_seconds_total", labels) or 0.0


async def test_seconds_of_a_job_without_a_video_are_wasted(entry: CatalogEntry) -> None:
    pipeline = FakePipeline()
    worker = await make_worker(entry, pipeline)
    before, failures = worker.device_time.seconds(), wasted("generation_failed")
    pipeline.at_step = failing(ValueError("broken"))
    await finish(worker.take(attempt(entry)))
    after = worker.device_time.seconds()
    assert after[Use.busy] > before[Use.busy]
    assert after[Use.loading] == before[Use.loading] > 0
    assert 0 < wasted("generation_failed") - failures <= after[Use.busy] - before[Use.busy]
