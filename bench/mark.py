"""The mark of origin next to the encode it follows: `python -m bench.mark`.

A clip of 121 frames of 480x832 (smooth noise that moves) is encoded, then signed and read back, in turns.
Target: at most 3 % of the time of the encode.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from bench.harness.records import Record, Size, at_most, main, median
from eventing.contract.certificates import make_self_made
from eventing.contract.credentials import Credentials, Origin
from predictor.generation.video.mp4 import write_mp4
from predictor.generation.video.stills import Frames

Shape = tuple[int, int, int, int]  # frames, height, width, channels
ORIGIN = Origin("tiny", "local", "0" * 64, "2026-11-25T10:00:00Z")


def clip(shape: Shape) -> Frames:
    """Return coarse noise, enlarged, that moves by two pixels a frame."""
    frames, height, width, channels = shape
    coarse = np.random.default_rng(0).integers(0, 255, (height // 16, width // 16 + frames, channels))
    wide = np.kron(coarse, np.ones((16, 16, 1))).astype(np.uint8)
    return np.stack([wide[:, 2 * i : 2 * i + width] for i in range(frames)])


def cases(size: Size) -> list[Record]:
    """Encode and sign in turns."""
    frames = clip(size.of(full=(121, 480, 832, 3), quick=(49, 480, 832, 3), smallest=(5, 64, 64, 3)))
    credentials = Credentials(make_self_made())
    encode, sign = [], []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "video.mp4"
        for _ in range(size.of(full=5, quick=3, smallest=1)):
            begin = time.perf_counter()
            write_mp4(frames, 24, path, lambda: None)
            middle = time.perf_counter()
            credentials.sign(path, ORIGIN)
            encode.append(middle - begin)
            sign.append(time.perf_counter() - middle)
    name = f"sign {len(frames)} frames and read the mark back"
    return [Record(name, "s", median(sign), median(encode), "their encode", at_most(0.03))]


if __name__ == "__main__":
    main(cases)
