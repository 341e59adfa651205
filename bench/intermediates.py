"""Bytes and seconds of lossless clips between steps against PNG frames: `python -m bench.intermediates`.

The clip has 2048x1024 pixels at 60 frames per second: a soft picture that moves, with the noise of a camera.
H.264 at qp 0 is what steps write; FFV1 is the other way without loss; the peer writes a PNG of each frame, at
Pillow's usual level. Each way writes all frames and reads them back. A short run is scaled to 35 s. Seconds
are processor time, of all threads: it says something on a busy machine, too.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from bench.harness.records import Record, Size, at_most, main, median
from steps.media import frames
from steps.media.frames import LOSSLESS, Frame, Shape

RATE, SECONDS = 60, 35  # of the film
PNG = "PNG"
FFV1 = ("ffv1", {"level": "3", "slices": "4", "slicecrc": "1", "g": "1"})
Write = Callable[[Path, list[Frame]], None]
Read = Callable[[Path], Iterable[Frame]]


class Facts(NamedTuple):
    """What a way takes: bytes, and seconds of processor time to write and to read."""

    size: float
    write: float
    read: float


def clip(count: int, shape: Shape) -> list[Frame]:
    """Return frames of a soft picture that moves by a pixel or two, with noise of one or two steps."""
    random = np.random.default_rng(0)
    height, width = shape.height, shape.width + 4 * count
    coarse = random.integers(0, 256, (height // 64 + 1, width // 64 + 1, 3)).astype(np.uint8)
    wide = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    soft = np.asarray(wide.filter(ImageFilter.GaussianBlur(3))).astype(np.int16)
    return [frames.from_rgb(_noisy(soft[:, 2 * n : 2 * n + shape.width], random)) for n in range(count)]


def _noisy(pixels: NDArray[np.int16], random: np.random.Generator) -> NDArray[np.uint8]:
    grain = np.round(random.normal(0, 1, pixels.shape[:2])).astype(np.int16)
    noisy: NDArray[np.uint8] = np.clip(pixels + grain[..., None], 0, 255).astype(np.uint8)
    return noisy


def ways(shape: Shape) -> dict[str, tuple[Write, Read]]:
    """Return how each way writes a clip and reads it."""
    return {
        "H.264 at qp 0": (lambda path, made: _encoded(path, shape, made, *LOSSLESS), frames.read),
        "FFV1": (lambda path, made: _encoded(path, shape, made, *FFV1), frames.read),
        PNG: (_pictures, _read_pictures),
    }


def _encoded(path: Path, shape: Shape, made: list[Frame], codec: str, options: dict[str, str]) -> None:
    with av.open(str(path), "w", format="matroska") as container:
        for _ in frames.encoded(container, shape, made, codec, options):
            pass


def _pictures(path: Path, made: Iterable[Frame]) -> None:
    path.mkdir()
    for number, frame in enumerate(made):
        Image.fromarray(frames.to_rgb(frame)).save(path / f"{number:05d}.png", compress_level=6)


def _read_pictures(path: Path) -> Iterator[Frame]:
    for file in sorted(path.iterdir()):
        with Image.open(file) as picture:
            yield frames.from_rgb(np.asarray(picture))


def measured(way: tuple[Write, Read], path: Path, made: list[Frame]) -> Facts:
    """Write a clip and read it back, and measure both."""
    write, read = way
    begin = time.process_time()
    write(path, made)
    written = time.process_time()
    frames_read = list(read(path))
    end = time.process_time()
    _require_equal(frames_read, made, exact=not path.is_dir())
    files = path.iterdir() if path.is_dir() else (path,)
    return Facts(sum(file.stat().st_size for file in files), written - begin, end - written)


def _require_equal(one: list[Frame], other: list[Frame], *, exact: bool) -> None:
    """Require that frames came back as they were. A PNG has RGB, so its frames are only as many."""
    assert len(one) == len(other)
    assert not exact or all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def cases(size: Size) -> list[Record]:
    """Write and read the clip in each way, in turns."""
    shape = Shape(*size.of(full=(2048, 1024), quick=(2048, 1024), smallest=(64, 32)), Fraction(RATE))
    made = clip(size.of(full=12, quick=6, smallest=2), shape)
    rounds = size.of(full=2, quick=1, smallest=1)
    facts: dict[str, list[Facts]] = {name: [] for name in ways(shape)}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            for name, way in ways(shape).items():
                facts[name].append(measured(way, Path(folder, f"{number} {name}"), made))
    scale = RATE * SECONDS / len(made)
    sums = {
        name: [median(side) * scale for side in zip(*turns, strict=True)] for name, turns in facts.items()
    }
    return [record for name in facts if name != PNG for record in _records(name, shape, sums)]


def _records(name: str, shape: Shape, sums: dict[str, list[float]]) -> Iterator[Record]:
    what = f"{SECONDS} s of {shape.width}x{shape.height} at {RATE} frames per second as {name}"
    note = "scaled from a short run"
    for number, (verb, unit, share, limit) in enumerate(
        (
            ("bytes of", "GB", 1e9, at_most(0.5)),
            ("processor time to write", "s", 1, at_most(0.5)),
            ("processor time to read", "s", 1, None),
        )
    ):
        ours, peer = sums[name][number] / share, sums[PNG][number] / share
        yield Record(f"{verb} {what}", unit, ours, peer, "a PNG of each frame", limit, note)


if __name__ == "__main__":
    main(cases)
