"""One job at a time, whatever happens in it, and the truth about what did."""

from __future__ import annotations

import asyncio
import base64
import gc
import io
import threading
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from eventing.contract.budget import Budget
from eventing.contract.catalog import CatalogEntry
from eventing.contract.codecs.stream import CompletedRecord, FailedRecord, HeartbeatRecord, ProgressRecord
from eventing.contract.errors import Busy, ModelUnavailable, Unavailable
from predictor import collector
from predictor.device import run as run_module
from predictor.device.run import Run
from predictor.device.worker import State, Worker
from predictor.serving.dataplane import OneModel, PredictorDataPlane
from predictor.serving.model import VideoModel
from predictor.settings import PredictorSettings
from tests.unit.predictor.fakes import FakePipeline, loaded
from tests.unit.predictor.running import SOON, attempt, failing, finish, make_worker, until


def waits_for(gate: threading.Event, _done: int) -> None:
    """What a step does that waits until the gate is open."""
    gate.wait(SOON)


async def test_a_second_job_is_refused_and_taken_when_the_first_has_ended(entry: CatalogEntry) -> None:
    pipeline, gate = FakePipeline(), threading.Event()
    pipeline.at_step = partial(waits_for, gate)
    worker = await make_worker(entry, pipeline)
    first = worker.take(attempt(entry))
    for _ in range(3):
        with pytest.raises(Busy):
            worker.take(attempt(entry))
    gate.set()
    assert isinstance(await finish(first), CompletedRecord)
    # Without waiting: who reads the end of a job may send the next one at once.
    assert isinstance(await finish(worker.take(attempt(entry))), CompletedRecord)
    assert len(pipeline.threads) == 1, "the device has one thread"


def is_in(worker: Worker, state: State) -> bool:
    return worker.state is state


async def test_the_garbage_collector_rests_until_the_load_has_ended(entry: CatalogEntry) -> None:
    working = []

    def load(entry: CatalogEntry, _settings: PredictorSettings) -> Any:
        working.append(gc.isenabled())
        if len(working) == 2:
            raise ModelUnavailable("no such file")
        return loaded(entry, FakePipeline())

    for state in (State.ready, State.failed):
        collector.rest()
        worker = Worker(entry, PredictorSettings(), load)
        worker.begin()
        await until(partial(is_in, worker, state))
        assert gc.isenabled()
    assert working == [False, False]


def held_at_a_step() -> tuple[FakePipeline, threading.Event, threading.Event]:
    """A pipeline that says when it is in a step, and stays there until it is let go."""
    pipeline, entered, gate = FakePipeline(), threading.Event(), threading.Event()

    def at_step(_done: int) -> None:
        entered.set()
        gate.wait(SOON)

    pipeline.at_step = at_step
    return pipeline, entered, gate


async def test_a_cancelled_job_holds_the_device_until_its_thread_lets_go(entry: CatalogEntry) -> None:
    pipeline, entered, gate = held_at_a_step()
    worker = await make_worker(entry, pipeline)
    run = worker.take(attempt(entry))
    await until(entered.is_set)
    run.cancel()
    with pytest.raises(Busy):
        worker.take(attempt(entry))
    gate.set()
    record = await finish(run)
    assert isinstance(record, FailedRecord)
    assert (record.error.code, record.error.retryable) == ("cancelled", False)
    assert pipeline.released == 1
    assert isinstance(await finish(worker.take(attempt(entry))), CompletedRecord)


@pytest.mark.parametrize("stage", ["encode_prompt", "denoise", "decode", "encode_video"])
async def test_a_cancel_is_seen_in_every_stage(entry: CatalogEntry, stage: str) -> None:
    runs: list[Run] = []

    def on_stage(reached: str) -> None:
        if reached == stage:
            runs[0].cancel()

    worker = await make_worker(entry, FakePipeline(), on_stage)
    runs.append(worker.take(attempt(entry)))
    record = await finish(runs[0])
    assert isinstance(record, FailedRecord)
    assert record.error.code == "cancelled"
    assert runs[0].monitor.progress.stage.value == stage


async def test_a_decode_is_cancelled_in_the_middle(entry: CatalogEntry) -> None:
    pipeline, entered, gate = FakePipeline(), threading.Event(), threading.Event()

    def at_decode() -> None:
        entered.set()
        gate.wait(SOON)

    pipeline.at_decode = at_decode
    worker = await make_worker(entry, pipeline)
    run = worker.take(attempt(entry))
    await until(entered.is_set)
    run.cancel()
    gate.set()
    record = await finish(run)
    assert run.monitor.progress.stage.value == "decode"
    assert isinstance(record, FailedRecord)
    assert record.error.code == "cancelled"


async def test_a_reader_who_leaves_cancels(entry: CatalogEntry) -> None:
    pipeline, gate = FakePipeline(), threading.Event()
    pipeline.at_step = partial(waits_for, gate)
    worker = await make_worker(entry, pipeline)
    run = worker.take(attempt(entry))
    reader = asyncio.create_task(finish(run))
    await until(lambda: run.monitor.progress.stage.value == "denoise")
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    gate.set()
    await until(lambda: not worker.busy)
    assert (run.monitor.progress.stage.value, run.monitor.progress.step) == ("denoise", 0)


async def test_a_job_over_its_limit_fails_for_good(
    entry: CatalogEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Budget, "predictor_limit", 0)
    worker = await make_worker(entry, FakePipeline())
    record = await finish(worker.take(attempt(entry)))
    assert isinstance(record, FailedRecord)
    assert (record.error.code, record.error.retryable) == ("generation_timeout", False)
    assert worker.ready


async def test_a_device_that_never_comes_back_is_given_up(
    entry: CatalogEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Budget, "predictor_limit", 0.2)
    monkeypatch.setattr(run_module, "STUCK_SECONDS", 0.0)
    gate = threading.Event()
    pipeline = FakePipeline()
    pipeline.at_step = partial(waits_for, gate)
    worker = await make_worker(entry, pipeline, lambda _stage: None)
    run = worker.take(attempt(entry))
    async with asyncio.timeout(SOON):
        record = await run.result(heartbeat=0.01)
    assert isinstance(record, FailedRecord)
    assert record.error.code == "generation_timeout"
    assert worker.state is State.lost
    gate.set()


@pytest.mark.parametrize("asked", ["a new job", "readiness", "liveness"])
async def test_a_device_that_nobody_waits_for_is_given_up_too(
    entry: CatalogEntry, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    pipeline, entered, gate = held_at_a_step()
    worker = await make_worker(entry, pipeline)
    model = VideoModel(worker, 10)
    plane = PredictorDataPlane(OneModel(model), model)
    run = worker.take(attempt(entry))
    await until(entered.is_set)
    run.cancel()
    assert (await plane.live())["status"] == "alive", "busy is not stuck"
    monkeypatch.setattr(run_module, "STUCK_SECONDS", -1e9)  # past every limit
    if asked == "a new job":
        with pytest.raises(Unavailable, match="did not come back from denoise"):
            worker.take(attempt(entry))
    elif asked == "readiness":
        assert not await plane.ready()
    else:
        assert (await plane.live())["status"] == "device lost"
    assert worker.state is State.lost
    gate.set()


async def test_records_begin_at_once_and_beat_while_nothing_happens(entry: CatalogEntry) -> None:
    pipeline, gate = FakePipeline(), threading.Event()
    pipeline.at_step = partial(waits_for, gate)
    worker = await make_worker(entry, pipeline)
    run = worker.take(attempt(entry))
    kinds: list[type] = []
    async with asyncio.timeout(SOON):
        async for record in run.records(heartbeat=0.01):
            kinds.append(type(record))
            if kinds.count(HeartbeatRecord) == 3:
                gate.set()
    assert kinds[0] is ProgressRecord
    assert kinds[-1] is CompletedRecord
    assert kinds.count(CompletedRecord) == 1


async def previews_of(entry: CatalogEntry, pipeline: FakePipeline, every: int) -> list[tuple[int, bytes]]:
    """The step and the JPEG of each preview in the stream of one job of four steps that succeeds."""
    worker = await make_worker(entry, pipeline, settings=PredictorSettings(preview_steps=every))
    run = worker.take(attempt(entry, num_inference_steps=4))
    previews = []
    async with asyncio.timeout(SOON):
        async for record in run.records(heartbeat=SOON):
            if isinstance(record, ProgressRecord) and record.preview:
                previews.append((record.progress.step, base64.b64decode(record.preview)))
    assert isinstance(record, CompletedRecord)
    return previews


@pytest.mark.parametrize(("every", "steps"), [(2, [2, 4]), (3, [3]), (50, [4]), (0, [])])
async def test_every_few_steps_the_stream_has_a_preview(
    entry: CatalogEntry, every: int, steps: list[int]
) -> None:
    pipeline = FakePipeline()
    pipeline.at_preview = lambda: np.full((4, 6, 3), (200, 30, 60), dtype=np.uint8)
    previews = await previews_of(entry, pipeline, every)
    assert [step for step, _ in previews] == steps
    for _, jpeg in previews:
        with Image.open(io.BytesIO(jpeg)) as image:
            assert image.size == (6, 4)
            assert np.abs(np.asarray(image).astype(int) - (200, 30, 60)).max() < 10


async def test_a_preview_that_fails_ends_the_previews_and_not_the_job(
    entry: CatalogEntry, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline, tries = FakePipeline(), []

    def fail() -> None:
        tries.append(1)
        raise IndexError("no such channel")

    pipeline.at_preview = fail
    assert await previews_of(entry, pipeline, 1) == []
    assert len(tries) == 1
    assert "no more previews" in caplog.text and "no such channel" in caplog.text


async def test_a_picture_that_is_none_leaves_the_preview_out_and_not_the_video(entry: CatalogEntry) -> None:
    pipeline = FakePipeline()
    pipeline.at_preview = lambda: np.zeros((4, 6, 3), dtype=np.float64)
    assert await previews_of(entry, pipeline, 1) == []


async def test_only_the_first_job_reports_the_cold_start(entry: CatalogEntry) -> None:
    worker = await make_worker(entry, FakePipeline())
    loads = []
    for _ in range(2):
        record = await finish(worker.take(attempt(entry)))
        assert isinstance(record, CompletedRecord)
        assert record.inline is not None
        loads.append(record.inline.timings.load)
    assert loads[0] > 0
    assert loads[1] == 0


async def test_a_draining_worker_finishes_and_takes_no_more(entry: CatalogEntry) -> None:
    pipeline, gate = FakePipeline(), threading.Event()
    pipeline.at_step = partial(waits_for, gate)
    worker = await make_worker(entry, pipeline)
    run = worker.take(attempt(entry))
    worker.drain()
    with pytest.raises(Unavailable, match="shutting down"):
        worker.take(attempt(entry))
    gate.set()
    assert isinstance(await finish(run), CompletedRecord)
    assert not worker.ready


async def test_a_load_that_fails_says_why_and_stays(entry: CatalogEntry) -> None:
    def load(_entry: Any, _settings: Any) -> Any:
        raise ModelUnavailable("/weights/vae/config.json is missing")

    worker = Worker(entry, PredictorSettings(), load)
    with pytest.raises(Unavailable, match="loading"):
        worker.take(attempt(entry))
    worker.begin()
    await until(lambda: worker.state is State.failed)
    with pytest.raises(ModelUnavailable, match=r"config\.json is missing"):
        worker.take(attempt(entry))
    assert not worker.occupied


def list_files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_scratch_is_empty_after_a_job_and_after_a_failed_one(
    entry: CatalogEntry, tmp_path: Path
) -> None:
    pipeline = FakePipeline()
    worker = Worker(
        entry, PredictorSettings(scratch_dir=tmp_path), lambda entry, _settings: loaded(entry, pipeline)
    )
    worker.begin()
    await until(lambda: worker.ready)
    seen: list[int] = []
    pipeline.at_decode = lambda: seen.append(len(list_files(tmp_path)))
    await finish(worker.take(attempt(entry)))
    pipeline.at_step = failing(ValueError())
    await finish(worker.take(attempt(entry)))
    assert seen == [1]
    assert not list_files(tmp_path)


async def test_prompts_are_logged_only_when_asked(entry: CatalogEntry, caplog: Any) -> None:
    caplog.set_level("DEBUG")
    for asked in (False, True):
        caplog.clear()
        settings = PredictorSettings(log_prompts=asked)
        worker = Worker(entry, settings, lambda entry, _settings: loaded(entry, FakePipeline()))
        worker.begin()
        await until(partial(getattr, worker, "ready"))
        await finish(worker.take(attempt(entry, prompt="zanzibar")))
        found = any("zanzibar" in str(vars(record)) for record in caplog.records)
        assert found is asked
