"""Keep the frames of a video that become its pictures, and write them: a poster and a sprite sheet."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SPRITES = 16
SPRITE_WIDTH = 160
Frames = NDArray[np.uint8]  # (frames, height, width, 3), RGB


class Stills:
    """The frames of the pictures of a video of `count` frames, which come one by one."""

    def __init__(self, count: int) -> None:
        self.kept: list[Frames] = []
        self._wanted = set(sprite_indices(count))
        self._seen = 0

    def see(self, frame: Frames) -> None:
        """Keep the next frame, (height, width, 3), if a picture shows it."""
        if self._seen in self._wanted:
            self.kept.append(frame.copy())
        self._seen += 1


def write_poster(frames: Frames | Sequence[Frames], path: Path) -> None:
    """Write the first frame as a JPEG: what a player shows before it plays."""
    _write_jpeg(Image.fromarray(frames[0]), path, quality=90)


def write_spritesheet(frames: Frames | Sequence[Frames], path: Path) -> None:
    """Write up to 16 frames, spread over the video, as one JPEG: an almost square grid in reading order."""
    indices = sprite_indices(len(frames))
    count = len(indices)
    columns = math.ceil(math.sqrt(count))
    height, width = frames[0].shape[:2]
    size = (min(width, SPRITE_WIDTH), max(1, round(height * min(width, SPRITE_WIDTH) / width)))
    sheet = Image.new("RGB", (columns * size[0], math.ceil(count / columns) * size[1]))
    for cell, index in enumerate(indices):
        corner = (cell % columns * size[0], cell // columns * size[1])
        sheet.paste(Image.fromarray(frames[index]).resize(size), corner)
    _write_jpeg(sheet, path, quality=85)


def sprite_indices(count: int) -> list[int]:
    """Return which of `count` frames are on a sprite sheet; the first is always one of them."""
    return [int(index) for index in np.linspace(0, count - 1, min(SPRITES, count)).round()]


def _write_jpeg(image: Image.Image, path: Path, quality: int) -> None:
    """Write an image. Raises OSError if not all of it could be written."""
    # Encode to memory first: Pillow's own file writing ignores a short write on a full disk.
    body = io.BytesIO()
    image.save(body, "JPEG", quality=quality)
    path.write_bytes(body.getbuffer())
