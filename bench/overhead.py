"""Time of the service next to a bare pipeline call and encode: `python -m bench.overhead`.

Both sides run the tiny model (49 frames of 128x128) with one torch thread, in turns on the same machine.
The peer is diffusers' `pipe(...)` and PyAV with the same encoder settings. The service is a process that
answers over HTTP with the video inline. Target: a ratio of at most 1.02.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from bench.harness.process import build_tiny, call, predictor
from bench.harness.records import Record, Size, at_most, main, median

Shape = dict[str, int]
SHAPE: Shape = {"width": 128, "height": 128, "num_frames": 49, "num_inference_steps": 10}
SMALLEST: Shape = {"width": 64, "height": 64, "num_frames": 9, "num_inference_steps": 1}
PROMPT = "a red circle"


def bare(pipe: Any, folder: Path, shape: Shape) -> float:
    import numpy as np
    import torch

    from predictor.generation.video.mp4 import write_mp4

    begin = time.perf_counter()
    frames = pipe(
        PROMPT,
        **shape,
        guidance_scale=1.0,
        generator=torch.Generator("cpu").manual_seed(1),
        max_sequence_length=16,
        output_type="np",
    ).frames[0]
    write_mp4((frames * 255).round().astype(np.uint8), 8, folder / "bare.mp4", lambda: None)
    return time.perf_counter() - begin


def service(port: int, shape: Shape) -> float:
    parameters = shape | {"guidance_scale": 1.0, "seed": 1, "output": "inline"}
    begin = time.perf_counter()
    status, answer = call(
        port, "/v2/models/tiny/generate_stream", {"text_input": PROMPT, "parameters": parameters}
    )
    seconds = time.perf_counter() - begin
    assert status == 200 and b'"type":"completed"' in answer, answer[-300:]
    return seconds


def cases(size: Size) -> list[Record]:
    """Run the bare call and the service in turns."""
    import torch
    from diffusers import CogVideoXPipeline

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build_tiny(folder)
        pipe = CogVideoXPipeline.from_pretrained(folder)
        pipe.set_progress_bar_config(disable=True)
        with predictor(folder) as (port, _):
            shape, rounds = size.of(full=(SHAPE, 9), quick=(SHAPE, 3), smallest=(SMALLEST, 1))
            bare(pipe, folder, shape), service(port, shape)  # both warm
            pairs = [(bare(pipe, folder, shape), service(port, shape)) for _ in range(rounds)]
    peer, ours = (median(side) for side in zip(*pairs, strict=True))
    name = "a warm V2 request, {num_frames} frames of {width}x{height}".format(**shape)
    return [Record(name, "s", ours, peer, "pipeline call + encode", at_most(1.02))]


if __name__ == "__main__":
    main(cases)
