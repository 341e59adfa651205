"""Mix the sound of a film: of its clips, speech at its places, and music that is softer under speech.

The result is brought to a loudness by EBU R128, measured and limited by FFmpeg's filters `ebur128` and
`alimiter`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.filter import Graph

from steps.media import sound
from steps.media.sound import RATE, Samples

FADE = 0.3  # seconds in which music goes under speech, and comes back
PEAK = 0.84  # of the limiter, -1.5 dB
SILENT = -60.0  # LUFS; what is softer has no loudness that could be raised
MOST_GAIN = 20.0  # dB


@dataclass(frozen=True)
class Placed:
    """A sound file, and the time in seconds at which it begins."""

    path: Path
    start: float


def mixed(
    base: Iterable[Samples],
    count: int,
    speech: Sequence[Placed],
    music: Path | None,
    music_db: float,
    duck_db: float,
) -> Iterator[Samples]:
    """Yield so many samples of everything together, in blocks."""
    below = sound.Reader(sound.fitted(base, count))
    voices = [_Voice(placed) for placed in speech]
    under = sound.Reader(_endless(music)) if music else None
    for begin in range(0, count, sound.BLOCK):
        size = min(sound.BLOCK, count - begin)
        block = below.take(size)
        if under:
            gain = _gain(begin, size, [(v.start, v.end) for v in voices], music_db, duck_db)
            block = block + under.take(size) * gain
        for voice in voices:
            block = block + voice.take(begin, size)
        yield block


def loudness(path: Path) -> float:
    """Return the integrated loudness of a sound file in LUFS (EBU R128). Raises av.FFmpegError."""
    graph, last = None, -math.inf
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        graph = Graph()
        graph.link_nodes(
            graph.add_abuffer(template=stream), graph.add("ebur128", "metadata=1"), graph.add("abuffersink")
        ).configure()
        for frame in container.decode(stream):
            graph.push(frame)
            last = _latest(graph, last)
        graph.push(None)
        return _latest(graph, last)


def levelled(path: Path, target: float) -> Iterator[Samples]:
    """Yield the samples of a sound file at a loudness in LUFS, with no peak above the limit."""
    now = loudness(path)
    gain = min(target - now, MOST_GAIN) if now > SILENT else 0.0
    factor = np.float32(10 ** (gain / 20))
    graph = Graph()
    graph.link_nodes(
        graph.add_abuffer(sample_rate=RATE, format="fltp", layout="stereo"),
        graph.add("alimiter", f"limit={PEAK}:level=0:latency=1"),
        graph.add("aformat", "sample_fmts=fltp:channel_layouts=stereo"),
        graph.add("abuffersink"),
    ).configure()
    written = 0
    for block in sound.read(path):
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(block * factor), format="fltp", layout="stereo"
        )
        frame.sample_rate, frame.pts = RATE, written
        written += block.shape[1]
        graph.push(frame)
        yield from _blocks(graph)
    graph.push(None)
    yield from _blocks(graph)


class _Voice:
    """One speech at its place: nothing before, nothing after."""

    def __init__(self, placed: Placed) -> None:
        self.start = sound.at(placed.start)
        self.end = self.start + sum(block.shape[1] for block in sound.read(placed.path))
        self._reader = sound.Reader(sound.read(placed.path))

    def take(self, begin: int, size: int) -> Samples:
        """Return what is heard of it in this block."""
        block = sound.silence(size)
        first, last = max(begin, self.start), min(begin + size, self.end)
        if first < last:
            block[:, first - begin : last - begin] = self._reader.take(last - first)
        return block


def _gain(begin: int, size: int, spoken: list[tuple[int, int]], music_db: float, duck_db: float) -> Samples:
    """Return the factor of the music at each sample, in decibels linear between the two levels."""
    places = np.arange(begin, begin + size, dtype=np.float32)
    under = np.zeros(size, np.float32)
    fade = FADE * RATE
    for start, end in spoken:
        near = np.minimum((places - start) / fade + 1, (end - places) / fade + 1)
        under = np.maximum(under, np.clip(near, 0, 1))
    return (10 ** ((music_db - duck_db * under) / 20)).astype(np.float32)


def _endless(music: Path) -> Iterator[Samples]:
    while True:
        heard = False
        for block in sound.read(music):
            heard = heard or block.shape[1] > 0
            yield block
        if not heard:
            return


def _latest(graph: Graph, last: float) -> float:
    while True:
        try:
            frame = graph.pull()
        except (BlockingIOError, EOFError):
            return last
        last = float(frame.metadata.get("lavfi.r128.I", last))


def _blocks(graph: Graph) -> Iterator[Samples]:
    while True:
        try:
            yield sound.samples_of(cast("av.AudioFrame", graph.pull()))
        except (BlockingIOError, EOFError):
            return
