"""Several jobs one after the other, and with the tail beside the next job: `python -m bench.tail`.

A predictor's worker in this process. The device is a stand-in that takes a fixed time for the steps and for
each chunk of frames and no processor time, as a GPU does. The frames are encoded and signed for real; a fixed
time after that stands for the upload. The peer waits for the end of each job; ours sends the next when the
device is free.
"""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from bench.harness.records import Record, Size, at_most, main, median
from eventing.contract.catalog import load_catalog
from eventing.contract.codecs.stream import CompletedRecord, ProgressRecord
from predictor.device.run import Run
from predictor.device.worker import Worker
from predictor.generation.attempt import make_attempt
from predictor.models.loading import LoadedModel
from predictor.models.pipelines import Take
from predictor.settings import PredictorSettings

FRAMES, WIDTH, HEIGHT = 49, 128, 128
LIMIT = 60.0  # seconds of silence


class Device:
    """A pipeline that takes `seconds` for a video, half of it for the frames, and notes when it is idle."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.gaps: list[float] = []
        self.vae_decoder = torch.nn.Identity()
        self.blocks: list[torch.nn.Module] = []
        self._free_at = 0.0
        self._clip = np.random.default_rng(0).integers(0, 60, (FRAMES, HEIGHT, WIDTH, 3), dtype=np.uint8)

    def tokenizer(self, prompt: str, **_options: Any) -> Any:
        return SimpleNamespace(input_ids=prompt.split())

    def require_exact(self, _spec: Any) -> None:
        """Make every size."""

    def adapt(self, *_: Any) -> None:
        """Have no adapters."""

    def encode_prompt(self, _spec: Any) -> dict[str, Any]:
        if self._free_at:
            self.gaps.append(time.perf_counter() - self._free_at)
        return {}

    def denoise(self, *_: Any) -> Any:
        time.sleep(self.seconds / 2)

    def preview(self, _spec: Any) -> None:
        """Have none."""

    def stream(self, _spec: Any, _latents: Any, take: Take) -> None:
        for chunk in np.array_split(self._clip, 7):
            time.sleep(self.seconds / 14)
            take(chunk)

    def release(self) -> None:
        self._free_at = time.perf_counter()


async def follow(run: Run, free: asyncio.Event) -> None:
    async for record in run.records(LIMIT):
        if isinstance(record, ProgressRecord) and record.device_free:
            free.set()
        if not isinstance(record, ProgressRecord):
            assert isinstance(record, CompletedRecord), record


async def seconds(worker: Worker, jobs: int, *, pipelined: bool) -> float:
    begin = time.perf_counter()
    tasks = []
    for seed in range(jobs):
        fields = {"prompt": "a circle", "output": "inline", "seed": seed}
        size = {"width": WIDTH, "height": HEIGHT, "num_frames": FRAMES}
        run, free = worker.take(make_attempt(worker.entry, fields | size)), asyncio.Event()
        tasks.append(asyncio.create_task(follow(run, free)))
        await (free.wait() if pipelined else tasks[-1])
    await asyncio.gather(*tasks)
    return time.perf_counter() - begin


async def measure(device: Device, upload: float, jobs: int, rounds: int) -> tuple[float, float, float, float]:
    """Return the seconds of all jobs in a row and pipelined, and the median gap of each."""

    def on_stage(stage: str) -> None:
        if stage == "encode_video":  # of the tail thread
            time.sleep(upload)

    def load(entry: Any, _settings: Any) -> LoadedModel:
        return LoadedModel(entry, device, "bench", "cpu", None)  # type: ignore[arg-type]

    worker = Worker(load_catalog().get("tiny"), PredictorSettings(preview_steps=0), load, on_stage)
    worker.begin()
    while not worker.ready:  # noqa: ASYNC110 - the device thread has no event for it
        await asyncio.sleep(0.01)
    await seconds(worker, 1, pipelined=False)
    results: dict[bool, list[float]] = {False: [], True: []}
    gaps: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(rounds):
        for pipelined in (False, True):
            device.gaps.clear()
            results[pipelined].append(await seconds(worker, jobs, pipelined=pipelined))
            gaps[pipelined] += device.gaps[1:]
    return median(results[False]), median(results[True]), median(gaps[False]), median(gaps[True])


def cases(size: Size) -> list[Record]:
    """Run jobs in a row and pipelined, in turns."""
    device_seconds, upload, jobs, rounds = size.of(
        full=(2.0, 1.0, 8, 3), quick=(1.0, 0.5, 4, 2), smallest=(0.05, 0.02, 2, 1)
    )
    row, piped, row_gap, gap = asyncio.run(measure(Device(device_seconds), upload, jobs, rounds))
    name, stage = f"{jobs} jobs of {device_seconds:g} s on the device", jobs * device_seconds
    return [
        Record(f"{name} and {upload:g} s of upload", "s", piped, row, "one after the other"),
        Record(
            name, "s", piped - upload, stage, "the device alone", at_most(1.05), "without the last upload"
        ),
        Record("idle gap of the device", "ms", gap * 1000, row_gap * 1000, "one after the other"),
    ]


if __name__ == "__main__":
    main(cases)
