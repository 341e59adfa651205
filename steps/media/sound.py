"""Sound of clips and films: 48 kHz stereo, float32, (2, samples), read and written in blocks.

The place of a sample follows from the number of frames before it, not from what was written: so sound and
picture agree within a sample, however long the film is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
RATE = 48_000  # samples per second
CHANNELS = 2
BLOCK = 4_800  # samples


def at(seconds: Fraction | float) -> int:
    """Return the number of samples before a time."""
    return round(seconds * RATE)


def silence(count: int) -> Samples:
    """Return samples of silence."""
    return np.zeros((CHANNELS, count), np.float32)


def read(path: Path) -> Iterator[Samples]:
    """Decode the sound of a file, from its first sample on; nothing if it has none. Raises av.FFmpegError."""
    resampler = av.AudioResampler(format="fltp", layout="stereo", rate=RATE)
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return
        for frame in container.decode(container.streams.audio[0]):
            for part in resampler.resample(frame):
                yield samples_of(part)
        for part in resampler.resample(None):
            yield samples_of(part)


def samples_of(part: av.AudioFrame) -> Samples:
    """Return the samples of a decoded block, which has one plane of floats for each channel."""
    return np.asarray(part.to_ndarray(), np.float32)


def fitted(blocks: Iterable[Samples], count: int) -> Iterator[Samples]:
    """Yield exactly so many samples: a surplus is cut, silence is added."""
    left = count
    for block in blocks:
        if not left:
            return
        kept = block[:, :left]
        left -= kept.shape[1]
        yield kept
    while left:
        step = min(left, BLOCK)
        left -= step
        yield silence(step)


class Reader:
    """Reads a stream of blocks in pieces of any length; silence follows its end."""

    def __init__(self, blocks: Iterable[Samples]) -> None:
        self._blocks = iter(blocks)
        self._rest = silence(0)

    def take(self, count: int) -> Samples:
        """Return the next samples, (2, count)."""
        parts, missing = [], count
        while missing:
            if not self._rest.shape[1]:
                self._rest = next(self._blocks, silence(missing))
            part = self._rest[:, :missing]
            self._rest = self._rest[:, missing:] if part.shape[1] == missing else silence(0)
            parts.append(part)
            missing -= part.shape[1]
        return np.concatenate(parts, axis=1) if parts else silence(0)


def write_wave(path: Path, blocks: Iterable[Samples]) -> int:
    """Write an intermediate sound: WAVE, 16 bits. Returns the number of samples. Raises OSError."""
    written = 0
    with av.open(str(path), "w", format="wav") as container:
        stream = container.add_stream("pcm_s16le", rate=RATE, layout="stereo")
        for block in blocks:
            whole = np.ascontiguousarray(np.round(np.clip(block, -1, 1) * 32767).astype(np.int16).T)
            frame = av.AudioFrame.from_ndarray(whole.reshape(1, -1), format="s16", layout="stereo")
            frame.sample_rate, frame.pts = RATE, written
            written += block.shape[1]
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return written
