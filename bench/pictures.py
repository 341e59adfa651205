"""Time and memory of taking a picture in: `python -m bench.pictures [--rounds N]`.

A 4K PNG goes through the decoder's process as the service starts it, to 1280x704. The peer is Pillow in this
process: open, resize and save alone. Targets: 400 ms and 200 MB on top.
"""

from __future__ import annotations

import argparse
import io
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import PIL
from PIL import Image

from bench.process import machine
from eventing.pictures import decode

SIZE = (1280, 704)
LIBRARIES = str(Path(PIL.__file__).parents[1])
LIMITS = ("25000000", str(512 << 20))  # pixels, bytes of memory
COMMAND = [sys.executable, "-I", "-S", decode.__file__, LIBRARIES, *map(str, SIZE), "crop", *LIMITS]
MEASURE = """import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"""


def picture() -> bytes:
    """A 4K PNG of soft colours with a little noise, about 13 MB."""
    random = np.random.default_rng(0)
    soft = Image.fromarray(random.integers(0, 255, (135, 240, 3), dtype=np.uint8)).resize((3840, 2160))
    noisy = np.asarray(soft).astype(np.int16) + random.integers(-3, 4, (2160, 3840, 3))
    out = io.BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


def apart(file: bytes) -> float:
    begin = time.perf_counter()
    done = subprocess.run(COMMAND, input=file, stdout=subprocess.PIPE, check=True)
    assert b'"width": 3840' in done.stdout.partition(b"\n")[0]
    return time.perf_counter() - begin


def memory(file: bytes) -> float:
    """The most MiB of the decoder. A small process starts it: a child's peak begins with its parent's."""
    small = [sys.executable, "-I", "-S", "-c", MEASURE, *COMMAND]
    return int(subprocess.run(small, input=file, stdout=subprocess.PIPE, check=True).stdout) / 1024


def bare(file: bytes) -> float:
    begin = time.perf_counter()
    image = Image.open(io.BytesIO(file)).resize(SIZE, Image.Resampling.LANCZOS, reducing_gap=3.0)
    image.save(io.BytesIO(), "PNG", compress_level=1)
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    file = picture()
    pairs = [(bare(file), apart(file)) for _ in range(rounds)]
    peer, ours = (statistics.median(side) for side in zip(*pairs, strict=True))
    print(machine())
    print(f"Pillow alone        {peer * 1000:.0f} ms  (median of {rounds}, {len(file) / 1e6:.1f} MB)")
    print(f"in its own process  {ours * 1000:.0f} ms  (<= 400), {memory(file):.0f} MiB (<= 200 MB)")


if __name__ == "__main__":
    main()
