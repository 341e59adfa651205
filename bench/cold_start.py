"""Time from process start to ready, next to the imports and the load alone: `python -m bench.cold_start`.

The peer is a Python process that imports torch, diffusers' pipeline with its T5, and kserve, and then loads
the same weights. Bytecode is compiled first, as in an image. Target: half of the peer's time, and a tenth of
it from the warm template of `reelzero up --warm-template`.
"""

from __future__ import annotations

import asyncio
import compileall
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.harness.process import ROOT, build_tiny, predictor
from bench.harness.records import Record, Size, at_most, main, median
from eventing.contract.catalog import load_catalog
from eventing.standalone.processes.launch import Launcher, template

PEER = """
import torch, kserve
from diffusers import CogVideoXPipeline
CogVideoXPipeline.from_pretrained({folder!r})
"""
VERSUS = "imports + load"


def peer(folder: Path) -> float:
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", PEER.format(folder=str(folder))], check=True, capture_output=True)
    return time.perf_counter() - begin


def ours(folder: Path) -> float:
    with predictor(folder) as (_, seconds):
        return seconds


async def from_template(models: Path, rounds: int) -> list[float]:
    """Start predictors of `tiny` from a template that has made its imports."""
    environment = dict(os.environ) | {"REELZERO_TORCH_THREADS": "1"}
    with tempfile.TemporaryDirectory() as name:
        warm = template(Path(name), environment, ["cogvideox"])
        launcher = Launcher(Path(name), environment, models, template=warm)
        warm.begin()
        try:
            return [await start(launcher) for _ in range(rounds + 1)][1:]  # the first waits for the imports
        finally:
            await warm.close()


async def start(launcher: Launcher) -> float:
    begin = time.perf_counter()
    running = await launcher.start(load_catalog().get("tiny"), ("cpu",))
    seconds = time.perf_counter() - begin
    await running.stop(grace=0)
    return seconds


def cases(size: Size) -> list[Record]:
    """Start the peer and a predictor in turns, with warm file caches; then predictors from a template."""
    for package in ("predictor", "eventing") if size is not Size.smallest else ():
        compileall.compile_dir(ROOT / package, quiet=2)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "tiny"
        build_tiny(folder)
        if size is not Size.smallest:
            peer(folder), ours(folder)  # file cache and bytecode of the libraries
        rounds = size.of(full=5, quick=2, smallest=1)
        pairs = [(peer(folder), ours(folder)) for _ in range(rounds)]
        warm = median(asyncio.run(from_template(folder.parent, rounds)))
    theirs, mine = (median(side) for side in zip(*pairs, strict=True))
    return [
        Record("process start to ready", "s", mine, theirs, VERSUS, at_most(0.5)),
        Record("from the warm template to ready", "s", warm, theirs, VERSUS, at_most(0.1)),
    ]


if __name__ == "__main__":
    main(cases)
