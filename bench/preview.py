"""A preview next to the step it follows: `python -m bench.preview`.

`shapes-tiny` makes its video of 16 steps; after each step a preview is taken and made a JPEG. What the device
thread spends on the preview counts; the JPEG is made in another thread. Target: less than 1 % of a step.
"""

from __future__ import annotations

import time

import torch

from bench.harness.records import Record, Size, at_most, main, median
from eventing.contract.catalog import load_catalog
from eventing.contract.records.models import VideoRequest
from predictor.generation.preview import to_jpeg
from predictor.models.loading import load_model
from predictor.settings import PredictorSettings


def cases(size: Size) -> list[Record]:
    """Time steps, previews and JPEGs."""
    torch.set_num_threads(1)
    entry = load_catalog().get("shapes-tiny")
    pipeline = load_model(entry, PredictorSettings(device="cpu")).pipeline
    count = size.of(full=16, quick=16, smallest=2)
    spec = entry.resolve(VideoRequest(prompt="a red circle moving right", seed=0, num_inference_steps=count))
    steps: list[float] = []
    previews: list[float] = []
    jpegs: list[float] = []
    embeds = pipeline.encode_prompt(spec)
    for _ in range(size.of(full=3, quick=1, smallest=1)):
        clock = [time.perf_counter()]

        def on_step(_done: int, _total: int, clock: list[float] = clock) -> None:
            begin = time.perf_counter()
            pixels = pipeline.preview(spec)
            middle = time.perf_counter()
            assert pixels is not None
            to_jpeg(pixels)
            steps.append(begin - clock[0])
            previews.append(middle - begin)
            jpegs.append(time.perf_counter() - middle)
            clock[0] = time.perf_counter()

        pipeline.denoise(spec, embeds, on_step)
    step, preview, jpeg = (median(times) * 1e3 for times in (steps, previews, jpegs))
    note = f"and its JPEG {jpeg:.2f} ms, in another thread"
    return [Record("a preview of shapes-tiny", "ms", preview, step, "the step", at_most(0.01), note)]


if __name__ == "__main__":
    main(cases)
