"""Name the frame counts and sizes that a model makes exactly; diffusers rounds others without an error."""

from __future__ import annotations

from dataclasses import dataclass

from eventing.contract.catalog import CatalogEntry
from eventing.contract.errors import InvalidRequest, ModelUnavailable
from eventing.contract.records.models import GenerationSpec


@dataclass(frozen=True)
class Grid:
    """Frame counts are `frames` * k + 1, width and height are multiples of `pixels`."""

    frames: int
    pixels: int

    def require_spec(self, spec: GenerationSpec) -> None:
        """Raise InvalidRequest naming the field and the nearest values that the model makes."""
        if not self._has_frames(spec.num_frames):
            near = " or ".join(str(count) for count in self._nearest_frames(spec.num_frames))
            raise InvalidRequest(
                f"{spec.model} cannot make {spec.num_frames} frames; "
                f"it makes {self.frames}k+1, such as {near}",
                field="num_frames",
            )
        for field in ("width", "height"):
            if (side := getattr(spec, field)) % self.pixels:
                raise InvalidRequest(
                    f"{spec.model} cannot make a {field} of {side}; "
                    f"it makes multiples of {self.pixels}, such as {self._nearest_side(side)}",
                    field=field,
                )

    def require_entry(self, entry: CatalogEntry) -> None:
        """Raise ModelUnavailable if the catalog entry allows what the model would round."""
        rule = entry.frames
        for count in range(rule.min, rule.max + 1, rule.multiple):
            if not self._has_frames(count):
                raise ModelUnavailable(
                    f"the catalog entry {entry.name} allows {count} frames, but this {entry.family} model "
                    f"makes {self.frames}k+1: set frames.multiple to {self.frames}, "
                    "and min, max and default to match"
                )
        for width, height in entry.sizes:
            if width % self.pixels or height % self.pixels:
                raise ModelUnavailable(
                    f"the catalog entry {entry.name} allows {width}x{height}, but this {entry.family} model "
                    f"makes multiples of {self.pixels}, such as "
                    f"{self._nearest_side(width)}x{self._nearest_side(height)}"
                )

        if entry.sides.max_pixels and entry.sides.multiple % self.pixels:
            raise ModelUnavailable(
                f"the catalog entry {entry.name} allows sides of {entry.sides.multiple}k pixels, but this "
                f"{entry.family} model makes multiples of {self.pixels}: set sides.multiple to {self.pixels}"
            )

    def _has_frames(self, count: int) -> bool:
        return (count - 1) % self.frames == 0

    def _nearest_frames(self, count: int) -> tuple[int, int]:
        below = (count - 1) // self.frames * self.frames + 1
        return below, below + self.frames

    def _nearest_side(self, side: int) -> int:
        return max(self.pixels, round(side / self.pixels) * self.pixels)
