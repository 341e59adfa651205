"""Show an unfinished video: after some steps a small picture, which becomes a JPEG off the device thread."""

from __future__ import annotations

import io
import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from eventing.contract.codecs.stream import PREVIEW_BYTES
from eventing.contract.records.models import GenerationSpec
from predictor.generation.monitor import Monitor
from predictor.models.pipelines import OnStep, Pipeline

LARGEST = 160  # pixels of the longer side
QUALITIES = (80, 60, 40, 20)  # of the JPEG, the first whose file is small enough
log = logging.getLogger(__name__)
Pixels = NDArray[np.uint8]  # (height, width, 3), RGB


@dataclass
class Previews:
    """The previews of one attempt: after every so many steps, and once at least."""

    pipeline: Pipeline
    spec: GenerationSpec
    monitor: Monitor
    every: int  # steps; 0: none

    def on_step(self) -> OnStep:
        """Return what reports a step and shows its preview if one is due."""
        return self._step if self.every else self.monitor.step

    def _step(self, done: int, total: int) -> None:
        self.monitor.step(done, total)
        if self.every and done % min(self.every, total) == 0:
            self._show()

    def _show(self) -> None:
        try:
            pixels = self.pipeline.preview(self.spec)
        except Exception:  # a picture of the way is not worth the video
            log.exception("this attempt has no more previews")
            self.every = 0
            return
        if pixels is not None:
            self.monitor.show(pixels)


def to_jpeg(pixels: Pixels) -> bytes:
    """Return a JPEG of at most PREVIEW_BYTES; an empty one if even the lowest quality needs more."""
    image = Image.fromarray(pixels)
    image.thumbnail((LARGEST, LARGEST))
    return next(filter(_is_small, (_encoded(image, quality) for quality in QUALITIES)), b"")


def _encoded(image: Image.Image, quality: int) -> bytes:
    body = io.BytesIO()
    image.save(body, "JPEG", quality=quality)
    return body.getvalue()


def _is_small(jpeg: bytes) -> bool:
    return len(jpeg) <= PREVIEW_BYTES
