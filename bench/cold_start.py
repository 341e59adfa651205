"""Time from process start to ready, next to the imports and the load alone: `python -m bench.cold_start`.

The peer is a Python process that imports torch, diffusers' pipeline with its T5, and kserve, and then loads
the same weights. Bytecode is compiled first, as in an image. Target: half of the peer's time.
"""

from __future__ import annotations

import compileall
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.process import ROOT, build_tiny, predictor
from bench.records import Record, Size, at_most, main, median

PEER = """
import torch, kserve
from diffusers import CogVideoXPipeline
CogVideoXPipeline.from_pretrained({folder!r})
"""


def peer(folder: Path) -> float:
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", PEER.format(folder=str(folder))], check=True, capture_output=True)
    return time.perf_counter() - begin


def ours(folder: Path) -> float:
    with predictor(folder) as (_, seconds):
        return seconds


def cases(size: Size) -> list[Record]:
    """Start the peer and a predictor in turns, with warm file caches."""
    for package in ("predictor", "eventing") if size is not Size.smallest else ():
        compileall.compile_dir(ROOT / package, quiet=2)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build_tiny(folder)
        if size is not Size.smallest:
            peer(folder), ours(folder)  # file cache and bytecode of the libraries
        rounds = size.of(full=5, quick=2, smallest=1)
        pairs = [(peer(folder), ours(folder)) for _ in range(rounds)]
    theirs, mine = (median(side) for side in zip(*pairs, strict=True))
    return [Record("process start to ready", "s", mine, theirs, "imports + load", at_most(0.5))]


if __name__ == "__main__":
    main(cases)
