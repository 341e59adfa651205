"""Make a clip that shows a text in the middle."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
from PIL import ImageColor
from pydantic import Field, field_validator

from steps import work
from steps.media import frames, length, preview, text
from steps.media.frames import Frame, Shape
from steps.work import Work

FADE = Fraction(2, 5)  # seconds, at both ends


class Parameters(work.Parameters):
    """The text, and the shape of the clip."""

    text: str = Field(min_length=1, max_length=500)
    seconds: float | None = Field(None, gt=0, le=600, description="Left out: as the speech, else 3.")
    width: int = Field(ge=16, le=8192, multiple_of=2)
    height: int = Field(ge=16, le=8192, multiple_of=2)
    fps: int = Field(ge=1, le=120)
    background: str = Field("#101418", description="A colour as CSS names it.")

    @field_validator("background")
    @classmethod
    def _colour(cls, value: str) -> str:
        ImageColor.getrgb(value)  # a ValueError names the colour
        return value


def run(job: Work) -> None:
    """Write `clip` and `preview`. Raises OSError."""
    wanted = Parameters.model_validate(job.parameters)
    shape = Shape(wanted.width, wanted.height, Fraction(wanted.fps))
    made = preview.beside(job, shape, _frames(job, wanted, shape))
    frames.write_lossless(job.outputs["clip"], shape, made)


def _frames(job: Work, wanted: Parameters, shape: Shape) -> Iterator[Frame]:
    colour = ImageColor.getrgb(wanted.background)[:3]
    behind = frames.from_rgb(np.full((shape.height, shape.width, 3), colour, np.uint8))
    height = shape.height / 10
    lines = text.wrapped(wanted.text, text.font(height), shape.width * 0.85)
    drawn = text.draw(lines, shape, min(height, shape.height * 0.7 / len(lines)), bottom=None)
    count = length.frames(length.seconds(job, wanted.seconds, Fraction(3)), shape.rate)
    fade = float(min(FADE * shape.rate, Fraction(count, 3)))
    for number in range(count):
        job.progress(number / count)
        edge = min(number + 0.5, count - number - 0.5)
        yield text.laid_over(behind, drawn, min(1.0, edge / fade) if fade else 1.0)
