"""The files of one true video, which the fake predictor stores in place of its words."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from predictor.generation.video.mp4 import write_mp4
from predictor.generation.video.stills import write_poster, write_spritesheet

FRAMES, SIDE, RATE = 17, 64, 8


def make_files(folder: Path) -> dict[str, bytes]:
    """A square that moves to the right, as MP4, poster and sprite sheet."""
    frames = np.full((FRAMES, SIDE, SIDE, 3), (236, 236, 243), np.uint8)
    for number, frame in enumerate(frames):
        frame[22:42, 2 + 2 * number : 22 + 2 * number] = (214, 58, 58)
    write_mp4(frames, RATE, folder / "video.mp4", lambda: None)
    write_poster(frames, folder / "poster.jpg")
    write_spritesheet(frames, folder / "spritesheet.jpg")
    return {path.name: path.read_bytes() for path in folder.iterdir()}
