"""Memory of a predictor after many jobs, next to after a few: `python -m bench.memory`.

One process of the tiny model makes 200 videos of 9 frames of 64x64 over HTTP, with other prompts and seeds
each. Its resident memory after all is compared with that after the first 40, when its caches are warm.
Target: at most 1.02.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import psutil

from bench.harness.process import build_tiny, call, predictor
from bench.harness.records import Record, Size, at_most, main

PARAMETERS = {
    "width": 64, "height": 64, "num_frames": 9, "num_inference_steps": 1, "guidance_scale": 1.0,
    "output": "inline",
}  # fmt: skip


def jobs(port: int, numbers: range) -> None:
    for number in numbers:
        body = {"text_input": f"circle {number % 50}", "parameters": PARAMETERS | {"seed": number}}
        status, answer = call(port, "/v2/models/tiny/generate_stream", body)
        assert status == 200 and b'"type":"completed"' in answer, answer[-300:]


def resident() -> float:
    """Return the MiB of the predictor, the only child of this process, and of its own children."""
    family = psutil.Process().children(recursive=True)
    return float(sum(process.memory_info().rss for process in family)) / 2**20


def cases(size: Size) -> list[Record]:
    """Run the jobs, and read the memory after the first and after the last."""
    first, last = size.of(full=(40, 200), quick=(20, 60), smallest=(1, 2))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "tiny"
        build_tiny(folder)
        with predictor(folder) as (port, _):
            jobs(port, range(first))
            before = resident()
            jobs(port, range(first, last))
            after = resident()
    what = f"memory after {last} jobs"
    return [Record(what, "MiB", after, before, f"after {first}", at_most(1.02))]


if __name__ == "__main__":
    main(cases)
