"""Time and memory of taking a picture in: `python -m bench.pictures`.

A 4K PNG goes through the decoder's process as the service runs it, to 1280x704: once while a process waits
for it, and once without (the first picture after a pause). The peer is Pillow in this process, which opens,
resizes and saves. Targets: 400 ms and 200 MB on top.
"""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys
import time

import numpy as np
from PIL import Image

from bench.harness.records import Record, Size, at_most, main, median
from eventing.pictures.decoders import Decoders

SIZE = (1280, 704)
ORDER = f"{SIZE[0]} {SIZE[1]} crop"
PIXELS = 25_000_000
BUDGET_MS, BUDGET_MIB = 400, 200e6 / 2**20
PAUSE = 0.4  # seconds between two pictures, in which the next process starts
MEASURE = """import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"""


def picture(width: int, height: int) -> bytes:
    """Return a PNG of soft colours with a little noise, about 13 MB in 4K."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 255, (height // 16, width // 16, 3), dtype=np.uint8)
    noisy = np.asarray(Image.fromarray(coarse).resize((width, height))).astype(np.int16)
    noisy += random.integers(-3, 4, noisy.shape, dtype=np.int16)
    out = io.BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


def bare(file: bytes) -> float:
    """Return the seconds of Pillow alone."""
    begin = time.perf_counter()
    image = Image.open(io.BytesIO(file)).resize(SIZE, Image.Resampling.LANCZOS, reducing_gap=3.0)
    image.save(io.BytesIO(), "PNG", compress_level=1)
    return time.perf_counter() - begin


async def decoded(decoders: Decoders, file: bytes) -> float:
    """Return the seconds of a process."""
    begin = time.perf_counter()
    out = await decoders.run(ORDER, file)
    seconds = time.perf_counter() - begin
    assert b'"width"' in out.partition(b"\n")[0]
    return seconds


async def turns(file: bytes, rounds: int) -> tuple[list[float], list[float], list[float]]:
    """Return the seconds with a process that waits, without one, and of the peer, in turns."""
    waiting: list[float] = []
    first: list[float] = []
    peer: list[float] = []
    for _ in range(rounds):
        decoders = Decoders(PIXELS)
        for seconds in (first, waiting):
            seconds.append(await decoded(decoders, file))
            await asyncio.sleep(PAUSE)
        peer.append(bare(file))
    return waiting, first, peer


def memory(file: bytes) -> float:
    """Return the most MiB of a decoder. A small process starts it: its peak begins with its parent's."""
    small = [sys.executable, "-I", "-S", "-c", MEASURE, *Decoders(PIXELS).command]
    sent = ORDER.encode() + b"\n" + file
    return int(subprocess.run(small, input=sent, stdout=subprocess.PIPE, check=True).stdout) / 1024


def cases(size: Size) -> list[Record]:
    """Take a picture in with and without a process that waits, and with Pillow alone."""
    width, height = size.of(full=(3840, 2160), quick=(3840, 2160), smallest=(640, 360))
    file = picture(width, height)
    sides = asyncio.run(turns(file, size.of(full=9, quick=3, smallest=1)))
    waiting, first, peer = (median(side) * 1000 for side in sides)
    name = f"take a PNG of {width}x{height} in"
    verdict = (
        "" if size is Size.smallest else f"target {BUDGET_MS} ms: {'' if waiting <= BUDGET_MS else 'not '}met"
    )
    return [
        Record(name, "ms", waiting, peer, "Pillow alone", note=verdict),
        Record(f"{name}, the first after a pause", "ms", first, peer, "Pillow alone"),
        Record(f"memory to {name}", "MiB", memory(file), BUDGET_MIB, "the limit", at_most(1)),
    ]


if __name__ == "__main__":
    main(cases)
