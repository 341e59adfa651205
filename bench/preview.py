"""A preview next to the step it follows: `python -m bench.preview [--rounds N]`.

`shapes-tiny` makes its video of 16 steps; after each step a preview is taken and made a JPEG. What the device
thread spends on the preview counts; the JPEG is made in another thread. Target: less than 1 % of a step.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from bench.process import machine
from eventing.contract.catalog import load_catalog
from eventing.contract.models import VideoRequest
from predictor.generation.preview import to_jpeg
from predictor.models.loading import load_model
from predictor.settings import PredictorSettings


def main() -> None:
    """Time steps, previews and JPEGs; print medians and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds: int = parser.parse_args().rounds
    torch.set_num_threads(1)
    entry = load_catalog().get("shapes-tiny")
    pipeline = load_model(entry, PredictorSettings(device="cpu")).pipeline
    spec = entry.resolve(VideoRequest(prompt="a red circle moving right", seed=0, num_inference_steps=16))
    steps: list[float] = []
    previews: list[float] = []
    jpegs: list[float] = []
    embeds = pipeline.encode_prompt(spec)
    for _ in range(rounds):
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
    step, preview, jpeg = (statistics.median(times) * 1e3 for times in (steps, previews, jpegs))
    print(machine())
    print(f"step {step:.1f} ms, preview {preview:.3f} ms, JPEG {jpeg:.3f} ms")
    print(f"ratio {preview / step:.4f} (target < 0.01)")


if __name__ == "__main__":
    main()
