"""A result tells what the file holds, and a file that holds something else is no result."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eventing.contract.catalog import CatalogEntry
from eventing.contract.codecs.stream import CompletedRecord, FailedRecord
from eventing.contract.records.models import Stage
from predictor.generation.monitor import Monitor
from predictor.generation.video import mp4
from tests.unit.predictor.fakes import FakePipeline
from tests.unit.predictor.running import attempt, finish, make_worker

CHANGES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "a frame is missing": (lambda frames: frames[:-1], "8 frames of 64x64"),
    "a frame too many": (lambda frames: np.concatenate([frames, frames[-1:]]), "10 frames of 64x64"),
    "a smaller size": (lambda frames: frames[:, :32, :48], "9 frames of 48x32"),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_video_that_is_not_what_was_asked_for_fails_for_good(
    entry: CatalogEntry, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply, words = CHANGES[change]
    pipeline = FakePipeline()
    decode = pipeline.decode
    monkeypatch.setattr(pipeline, "decode", lambda spec, latents: apply(decode(spec, latents)))
    worker = await make_worker(entry, pipeline)
    record = await finish(worker.take(attempt(entry)))
    assert isinstance(record, FailedRecord)
    assert (record.error.code, record.error.retryable) == ("broken_video", False)
    assert f"made {words} at 8 fps instead of 9 frames of 64x64 at 8 fps" in record.error.message


async def test_frames_that_the_encoder_drops_are_noticed(
    entry: CatalogEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = mp4.encode_mp4
    monkeypatch.setattr(mp4, "encode_mp4", lambda frames, *rest: write(list(frames)[::2], *rest))
    worker = await make_worker(entry, FakePipeline())
    record = await finish(worker.take(attempt(entry)))
    assert isinstance(record, FailedRecord)
    assert record.error.code == "broken_video"


async def test_the_numbers_of_a_result_come_from_the_file(
    entry: CatalogEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[Path] = []
    measure = mp4.measure_mp4

    def spy(path: Path) -> mp4.Measured:
        measured.append(path)
        return measure(path)

    monkeypatch.setattr(mp4, "measure_mp4", spy)
    worker = await make_worker(entry, FakePipeline())
    record = await finish(worker.take(attempt(entry, num_frames=17, fps=5)))
    assert isinstance(record, CompletedRecord)
    assert record.inline is not None
    assert (record.inline.num_frames, record.inline.fps, record.inline.width) == (17, 5, 64)
    assert [path.name for path in measured] == ["video.mp4"]


def test_a_step_past_the_last_is_reported_as_the_last() -> None:
    monitor = Monitor("tiny", 60)
    with monitor.stage(Stage.denoise, 4):
        monitor.step(7, 4)
    assert (monitor.progress.step, monitor.progress.total_steps) == (4, 4)
