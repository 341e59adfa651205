"""Time from process start to ready, next to the imports and the load alone: `python -m bench.cold_start`.

The peer is a Python process that imports torch, diffusers' pipeline with its T5, and kserve, and then loads
the same weights. Bytecode is compiled first, as in an image. Target: at most 1 s more than the peer.
"""

from __future__ import annotations

import argparse
import compileall
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.process import ROOT, build_tiny, machine, predictor

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    for package in ("predictor", "eventing"):
        compileall.compile_dir(ROOT / package, quiet=2)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build_tiny(folder)
        peer(folder), ours(folder)  # file cache and bytecode of the libraries
        pairs = [(peer(folder), ours(folder)) for _ in range(rounds)]
    theirs, mine = (statistics.median(side) for side in zip(*pairs, strict=True))
    print(machine())
    print(f"imports + load          {theirs:.2f} s  (median of {rounds})")
    print(f"predictor start → ready {mine:.2f} s")
    print(f"difference {mine - theirs:+.2f} s (target <= +1 s), ratio {mine / theirs:.2f}")


if __name__ == "__main__":
    main()
