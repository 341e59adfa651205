"""Write frames and sound to an MP4 that browsers play; read, measure and copy MP4s.

Equal frames give equal bytes: x264 has the same number of threads on every machine and no date is written.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer, OutputContainer
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from eventing.contract.records.results import Sound
from predictor.generation.video.sound import SoundTrack
from predictor.generation.video.stills import Frames
from predictor.models.sound import Waveform

BT709 = 1  # ITU-T H.273 code point, the same number for matrix, primaries and transfer
LIMITED_RANGE = 1  # AVCOL_RANGE_MPEG: 16..235, which every player assumes
# Chosen by `python -m bench.encode`. mbtree stays off: its sums of floats differ between kinds of processors.
# In its place qcomp and pbratio take bits from frames that are easily predicted, and leave them to motion.
OPTIONS = "mbtree=0:subme=2:b-adapt=0:qcomp=0.8:pbratio=1.5"
X264 = {"preset": "superfast", "crf": "20.5", "x264-params": OPTIONS}
THREADS = 3  # of x264, fixed: another number makes other bytes


@dataclass(frozen=True)
class Measured:
    """What an MP4 really holds. `fps` is frames per second, `seconds` the duration."""

    frames: int
    width: int
    height: int
    fps: Fraction
    seconds: float
    sound: Sound | None = None


def write_mp4(
    frames: Frames, fps: int, path: Path, check: Callable[[], None], sound: Waveform | None = None
) -> None:
    """Encode all frames of a video. See `encode_mp4`."""
    encode_mp4(frames, len(frames), fps, path, check, sound)


def encode_mp4(
    frames: Iterable[Frames],
    count: int,
    fps: int,
    path: Path,
    check: Callable[[], None],
    sound: Waveform | None = None,
) -> None:
    """Encode `count` frames as yuv420p H.264, and sound as AAC, with the index in front.

    Each frame is (height, width, 3). `check` may raise to stop.
    Raises OSError if the file cannot be written. Width and height must be even, as yuv420p requires.
    """
    # A file and not a buffer: faststart rewrites the header once the size is known.
    with av.open(str(path), "w", format="mp4", options=_options(fps, sound)) as container:
        stream = container.add_stream("libx264", rate=fps, options=X264)
        track = SoundTrack(container, sound, count, fps) if sound else None
        reformatter = VideoReformatter()
        for shown, pixels in enumerate(frames, 1):
            check()
            if shown == 1:
                _describe(stream, pixels)
            picture = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            picture = reformatter.reformat(picture, format="yuv420p", dst_colorspace=BT709)
            container.mux(stream.encode(picture))
            if track:
                track.write_until(shown)
        container.mux(stream.encode())
        if track:
            track.finish()


def _describe(stream: VideoStream, pixels: Frames) -> None:
    stream.height, stream.width = pixels.shape[:2]
    stream.pix_fmt = "yuv420p"
    context = stream.codec_context
    context.thread_count = THREADS
    context.colorspace = context.color_primaries = context.color_trc = BT709
    context.color_range = LIMITED_RANGE


def _options(fps: int, sound: Waveform | None) -> dict[str, str]:
    options = {"movflags": "+faststart"}
    if sound is None:
        return options
    # Without it the length of a track is rounded to milliseconds, so that sound and frames would differ.
    return options | {"movie_timescale": str(math.lcm(fps, sound.rate))}


def measure_mp4(path: Path) -> Measured:
    """Measure a video file. Counts its packets and decodes none. Raises OSError or av.FFmpegError."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = sum(1 for packet in container.demux(stream) if packet.size)  # the last one only flushes
        duration, base = stream.duration or 0, stream.time_base or Fraction(0)
        fps = stream.average_rate or Fraction(0)
        sound = [Sound(rate=track.rate, channels=track.channels) for track in container.streams.audio]
        seconds = float(duration * base)
        return Measured(frames, stream.width, stream.height, fps, seconds, sound[0] if sound else None)


def copy_mp4(frames: Path, sound: Path | None, path: Path) -> None:
    """Copy the frames of one file and the sound of another into an MP4 with the index in front (faststart).

    Encodes nothing. Raises OSError or av.FFmpegError.
    """
    sources = {"video": frames} if sound is None else {"video": frames, "audio": sound}
    with ExitStack() as opened:
        old = {kind: opened.enter_context(av.open(str(source))) for kind, source in sources.items()}
        options = {"movflags": "+faststart"}
        new = opened.enter_context(av.open(str(path), "w", format="mp4", options=options))
        packets = [_copied(container, kind, new) for kind, container in old.items()]
        for packet in heapq.merge(*packets, key=_time):  # side by side, so that players find both
            new.mux(packet)


def _copied(old: InputContainer, kind: str, new: OutputContainer) -> list[av.Packet[Any]]:
    """Return the packets of one kind, for new streams like the old ones."""
    kept = [stream for stream in old.streams if stream.type == kind]
    copies = {stream.index: new.add_stream_from_template(stream) for stream in kept}
    packets = [packet for packet in old.demux(*kept) if packet.dts is not None] if kept else []
    for packet in packets:  # without the last one of each stream, which only flushes
        packet.stream = copies[packet.stream.index]
    return packets


def _time(packet: av.Packet[Any]) -> Fraction:
    return (packet.dts or 0) * packet.time_base


def read_frames(path: Path, check: Callable[[], None]) -> Iterator[Frames]:
    """Decode a video, frame by frame: uint8, (height, width, 3). `check` may raise to stop.

    Raises OSError or av.FFmpegError.
    """
    with av.open(str(path)) as container:
        for frame in container.decode(container.streams.video[0]):
            check()
            yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
