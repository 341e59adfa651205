"""Define the record of one model, and turn a request into a spec by its rules.

`CatalogEntry.resolve` fills the defaults and checks sizes, frame counts, steps, guidance and adapters.
Every API uses it; no other code does this.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, PrivateAttr, model_validator

from eventing.contract.budget import Budget
from eventing.contract.catalog.engine import FAMILY, Engine
from eventing.contract.catalog.loras import LoraEntry, choose
from eventing.contract.catalog.rules import FrameRule, SideRule, SoundRule
from eventing.contract.catalog.tasks import AUTO, Need, Tasks
from eventing.contract.catalog.tiers import Tier, Tiers
from eventing.contract.errors import InvalidRequest
from eventing.contract.records.models import (
    SEED_LIMIT,
    FrameRate,
    Frozen,
    GenerationSpec,
    Guidance,
    Pixels,
    Prompt,
    Quality,
    Shift,
    Steps,
    Text,
    VideoRequest,
)

DType = Literal["float32", "float16", "bfloat16"]
# Of a component of the pipeline, and of a folder in the package: no path can leave the folder.
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]


class CatalogEntry(Frozen):
    """One model: where its weights are, what it can make, and how long that may take."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,62}$")
    title: str
    family: Name = Field(description="File in predictor/models/pipelines, or a name in REELZERO_FAMILIES.")
    tasks: Tasks = Field(Tasks(text=AUTO), description="Diffusers pipeline by task.")
    engine: Engine | None = Field(
        None, description="Server with /v1/videos that makes the videos; of the family openai-video only."
    )
    repository: str | None = Field(None, description="Hugging Face repository.")
    revision: str = Field(description="Commit, tag or branch to download.")
    bundled: Name | None = Field(
        None, description="Folder inside the predictor package, for models in the box."
    )
    dtype: DType
    dtypes: dict[Name, DType] = Field(
        default_factory=dict, description="Components with another precision, such as vae: float32."
    )
    flow_shift: Shift | None = Field(None, description="Shift of the noise schedule; none: as published.")
    sizes: tuple[tuple[Pixels, Pixels], ...] = Field(
        min_length=1, description="(width, height); first: default."
    )
    sides: SideRule = SideRule()
    frames: FrameRule
    fps: FrameRate
    sound: SoundRule | None = Field(None, description="Sound with the frames; none: the videos are silent.")
    quality: Tiers
    min_steps: Steps = Field(1, description="Fewer steps make no usable picture.")
    max_guidance: Guidance = Field(50, description="1 for a model that was trained without guidance.")
    negative_prompt: Text = Field("", description="For a request that sends none, where guidance uses it.")
    gpus: int = Field(ge=0, description="GPUs one predictor needs; 0 runs on a CPU.")
    gpu_memory_gib: int = Field(ge=0)
    memory_gib: int = Field(0, ge=0, description="Estimated memory of the process on the host; 0: not known.")
    weights_gib: int = Field(
        0, ge=0, description="Estimated size of the repository, which is downloaded whole; 0: not known."
    )
    offload: Literal["none", "model", "sequential"] = "none"
    vae_tiling: bool = False
    max_prompt_tokens: int = Field(
        gt=0, description="Longer prompts are cut by the text encoder, with a warning."
    )
    budget: Budget
    licence: str
    licence_notes: str = Field("", description="Where the licence does not apply, and what it asks for.")
    draws: str = Field("", description="What its videos can show, in words for people who write prompts.")
    examples: tuple[Prompt, ...] = Field((), max_length=6, description="Prompts to begin with.")
    created: int = Field(0, ge=0, description="Unix seconds; the time of the entry's file if it has none.")
    notes: str = ""
    _loras: Mapping[str, LoraEntry] = PrivateAttr(default_factory=dict)  # all of the catalog, by name

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if problems := "; ".join(self._problems()):
            raise ValueError(problems)
        return self

    @property
    def has_weights(self) -> bool:
        """Tell whether the predictor loads weights; where an engine makes the videos, it has none."""
        return self.engine is None

    @property
    def inputs(self) -> dict[str, Need]:
        """Return the inputs that the model takes, and whether it needs them."""
        negative: dict[str, Need] = {"negative_prompt": "optional"} if self.max_guidance > 1 else {}
        sound: dict[str, Need] = {"generate_audio": "optional"} if self.sound else {}
        return {"prompt": "required", **negative, **self.tasks.inputs(), **sound}

    @property
    def loras(self) -> dict[str, LoraEntry]:
        """Return the adapters that fit the model, by name."""
        return {name: lora for name, lora in sorted(self._loras.items()) if self.name in lora.models}

    def among(self, adapters: Mapping[str, LoraEntry]) -> Self:
        """Return the entry in a catalog that has these adapters, whether or not they fit the model."""
        entry = self.model_copy()
        entry._loras = adapters
        return entry

    def resolve(self, request: VideoRequest) -> GenerationSpec:
        """Return the spec of a request, defaults included. Raises InvalidRequest naming the wrong field.

        The spec has no pictures: they are fetched, fitted to its size and added later.
        """
        self.tasks.check(self.name, request)
        width, height = self._size(request)
        tier = self._tier(request)
        guidance = self._guidance("guidance_scale", request.guidance_scale, tier.guidance)
        return GenerationSpec(
            prompt=request.prompt,
            negative_prompt=self._negative_prompt(request, guidance),
            model=self.name,
            width=width,
            height=height,
            num_frames=self._frames(request),
            fps=request.fps or self.fps,
            # Drawn once per job, so that a second attempt makes the same video.
            seed=secrets.randbelow(SEED_LIMIT) if request.seed is None else request.seed,
            quality=request.quality,
            num_inference_steps=self._steps(request, tier),
            guidance_scale=guidance,
            guidance_scale_2=self._second_guidance(request, tier),
            flow_shift=tier.flow_shift,
            step_cache=tier.step_cache,
            loras=choose(self.name, self._loras, tier.loras, request.loras or ()) or None,
            strength=request.strength,
            generate_audio=self._audio(request),
        )

    def makes(self, width: int, height: int) -> bool:
        """Tell whether the model makes this size."""
        return (width, height) in self.sizes or self.sides.allows(width, height)

    def describe_sizes(self) -> str:
        """Put the sizes into words for messages."""
        return ", ".join(f"{w}x{h}" for w, h in self.sizes) + self.sides.describe()

    def _problems(self) -> Iterator[str]:
        """Yield what does not fit together, with the key."""
        for width, height in self.sizes:
            if not self.sides.on_grid(width, height):
                yield f"sizes: {width}x{height} must have sides that are multiples of {self.sides.multiple}"
        for quality, tier in self.quality.items():
            if max(tier.guidance, tier.guidance_2 or 0) > self.max_guidance:
                yield f"quality.{quality}.guidance: must be at most max_guidance, {self.max_guidance:g}"
            if tier.steps < self.min_steps:
                yield f"quality.{quality}.steps: must be at least min_steps, {self.min_steps}"
            if tier.step_cache and quality is Quality.high:
                yield "quality.high.step_cache: must be absent; high computes every step"
            if tier.step_cache and self.gpus > 1:
                yield f"quality.{quality}.step_cache: must be absent where gpus is more than 1"
        yield from self._engine_problems()

    def _engine_problems(self) -> Iterator[str]:
        if (self.engine is not None) != (self.family == FAMILY):
            yield f"engine: must be there for the family {FAMILY}, and for no other"
        if self.engine and (self.tasks.first_last or self.tasks.strength):
            yield f"tasks: the family {FAMILY} takes a first frame, and neither a last one nor a strength"
        for quality, tier in self.quality.items() if self.engine else ():
            if tier.loras or tier.flow_shift or tier.step_cache:
                yield f"quality.{quality}: the family {FAMILY} takes no loras, flow_shift or step_cache"

    def _tier(self, request: VideoRequest) -> Tier:
        if tier := self.quality.named(request.quality):
            return tier
        known = ", ".join(quality for quality, _ in self.quality.items())
        raise InvalidRequest(f"{self.name} has no quality {request.quality}; it has {known}", field="quality")

    def _size(self, request: VideoRequest) -> tuple[int, int]:
        width, height = request.width, request.height
        if width is None and height is None:
            return self.sizes[0]
        if fits := [size for size in self.sizes if width in (None, size[0]) and height in (None, size[1])]:
            return fits[0]
        if width and height and self.makes(width, height):
            return width, height
        field = "width" if width not in {size[0] for size in self.sizes} | {None} else "height"
        size = f"{width or 'any'}x{height or 'any'}"
        raise InvalidRequest(f"{self.name} cannot make {size}; it makes {self.describe_sizes()}", field=field)

    def _guidance(self, field: str, wish: float | None, default: float) -> float:
        guidance = default if wish is None else wish
        if guidance > self.max_guidance:
            raise InvalidRequest(
                f"{self.name} cannot take a {field} of {guidance:g}; it takes 0 to {self.max_guidance:g}",
                field=field,
            )
        return guidance

    def _second_guidance(self, request: VideoRequest, tier: Tier) -> float | None:
        if tier.guidance_2 is not None:
            return self._guidance("guidance_scale_2", request.guidance_scale_2, tier.guidance_2)
        if request.guidance_scale_2 is not None:
            raise InvalidRequest(
                f"{self.name} has one transformer and takes no guidance_scale_2", field="guidance_scale_2"
            )
        return None

    def _audio(self, request: VideoRequest) -> bool | None:
        if self.sound is not None:
            return request.generate_audio is not False
        if request.generate_audio:
            raise InvalidRequest(
                f"{self.name} makes videos without sound; generate_audio must be false or absent",
                field="generate_audio",
            )
        return None

    def _negative_prompt(self, request: VideoRequest, guidance: float) -> str:
        if request.negative_prompt is not None:
            return request.negative_prompt
        return self.negative_prompt if guidance > 1 else ""

    def _steps(self, request: VideoRequest, tier: Tier) -> int:
        steps = request.num_inference_steps or tier.steps
        if steps < self.min_steps:
            raise InvalidRequest(
                f"{self.name} needs at least {self.min_steps} steps, not {steps}", field="num_inference_steps"
            )
        return steps

    def _frames(self, request: VideoRequest) -> int:
        frames = request.num_frames or self.frames.default
        if not self.frames.allows(frames):
            near = " and ".join(map(str, self.frames.neighbours(frames)))
            raise InvalidRequest(
                f"{self.name} cannot make {frames} frames; it makes {self.frames.describe()}"
                f" (nearest: {near})",
                field="num_frames",
            )
        return frames
