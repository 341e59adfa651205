"""State which frame counts, which sizes and which sound a model makes: FrameRule, SideRule and SoundRule."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from eventing.contract.records.models import Frozen, Pixels


class FrameRule(Frozen):
    """The frame counts that a model can make: `multiple` * k + `offset`, from `min` to `max`.

    Video VAEs keep the first frame and compress each `multiple` of the following ones into one.
    """

    multiple: int = Field(ge=1)
    offset: int = Field(1, ge=0)
    min: int = Field(ge=1)
    max: int = Field(ge=1)
    default: int

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name in ("min", "max", "default"):
            if not self.allows(getattr(self, name)):
                raise ValueError(f"frames.{name} must be {self.formula()} within min..max")
        return self

    def allows(self, frames: int) -> bool:
        """Tell whether the model makes exactly this many frames."""
        return self.min <= frames <= self.max and (frames - self.offset) % self.multiple == 0

    def nearest(self, frames: float) -> int:
        """Return the allowed count that is closest to `frames`."""
        k = round((frames - self.offset) / self.multiple)
        return min(max(self.multiple * k + self.offset, self.min), self.max)

    def neighbours(self, frames: int) -> list[int]:
        """Return the allowed counts just below and above `frames`; one if `frames` is outside the range."""
        below = (frames - self.offset) // self.multiple * self.multiple + self.offset
        return sorted({self.nearest(below), self.nearest(below + self.multiple)})

    def formula(self) -> str:
        """Return the rule without its range, such as 8k+1."""
        return f"{self.multiple}k+{self.offset}"

    def describe(self) -> str:
        """Put the rule into words for messages."""
        rule = f"{self.formula()} from {self.min} to {self.max}"
        return f"{rule}, such as {self.default}"


class SideRule(Frozen):
    """The sides of a video in pixels: both are multiples of `multiple`.

    With `max_pixels` the model makes any such width and height whose product is not larger. Without it the
    model makes the listed sizes only.
    """

    multiple: int = Field(2, ge=2, le=256, description="H.264 needs even sides; most models need 16 or 32.")
    min: Pixels = Field(256, description="Shortest side of a free size.")
    max_pixels: int | None = Field(
        None, ge=256, description="Largest area of a free size; none: listed sizes only."
    )

    def on_grid(self, width: int, height: int) -> bool:
        """Tell whether both sides are multiples."""
        return width % self.multiple == 0 and height % self.multiple == 0

    def allows(self, width: int, height: int) -> bool:
        """Tell whether a free size is within the rule; never so without `max_pixels`."""
        if self.max_pixels is None or min(width, height) < self.min:
            return False
        return self.on_grid(width, height) and width * height <= self.max_pixels

    def describe(self) -> str:
        """Put the free sizes into words for messages; empty if there are none."""
        if self.max_pixels is None:
            return ""
        return (
            f", and any size with sides that are multiples of {self.multiple} from {self.min} on "
            f"and at most {self.max_pixels} pixels in all"
        )


class SoundRule(Frozen):
    """The sound that a model makes with its frames, at a sample rate that AAC has."""

    rate: Literal[8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000] = Field(
        description="Samples per second."
    )
    channels: Literal[1, 2]

    def describe(self) -> str:
        """Put the sound into words for messages."""
        return f"{self.rate} Hz and {'one channel' if self.channels == 1 else 'two channels'}"
