"""Frames of clips: read, changed and written one at a time.

A frame is an array of yuv420p, (height * 3 / 2, width) uint8: that is what model jobs leave, so a step
between them changes no pixel that it does not mean to. Intermediate clips are lossless (H.264 at qp 0).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

Frame = NDArray[np.uint8]
BT709 = 1  # ITU-T H.273 code point, the same number for matrix, primaries and transfer
LIMITED_RANGE = 1  # AVCOL_RANGE_MPEG: 16..235, which every player assumes
LOSSLESS = ("libx264", {"preset": "ultrafast", "qp": "0"})  # half of FFV1's time: bench/intermediates.py
FILM = {"preset": "veryfast", "crf": "20", "x264-params": "mbtree=0"}
THREADS = 2


@dataclass(frozen=True)
class Shape:
    """What all frames of a clip have in common. Width and height are even, `rate` is frames per second."""

    width: int
    height: int
    rate: Fraction

    def __str__(self) -> str:
        return f"{self.width}x{self.height} at {float(self.rate):g} frames per second"


@dataclass(frozen=True)
class Clip:
    """A file with frames: their shape, their number, and whether it has sound, too."""

    path: Path
    shape: Shape
    count: int
    has_sound: bool

    @property
    def seconds(self) -> Fraction:
        """Return the length of the frames."""
        return self.count / self.shape.rate


def measure(path: Path) -> Clip:
    """Measure a clip by its packets; decodes none. Raises av.FFmpegError, ValueError without frames."""
    with av.open(str(path)) as container:
        if not container.streams.video:
            raise ValueError(f"{path.name} has no video stream")
        stream = container.streams.video[0]
        count = sum(1 for packet in container.demux(stream) if packet.size)
        rate = stream.average_rate or Fraction(0)
        if not (count and rate):
            raise ValueError(f"{path.name} has no frames")
        return Clip(path, Shape(stream.width, stream.height, rate), count, bool(container.streams.audio))


def read(path: Path) -> Iterator[Frame]:
    """Decode a clip frame by frame. Raises av.FFmpegError."""
    reformatter = VideoReformatter()
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = THREADS
        for frame in container.decode(stream):
            yield pixels_of(reformatter.reformat(frame, format="yuv420p"))


def pixels_of(picture: av.VideoFrame) -> NDArray[np.uint8]:
    """Return the pixels of a decoded picture."""
    return np.asarray(picture.to_ndarray(), np.uint8)


def from_rgb(pixels: NDArray[np.uint8]) -> Frame:
    """Return the frame of a picture, (height, width, 3)."""
    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
    return pixels_of(VideoReformatter().reformat(picture, format="yuv420p", dst_colorspace=BT709))


def to_rgb(frame: Frame) -> NDArray[np.uint8]:
    """Return the picture of a frame, (height, width, 3)."""
    picture = av.VideoFrame.from_ndarray(frame, format="yuv420p")
    picture.colorspace, picture.color_range = BT709, LIMITED_RANGE
    return pixels_of(VideoReformatter().reformat(picture, format="rgb24", src_colorspace=BT709))


def mixed(first: Frame, second: Frame, share: float) -> Frame:
    """Return a frame between two; `share` is that of the second, 0 to 1."""
    weight = round(share * 256)
    blend = first.astype(np.uint16) * np.uint16(256 - weight) + second.astype(np.uint16) * np.uint16(weight)
    return ((blend + 128) >> 8).astype(np.uint8)


def black(shape: Shape) -> Frame:
    """Return a black frame."""
    frame = np.full((shape.height * 3 // 2, shape.width), 128, np.uint8)
    frame[: shape.height] = 16
    return frame


def write_lossless(path: Path, shape: Shape, frames: Iterable[Frame]) -> int:
    """Write an intermediate clip, Matroska without sound. Returns the number of frames. Raises OSError."""
    with av.open(str(path), "w", format="matroska") as container:
        return sum(1 for _ in encoded(container, shape, frames, *LOSSLESS))


def encoded(
    container: av.container.OutputContainer,
    shape: Shape,
    frames: Iterable[Frame],
    codec: str,
    options: dict[str, str],
) -> Iterator[int]:
    """Encode frames into a container. Yields the number of frames written, after each. Raises OSError."""
    stream = cast("VideoStream", container.add_stream(codec, rate=shape.rate, options=options))
    stream.width, stream.height, stream.pix_fmt = shape.width, shape.height, "yuv420p"
    context = stream.codec_context
    context.thread_count = THREADS
    context.colorspace = context.color_primaries = context.color_trc = BT709
    context.color_range = LIMITED_RANGE
    for number, frame in enumerate(frames):
        picture = av.VideoFrame.from_ndarray(frame, format="yuv420p")
        picture.pts, picture.time_base = number, 1 / shape.rate
        picture.colorspace, picture.color_range = BT709, LIMITED_RANGE
        container.mux(stream.encode(picture))
        yield number + 1
    container.mux(stream.encode())
