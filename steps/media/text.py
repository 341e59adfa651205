"""Draw text on frames with the font that comes with Pillow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from steps.media.frames import Frame, Shape

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
OUTLINE = 0.08  # of the height of the letters


@dataclass(frozen=True)
class Drawn:
    """A picture of text over a whole frame: luma, and how much of it covers, 0 to 255."""

    luma: NDArray[np.uint8]
    cover: NDArray[np.uint8]


def font(height: float) -> Font:
    """Return the font with letters of about this height in pixels."""
    return ImageFont.load_default(size=max(6.0, height))


def wrapped(text: str, letters: Font, width: float) -> list[str]:
    """Break a text into lines of at most this width in pixels; a longer word stands alone."""
    lines: list[str] = []
    for paragraph in text.splitlines() or [""]:
        lines += list(_lines(paragraph.split(), letters, width)) or [""]
    return lines


def draw(lines: list[str], shape: Shape, height: float, *, bottom: float | None) -> Drawn:
    """Draw white lines with a dark edge: in the middle, or ending at `bottom`, a share of the height."""
    letters = font(height)
    edge = max(1, round(height * OUTLINE))
    step = height * 1.3
    middle = shape.height / 2 - step * (len(lines) - 1) / 2
    first = middle if bottom is None else shape.height * bottom - step * (len(lines) - 0.5)
    luma, cover = (Image.new("L", (shape.width, shape.height), 16) for _ in range(2))
    cover.paste(0, (0, 0, *cover.size))
    for number, line in enumerate(lines):
        place = (shape.width / 2, first + step * number)
        ImageDraw.Draw(cover).text(place, line, 255, letters, "mm", stroke_width=edge, stroke_fill=255)
        ImageDraw.Draw(luma).text(place, line, 235, letters, "mm")
    return Drawn(np.asarray(luma), np.asarray(cover))


def laid_over(frame: Frame, drawn: Drawn, share: float = 1.0) -> Frame:
    """Return a frame with the text over it, which is grey; `share` is how much it covers, 0 to 1."""
    height, width = drawn.luma.shape
    cover = drawn.cover.astype(np.float32) * (share / 255)
    result = frame.copy()
    result[:height] = _between(frame[:height], drawn.luma, cover)
    small = cover.reshape(height // 2, 2, width // 2, 2).mean((1, 3)).reshape(-1)
    for start in (0, small.size):
        plane = frame[height:].reshape(-1)[start : start + small.size]
        result[height:].reshape(-1)[start : start + small.size] = _between(plane, np.uint8(128), small)
    return result


def _between(
    below: NDArray[np.uint8], above: NDArray[np.uint8] | np.uint8, cover: NDArray[np.float32]
) -> NDArray[np.uint8]:
    return np.rint(below * (1 - cover) + above * cover).astype(np.uint8)


def _lines(words: list[str], letters: Font, width: float) -> Iterator[str]:
    line: list[str] = []
    for word in words:
        if line and letters.getlength(" ".join([*line, word])) > width:
            yield " ".join(line)
            line = []
        line.append(word)
    if line:
        yield " ".join(line)
