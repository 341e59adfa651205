"""Encode a video in a thread of its own, beside the device that decodes the next frames."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Self

from eventing.contract.errors import Cancelled
from eventing.contract.records.models import GenerationSpec
from predictor.generation.video import mp4
from predictor.generation.video.stills import Frames, Stills
from predictor.models.sound import Waveform


class Encoder:
    """Encodes frames while they are made. As a context it ends its thread, also after a failure.

    `take` and `finish` are for one thread at a time.
    """

    def __init__(
        self, spec: GenerationSpec, path: Path, check: Callable[[], None], sound: Waveform | None
    ) -> None:
        self.stills = Stills(spec.num_frames)
        self.path = path
        self._spec, self._check, self._sound = spec, check, sound
        # Without a limit, so that the device never waits for the encoder.
        self._chunks: queue.SimpleQueue[Frames | None] = queue.SimpleQueue()
        self._stopped = False
        self._outcome: Future[None] = Future()
        self._thread = threading.Thread(target=self._encode, name="encode", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._stopped = True
        self._chunks.put(None)
        self._thread.join()

    def take(self, frames: Frames) -> None:
        """Add frames, (frames, height, width, 3), and return at once. Raises what ended the encoding."""
        if self._outcome.done():
            self._outcome.result()
        self._chunks.put(frames)

    def finish(self) -> None:
        """Wait until the file is written. Raises OSError, Cancelled, GenerationTimeout."""
        self._chunks.put(None)
        self._outcome.result()

    def _encode(self) -> None:
        spec = self._spec
        try:
            frames = self._frames()
            mp4.encode_mp4(frames, spec.num_frames, spec.fps, self.path, self._check, self._sound)
            self._outcome.set_result(None)
        except BaseException as error:
            self._outcome.set_exception(error)

    def _frames(self) -> Iterator[Frames]:
        while (chunk := self._chunks.get()) is not None:
            for frame in chunk:
                if self._stopped:
                    raise Cancelled("the video is not finished")
                self.stills.see(frame)
                yield frame
        if self._stopped:
            raise Cancelled("the video is not finished")
