"""The device takes the next job while the one before is encoded and uploaded; only one job is in between."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from eventing.contract.catalog import CatalogEntry
from eventing.contract.codecs.stream import CompletedRecord, FailedRecord, ProgressRecord
from eventing.contract.errors import Busy
from eventing.contract.records.models import Stage
from predictor.device.run import Run
from predictor.device.worker import Worker
from tests.unit.predictor.fakes import FakePipeline
from tests.unit.predictor.running import SOON, attempt, finish, make_worker, until


class Hold:
    """Holds the first job that comes to its files, until `release`."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self._go = threading.Event()

    def __call__(self, stage: str) -> None:
        if stage == "encode_video" and not self.reached.is_set():
            self.reached.set()
            self._go.wait(SOON)

    def release(self) -> None:
        self._go.set()


@pytest.fixture
def hold() -> Iterator[Hold]:
    hold = Hold()
    yield hold
    hold.release()


async def one_in_the_tail(entry: CatalogEntry, hold: Hold) -> tuple[Worker, Run]:
    worker = await make_worker(entry, FakePipeline(), hold)
    run = worker.take(attempt(entry))
    await until(hold.reached.is_set)
    return worker, run


async def test_the_next_job_runs_while_files_are_written(entry: CatalogEntry, hold: Hold) -> None:
    worker, first = await one_in_the_tail(entry, hold)
    assert not worker.busy
    assert worker.occupied, "a process that ends now would lose the job"
    second = worker.take(attempt(entry, seed=2))
    await until(lambda: second.monitor.progress.stage is Stage.decode)
    hold.release()
    for run, seed in ((first, 1), (second, 2)):
        record = await finish(run)
        assert isinstance(record, CompletedRecord)
        assert record.inline is not None
        assert record.inline.seed == seed
    await until(lambda: not worker.occupied)


async def test_the_stream_tells_when_the_device_is_free(entry: CatalogEntry) -> None:
    worker = await make_worker(entry, FakePipeline())
    run = worker.take(attempt(entry))
    was_free, stages = [], []
    async for record in run.records(heartbeat=SOON):
        if isinstance(record, ProgressRecord):
            was_free.append(record.device_free)
            stages.append(record.progress.stage)
    assert was_free.count(True) == 1
    at = was_free.index(True)
    assert stages[at:] == [Stage.decode, Stage.encode_video]


async def test_a_job_waits_on_the_device_for_the_one_before(entry: CatalogEntry, hold: Hold) -> None:
    worker, first = await one_in_the_tail(entry, hold)
    second = worker.take(attempt(entry))
    await until(lambda: second.monitor.progress.stage is Stage.decode)
    with pytest.raises(Busy):
        worker.take(attempt(entry))
    second.cancel()
    record = await finish(second)
    assert isinstance(record, FailedRecord)
    assert record.error.code == "cancelled"
    hold.release()
    assert isinstance(await finish(first), CompletedRecord)
    assert isinstance(await finish(worker.take(attempt(entry))), CompletedRecord)


async def test_a_cancel_stops_a_job_that_has_left_the_device(entry: CatalogEntry, hold: Hold) -> None:
    worker, first = await one_in_the_tail(entry, hold)
    second = worker.take(attempt(entry))
    first.cancel()
    hold.release()
    record = await finish(first)
    assert isinstance(record, FailedRecord)
    assert record.error.code == "cancelled"
    assert isinstance(await finish(second), CompletedRecord)
