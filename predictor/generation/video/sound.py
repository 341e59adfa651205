"""Write a waveform as the AAC track of an MP4: from the first frame to the end of the last, no louder.

Equal waveforms give equal bytes: FFmpeg's own encoder runs in one thread and writes no date.
"""

from __future__ import annotations

import av
import numpy as np
from av.container import OutputContainer
from numpy.typing import NDArray

from predictor.models.sound import Waveform

BIT_RATE = 128_000  # bits per second and channel
AAC = {"aac_pns": "0"}  # noise stays what the model made, and is not replaced by other noise
LAYOUTS = {1: "mono", 2: "stereo"}
# Samples of silence in front: the encoder spoils its first block. The edit list of the MP4 skips them.
LEAD = 1024


class SoundTrack:
    """The sound of one MP4, encoded frame by frame, so that both are side by side in the file."""

    def __init__(self, container: OutputContainer, sound: Waveform, frames: int, fps: int) -> None:
        channels = len(sound.samples)
        self._container, self._rate, self._fps = container, sound.rate, fps
        self._layout = LAYOUTS[channels]
        self._stream = container.add_stream("aac", rate=sound.rate, layout=self._layout, options=AAC)
        self._stream.bit_rate = BIT_RATE * channels
        self._samples = np.pad(fitted(sound.samples, self._at(frames)), ((0, 0), (LEAD, 0)))
        self._written = 0

    def write_until(self, frames: int) -> None:
        """Encode the samples up to the end of so many frames. Raises OSError."""
        start, self._written = self._written, LEAD + self._at(frames)
        samples = np.ascontiguousarray(self._samples[:, start : self._written])
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=self._layout)
        frame.sample_rate, frame.pts = self._rate, start - LEAD
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Write what the encoder still holds. Raises OSError."""
        self._container.mux(self._stream.encode(None))

    def _at(self, frames: int) -> int:
        return round(frames * self._rate / self._fps)


def fitted(samples: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    """Return samples (channels, length): a surplus is cut, silence is added, peaks above 1 are clipped."""
    kept = np.clip(samples[:, :length], -1, 1)
    return np.pad(kept, ((0, 0), (0, length - kept.shape[1])))
