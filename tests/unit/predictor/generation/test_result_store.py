"""Patience while S3 is away, none when it refuses, and a manifest written once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from eventing.contract.errors import Cancelled, StorageError
from predictor.generation import result_store as storage
from predictor.generation.monitor import Monitor
from predictor.generation.result_store import patiently


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "FIRST_DELAY", 0.001)
    monkeypatch.setattr(storage, "POLL", 0.01)


def away(cause: Exception | None = None) -> StorageError:
    error = StorageError("S3 put_object failed")
    error.__cause__ = cause or ConnectionError("refused")
    return error


def answered(status: int) -> ClientError:
    return ClientError(
        {"Error": {"Code": "X"}, "ResponseMetadata": {"HTTPStatusCode": status}},
        "PutObject",
    )


def times(failures: int, error: Exception) -> tuple[Callable[[], str], list[int]]:
    """A call that fails so many times, and the list of its calls."""
    calls: list[int] = []

    def call() -> str:
        calls.append(1)
        if len(calls) <= failures:
            raise error
        return "done"

    return call, calls


@pytest.mark.parametrize("cause", [None, answered(500), answered(503), answered(429)])
def test_s3_that_comes_back_is_waited_for(cause: Exception | None) -> None:
    call, calls = times(3, away(cause))
    assert patiently(call, Monitor("m", 60)) == "done"
    assert len(calls) == 4


@pytest.mark.parametrize("status", [400, 403, 404])
def test_s3_that_refuses_is_not_asked_again(status: int) -> None:
    call, calls = times(9, away(answered(status)))
    with pytest.raises(StorageError):
        patiently(call, Monitor("m", 60))
    assert len(calls) == 1


def test_patience_ends_before_the_jobs_limit() -> None:
    monitor = Monitor("m", 4.0)
    call, calls = times(10**6, away())
    with pytest.raises(StorageError) as error:
        patiently(call, monitor)
    assert error.value.retryable
    assert monitor.remaining > 0, "the failure is one of S3, not a time-out"
    assert len(calls) > 1


def test_patience_may_be_shorter_than_the_limit() -> None:
    call, calls = times(10**6, away())
    with pytest.raises(StorageError):
        patiently(call, Monitor("m", 10**6), patience=0.05)
    assert len(calls) > 1


def test_waiting_can_be_cancelled() -> None:
    monitor = Monitor("m", 60)

    def call() -> str:
        monitor.cancel()
        raise away()

    with pytest.raises(Cancelled):
        patiently(call, monitor)


def test_a_call_that_hangs_can_be_cancelled() -> None:
    monitor, gate = Monitor("m", 60), threading.Event()

    def call() -> Any:
        monitor.cancel()
        return gate.wait(30)

    with pytest.raises(Cancelled):
        patiently(call, monitor)
    gate.set()


def test_a_call_that_ends_just_as_a_look_at_it_times_out_has_its_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Late(Future[str]):
        def result(self, timeout: float | None = None) -> str:
            ends = super().result()
            if timeout is not None:
                raise TimeoutError
            return ends

    monkeypatch.setattr(storage, "Future", Late)
    assert patiently(lambda: "written", Monitor("m", 60.0)) == "written"


def test_other_errors_are_not_swallowed(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        patiently((tmp_path / "absent").read_bytes, Monitor("m", 60))
