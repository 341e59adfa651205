"""Clips with frames and sound: opened with errors in words, and written with both side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import cast

import av
import numpy as np
from av.audio.stream import AudioStream

from steps.media import frames, sound
from steps.media.frames import LOSSLESS, Clip, Frame, Shape
from steps.work import StepError


def opened(name: str, path: Path) -> Clip:
    """Return the clip of an input. Raises StepError naming the input."""
    try:
        return frames.measure(path)
    except (av.FFmpegError, ValueError) as error:
        raise StepError(f"inputs.{name}: is no video that can be read: {error}") from error


def sound_of(clip: Clip, seconds: Fraction) -> Iterator[sound.Samples] | None:
    """Return the sound of a clip, exactly so long; None if it has none."""
    return sound.fitted(sound.read(clip.path), sound.at(seconds)) if clip.has_sound else None


def watched(made: Iterable[Frame], count: int, progress: Callable[[float], None]) -> Iterator[Frame]:
    """Yield frames and report how many of them there are."""
    for number, frame in enumerate(made):
        progress(min(1.0, number / max(count, 1)))
        yield frame


def write(
    path: Path,
    shape: Shape,
    made: Iterable[Frame],
    heard: Iterable[sound.Samples] | None,
    tags: Mapping[str, str] = MappingProxyType({}),
) -> int:
    """Write an intermediate clip, Matroska with H.264 at qp 0 and PCM.

    Returns the number of frames. Raises OSError.
    """
    with av.open(str(path), "w", format="matroska") as container:
        container.metadata.update(tags)
        return muxed(container, shape, made, heard, LOSSLESS, ("pcm_s16le", {}))


def muxed(
    container: av.container.OutputContainer,
    shape: Shape,
    made: Iterable[Frame],
    heard: Iterable[sound.Samples] | None,
    video: tuple[str, dict[str, str]],
    audio: tuple[str, dict[str, str]],
) -> int:
    """Encode frames, and beside each its samples. Returns the number of frames. Raises OSError."""
    track = Track(container, heard, audio) if heard is not None else None
    count = 0
    for count in frames.encoded(container, shape, made, *video):
        if track:
            track.write_until(sound.at(count / shape.rate))
    if track:
        track.finish()
    return count


class Track:
    """The sound of a file that is written, in pieces as long as a frame."""

    def __init__(
        self,
        container: av.container.OutputContainer,
        heard: Iterable[sound.Samples],
        codec: tuple[str, dict[str, str]],
    ) -> None:
        self._container = container
        self._reader = sound.Reader(heard)
        stream = container.add_stream(codec[0], rate=sound.RATE, options=codec[1], layout="stereo")
        self._stream = cast("AudioStream", stream)
        self._written = 0

    def write_until(self, count: int) -> None:
        """Encode the samples up to this one."""
        samples = self._reader.take(count - self._written)
        self._container.mux(self._stream.encode(self._frame(samples)))
        self._written = count

    def finish(self) -> None:
        """Write what the encoder still holds."""
        self._container.mux(self._stream.encode(None))

    def _frame(self, samples: sound.Samples) -> av.AudioFrame:
        planes = np.ascontiguousarray(np.clip(samples, -1, 1))
        if self._stream.codec.name == "pcm_s16le":
            whole = np.ascontiguousarray(np.round(planes * 32767).astype(np.int16).T).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(whole, format="s16", layout="stereo")
        else:
            frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = sound.RATE, self._written
        return frame
