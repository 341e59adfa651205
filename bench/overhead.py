"""Time of the service next to a bare pipeline call and encode: `python -m bench.overhead [--rounds N]`.

Both sides run the tiny model (49 frames of 128x128) with one torch thread, in turns on the same machine.
The peer is diffusers' `pipe(...)` and PyAV with the same encoder settings. The service is a process that
answers over HTTP with the video inline. Target: a ratio of at most 1.10.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.process import build_tiny, call, machine, predictor

SHAPE = {"width": 128, "height": 128, "num_frames": 49, "num_inference_steps": 10}
PROMPT = "a red circle"


def bare(pipe: Any, folder: Path) -> float:
    import numpy as np
    import torch

    from predictor.generation.video import write_mp4

    begin = time.perf_counter()
    frames = pipe(
        PROMPT,
        **SHAPE,
        guidance_scale=1.0,
        generator=torch.Generator("cpu").manual_seed(1),
        max_sequence_length=16,
        output_type="np",
    ).frames[0]
    write_mp4((frames * 255).round().astype(np.uint8), 8, folder / "bare.mp4", lambda: None)
    return time.perf_counter() - begin


def service(port: int) -> float:
    parameters = SHAPE | {"guidance_scale": 1.0, "seed": 1, "output": "inline"}
    begin = time.perf_counter()
    status, answer = call(
        port, "/v2/models/tiny/generate_stream", {"text_input": PROMPT, "parameters": parameters}
    )
    seconds = time.perf_counter() - begin
    assert status == 200 and b'"type":"completed"' in answer, answer[-300:]
    return seconds


def main() -> None:
    import torch
    from diffusers import CogVideoXPipeline

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build_tiny(folder)
        pipe = CogVideoXPipeline.from_pretrained(folder)
        pipe.set_progress_bar_config(disable=True)
        with predictor(folder) as (port, _):
            bare(pipe, folder), service(port)  # both warm
            pairs = [(bare(pipe, folder), service(port)) for _ in range(rounds)]
    peer, ours = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(theirs and mine / theirs for theirs, mine in pairs)
    print(machine())
    print(f"bare call + encode  {peer:.3f} s  (median of {rounds})")
    print(f"through the service {ours:.3f} s")
    print(f"ratio               {ratio:.3f}  (median of pairs; target <= 1.10)")


if __name__ == "__main__":
    main()
