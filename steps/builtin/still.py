"""Make a clip from a picture, with a slow movement of the view over it."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from pydantic import Field

from steps import work
from steps.media import frames, length, preview
from steps.media.frames import Frame, Shape
from steps.work import StepError, Work

Box = tuple[float, float, float, float]  # left, top, right, bottom


class Parameters(work.Parameters):
    """How long, how large, and which movement."""

    seconds: float | None = Field(None, gt=0, le=600, description="Left out: as the speech, else 4.")
    width: int = Field(ge=16, le=8192, multiple_of=2)
    height: int = Field(ge=16, le=8192, multiple_of=2)
    fps: int = Field(ge=1, le=120)
    movement: Literal["in", "out", "left", "right", "none"] = "in"
    amount: float = Field(0.12, ge=0, le=0.5, description="Share of the view by which it moves or grows.")


def run(job: Work) -> None:
    """Write `clip` and `preview`. Raises StepError, OSError."""
    wanted = Parameters.model_validate(job.parameters)
    shape = Shape(wanted.width, wanted.height, Fraction(wanted.fps))
    try:
        with Image.open(job.one("image")) as opened:
            picture = ImageOps.exif_transpose(opened).convert("RGB")
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise StepError(f"inputs.image: is no picture that can be read: {error}") from error
    made = preview.beside(job, shape, _frames(job, wanted, shape, picture))
    frames.write_lossless(job.outputs["clip"], shape, made)


def _frames(job: Work, wanted: Parameters, shape: Shape, picture: Image.Image) -> Iterator[Frame]:
    whole = _largest(picture, shape.width / shape.height)
    count = length.frames(length.seconds(job, wanted.seconds, Fraction(4)), shape.rate)
    for number in range(count):
        job.progress(number / count)
        share = number / (count - 1) if count > 1 else 0.0
        box = _view(whole, wanted, share * share * (3 - 2 * share))  # slow at both ends
        view = picture.resize((shape.width, shape.height), Image.Resampling.BICUBIC, box)
        yield frames.from_rgb(np.asarray(view))


def _largest(picture: Image.Image, ratio: float) -> Box:
    """Return the largest part of a picture with this ratio of width to height, from its middle."""
    width, height = min(picture.width, picture.height * ratio), min(picture.height, picture.width / ratio)
    left, top = (picture.width - width) / 2, (picture.height - height) / 2
    return left, top, left + width, top + height


def _view(whole: Box, wanted: Parameters, share: float) -> Box:
    """Return what is seen at a share of the movement."""
    left, top, right, bottom = whole
    if wanted.movement == "none":
        return whole
    moves = wanted.movement in ("left", "right")
    growth = 1.0 if moves else (share if wanted.movement == "in" else 1 - share)
    scale = 1 - wanted.amount * growth
    width, height = (right - left) * scale, (bottom - top) * scale
    free_x, free_y = (right - left) - width, (bottom - top) - height
    across = {"left": 1 - share, "right": share}.get(wanted.movement, 0.5)
    x, y = left + free_x * across, top + free_y / 2
    return x, y, x + width, y + height
