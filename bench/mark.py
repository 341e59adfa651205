"""The mark of origin next to the encode it follows: `python -m bench.mark [--rounds N]`.

A clip of 121 frames of 480x832 (smooth noise that moves) is encoded, then signed and read back, in turns.
Target: at most 3 % of the time of the encode.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from bench.process import machine
from eventing.contract.certificates import make_self_made
from predictor.generation.credentials import Credentials, Origin
from predictor.generation.video import Frames, write_mp4

SHAPE = (121, 480, 832, 3)  # frames, height, width, channels
ORIGIN = Origin("tiny", "local", "0" * 64, "2026-11-25T10:00:00Z")


def clip() -> Frames:
    """Return coarse noise, enlarged, that moves by two pixels a frame."""
    frames, height, width, channels = SHAPE
    coarse = np.random.default_rng(0).integers(0, 255, (height // 16, width // 16 + frames, channels))
    wide = np.kron(coarse, np.ones((16, 16, 1))).astype(np.uint8)
    return np.stack([wide[:, 2 * i : 2 * i + width] for i in range(frames)])


def main() -> None:
    """Encode and sign in turns; print medians and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    frames, credentials = clip(), Credentials(make_self_made())
    encode, sign = [], []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "video.mp4"
        for _ in range(parser.parse_args().rounds):
            begin = time.perf_counter()
            write_mp4(frames, 24, path, lambda: None)
            middle = time.perf_counter()
            credentials.sign(path, ORIGIN)
            encode.append(middle - begin)
            sign.append(time.perf_counter() - middle)
    print(machine())
    print(f"encode {statistics.median(encode):.3f} s, sign and read back {statistics.median(sign):.3f} s")
    print(f"ratio {statistics.median(sign) / statistics.median(encode):.4f} (target <= 0.03)")


if __name__ == "__main__":
    main()
