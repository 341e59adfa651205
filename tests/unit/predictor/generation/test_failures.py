"""For each error: what the caller gets, what the log holds, and whether the predictor goes on."""

from __future__ import annotations

import errno
from typing import Any

import pytest
import torch

from eventing.contract.catalog import CatalogEntry
from eventing.contract.codecs.stream import CompletedRecord, FailedRecord
from eventing.contract.errors import Unavailable
from predictor.device.worker import State
from tests.unit.predictor.fakes import FakePipeline
from tests.unit.predictor.running import attempt, failing, finish, make_worker

ERRORS = {
    "out_of_memory": (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"), False, True),
    "out_of_memory on a CPU": (RuntimeError("DefaultCPUAllocator: can't allocate memory"), False, True),
    "out_of_memory of the host": (MemoryError(), False, True),
    "device_lost": (RuntimeError("CUDA error: device-side assert triggered"), True, False),
    "device_lost by its class": (
        torch.AcceleratorError("CUDA error: unspecified launch failure"),
        True,
        False,
    ),
    "scratch_full": (OSError(errno.ENOSPC, "No space left on device"), True, True),
    "generation_failed": (RuntimeError("secret detail"), True, True),
    "generation_failed by a time-out": (TimeoutError("secret detail"), True, True),
    **{
        f"generation_failed for good by {type(error).__name__}": (error, False, True)
        for error in (
            ValueError("secret detail"),
            UnicodeDecodeError("utf-8", b"secret", 0, 1, "secret detail"),
            TypeError("secret detail"),
            ZeroDivisionError("secret detail"),
            OverflowError("secret detail"),
            KeyError("secret detail"),
            IndexError("secret detail"),
            AttributeError("secret detail"),
            NameError("secret detail"),
            NotImplementedError("secret detail"),
            AssertionError("secret detail"),
        )
    },
}


@pytest.mark.parametrize("name", ERRORS)
async def test_errors_are_told_apart(entry: CatalogEntry, name: str, caplog: Any) -> None:
    error, retryable, stays_ready = ERRORS[name]
    pipeline = FakePipeline()
    pipeline.at_step = failing(error)
    worker = await make_worker(entry, pipeline)
    record = await finish(worker.take(attempt(entry)))
    assert isinstance(record, FailedRecord)
    assert record.error.code == name.split(maxsplit=1)[0]
    assert record.error.retryable is retryable
    assert "secret" not in record.error.message, "a caller gets no internals"
    assert worker.ready is stays_ready
    assert worker.state is (State.ready if stays_ready else State.lost)
    logged = [r for r in caplog.records if r.message == "job failed"]
    assert logged[0].exc_info[1].__cause__ is error, "the operator gets the cause"


async def test_a_lost_device_refuses_jobs_that_another_can_take(entry: CatalogEntry) -> None:
    pipeline = FakePipeline()
    pipeline.at_step = failing(RuntimeError("CUDA error: an illegal memory access was encountered"))
    worker = await make_worker(entry, pipeline)
    await finish(worker.take(attempt(entry)))
    with pytest.raises(Unavailable, match="must be replaced"):
        worker.take(attempt(entry))


async def test_a_device_that_fails_in_the_clean_up_is_lost(entry: CatalogEntry) -> None:
    pipeline = FakePipeline()
    pipeline.release = lambda: failing(RuntimeError("CUDA error"))(0)  # type: ignore[method-assign]
    worker = await make_worker(entry, pipeline)
    assert isinstance(await finish(worker.take(attempt(entry))), CompletedRecord)
    assert worker.state is State.lost
