"""Read the catalog of models, one YAML file each, and turn a request into a spec by the rules of its model.

`CatalogEntry.resolve` fills the defaults and checks sizes, frame counts and guidance. Every API uses it; no
other code does this. The rule for frame counts is FrameRule.
"""

from __future__ import annotations

import secrets
from functools import cache
from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import Field, model_validator

from eventing.contract.budget import Budget
from eventing.contract.errors import ConfigurationError, InvalidRequest
from eventing.contract.models import (
    SEED_LIMIT,
    FrameRate,
    Frozen,
    GenerationSpec,
    Guidance,
    Pixels,
    Steps,
    VideoRequest,
)
from eventing.contract.validation import validated

HERE = Path(__file__).parent
Family = Literal["cogvideox", "mochi", "wan", "ltx"]


class FrameRule(Frozen):
    """The frame counts that a model can make: `multiple` * k + 1, from `min` to `max`.

    Video VAEs keep the first frame and compress each `multiple` of the following ones into one.
    """

    multiple: int = Field(ge=1)
    min: int = Field(ge=1)
    max: int = Field(ge=1)
    default: int

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name in ("min", "max", "default"):
            if not self.allows(getattr(self, name)):
                raise ValueError(f"frames.{name} must be {self.multiple}k+1 within min..max")
        return self

    def allows(self, frames: int) -> bool:
        """Tell whether the model makes exactly this many frames."""
        return self.min <= frames <= self.max and (frames - 1) % self.multiple == 0

    def nearest(self, frames: float) -> int:
        """Return the allowed count that is closest to `frames`."""
        k = round((frames - 1) / self.multiple)
        return min(max(self.multiple * k + 1, self.min), self.max)

    def describe(self) -> str:
        """Put the rule into words for messages."""
        rule = f"{self.multiple}k+1 from {self.min} to {self.max}"
        return f"{rule}, such as {self.default}"


class Tier(Frozen):
    """Steps and guidance of one quality tier."""

    steps: Steps
    guidance: Guidance


class Tiers(Frozen):
    """The three tiers every model offers."""

    low: Tier
    medium: Tier
    high: Tier


class CatalogEntry(Frozen):
    """One model: where its weights are, what it can make, and how long that may take."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,62}$")
    title: str
    family: Family
    repository: str | None = Field(None, description="Hugging Face repository.")
    revision: str = Field(description="Commit, tag or branch to download.")
    bundled: str | None = Field(
        None, description="Folder inside the predictor package, for models in the box."
    )
    dtype: Literal["float32", "float16", "bfloat16"]
    sizes: tuple[tuple[Pixels, Pixels], ...] = Field(
        min_length=1, description="(width, height); first: default."
    )
    frames: FrameRule
    fps: FrameRate
    quality: Tiers
    max_guidance: Guidance = Field(50, description="1 for a model that was trained without guidance.")
    gpus: int = Field(ge=0, description="GPUs one predictor needs; 0 runs on a CPU.")
    gpu_memory_gib: int = Field(ge=0)
    offload: Literal["none", "model", "sequential"] = "none"
    vae_tiling: bool = False
    max_prompt_tokens: int = Field(
        gt=0, description="Longer prompts are cut by the text encoder, with a warning."
    )
    budget: Budget
    licence: str
    notes: str = ""

    def resolve(self, request: VideoRequest) -> GenerationSpec:
        """Return the spec of a request, defaults included. Raises InvalidRequest naming the wrong field."""
        width, height = self._size(request)
        tier: Tier = getattr(self.quality, request.quality)
        return GenerationSpec(
            prompt=request.prompt,
            negative_prompt=request.negative_prompt,
            model=self.name,
            width=width,
            height=height,
            num_frames=self._frames(request),
            fps=request.fps or self.fps,
            # Drawn once per job, so that a second attempt makes the same video.
            seed=secrets.randbelow(SEED_LIMIT) if request.seed is None else request.seed,
            quality=request.quality,
            num_inference_steps=request.num_inference_steps or tier.steps,
            guidance_scale=self._guidance(request, tier),
        )

    def _size(self, request: VideoRequest) -> tuple[int, int]:
        if request.width is None and request.height is None:
            return self.sizes[0]
        fits = [s for s in self.sizes if request.width in (None, s[0]) and request.height in (None, s[1])]
        if fits:
            return fits[0]
        field = "width" if request.width not in {s[0] for s in self.sizes} | {None} else "height"
        sizes = ", ".join(f"{w}x{h}" for w, h in self.sizes)
        size = f"{request.width or 'any'}x{request.height or 'any'}"
        raise InvalidRequest(f"{self.name} cannot make {size}; it makes {sizes}", field=field)

    def _guidance(self, request: VideoRequest, tier: Tier) -> float:
        guidance = tier.guidance if request.guidance_scale is None else request.guidance_scale
        if guidance > self.max_guidance:
            raise InvalidRequest(
                f"{self.name} cannot take a guidance_scale of {guidance:g};"
                f" it takes 0 to {self.max_guidance:g}",
                field="guidance_scale",
            )
        return guidance

    def _frames(self, request: VideoRequest) -> int:
        frames = request.num_frames or self.frames.default
        if not self.frames.allows(frames):
            raise InvalidRequest(
                f"{self.name} cannot make {frames} frames; it makes {self.frames.describe()}"
                f" (nearest: {self.frames.nearest(frames)})",
                field="num_frames",
            )
        return frames


class Catalog:
    """All entries, by name."""

    def __init__(self, entries: tuple[CatalogEntry, ...]) -> None:
        self._entries = {entry.name: entry for entry in entries}

    def names(self) -> list[str]:
        """Return all names, sorted."""
        return sorted(self._entries)

    def entries(self) -> list[CatalogEntry]:
        """Return all entries, sorted by name."""
        return [self._entries[name] for name in self.names()]

    def get(self, name: str) -> CatalogEntry:
        """Return the entry of a name. Raises InvalidRequest that lists the names."""
        try:
            return self._entries[name]
        except KeyError:
            known = ", ".join(self.names())
            raise InvalidRequest(f"unknown model {name!r}; known here: {known}", field="model") from None

    def only(self, names: set[str]) -> Catalog:
        """Return a catalog of these names only: the models that a deployment serves."""
        return Catalog(tuple(self.get(name) for name in sorted(names)))


@cache
def load_catalog(extra: Path | None = None) -> Catalog:
    """Read the package's entries and an operator's, which replace those of the same name.

    Raises ConfigurationError.
    """
    files = sorted(HERE.glob("*.yaml")) + (sorted(extra.glob("*.yaml")) if extra else [])
    return Catalog(tuple(_read(path) for path in files))


def _read(path: Path) -> CatalogEntry:
    try:
        return validated(CatalogEntry, yaml.safe_load(path.read_text(encoding="utf-8")), whole="the entry")
    except (OSError, ValueError, yaml.YAMLError, InvalidRequest) as error:
        raise ConfigurationError(
            f"catalog entry {path} is not valid: {error}", field="REELZERO_CATALOG_DIR"
        ) from error
