"""Shapes: the model in the box, a CogVideoX whose latents are layers; it starts from a picture or from text.

To continue a picture, its layers are the first latent frame before every step, free of noise, and its colours
are those of all frames, since what moves keeps its colours. A transformer of its own was trained to find the
edges of the other frames (training/continuing.py), so that videos from text are as before.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import torch
from diffusers import CogVideoXPipeline, CogVideoXTransformer3DModel
from PIL import Image

from eventing.contract.catalog import CatalogEntry, Task
from eventing.contract.storage.weights import check_safetensors
from predictor.models.pipelines import cogvideox
from predictor.models.pipelines.decoding.layers import COLOURS, REACH, SCALE, read_layers
from predictor.models.pipelines.denoising import steps
from predictor.models.pipelines.denoising.preview import Painter
from predictor.models.pipelines.loading import parts

PICTURE = "picture"  # folder of the transformer that continues pictures


class ShapesImageToVideoPipeline(CogVideoXPipeline):  # type: ignore[misc] # diffusers is half typed
    """Continues a picture, which is the first frame of the video."""

    @torch.no_grad()
    def __call__(self, image: Image.Image, generator: torch.Generator, **options: Any) -> Any:
        """Run the diffusion steps with the first frame given."""
        latents = self._noise(generator, options["num_frames"], options["height"], options["width"])
        first = torch.from_numpy(read_layers(image)).to(latents)

        def keep(_pipe: Any, _index: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            return {"latents": _with(first, tensors["latents"])}

        return super().__call__(latents=_with(first, latents), callback_on_step_end=keep, **options)

    def _noise(self, generator: torch.Generator, frames: int, height: int, width: int) -> torch.Tensor:
        config = self.transformer.config
        dtype, device = self.transformer.dtype, self._execution_device
        noise: torch.Tensor = self.prepare_latents(
            1, config.in_channels, frames, height, width, dtype, device, generator, None
        )
        return noise


def _with(first: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
    """Return latents (1, frames, 11, 32, 32) that begin with a frame and have its colours throughout."""
    latents = latents.clone()
    latents[:, :, :COLOURS] = first[:COLOURS]
    latents[:, 0] = first
    return latents


def paint_layers(latents: torch.Tensor) -> torch.Tensor:
    """Return the colours (3, 32, 32) of the layers of one frame, from back to front."""
    colours: tuple[torch.Tensor, ...] = latents[:COLOURS].split(3)
    seen, *things = colours
    covers = (latents[COLOURS:] * REACH / SCALE + 0.5).clamp(0, 1)
    for colour, cover in zip(things, covers, strict=True):
        seen = seen + (colour - seen) * cover
    return seen


class Family(cogvideox.Family):
    """The stages of the model in the box. Another transformer of the same shape continues pictures."""

    PIPELINES = {  # noqa: RUF012 - typed in the base
        Task.text: (CogVideoXPipeline,),
        Task.image: (ShapesImageToVideoPipeline,),
    }

    def _make_painter(self) -> Painter:
        return paint_layers

    @classmethod
    def load(cls, path: Path, entry: CatalogEntry, device: str) -> Self:
        """Load from a folder onto a device. Raises ModelUnavailable if the entry does not fit the model."""
        family = super().load(path, entry, device)
        if Task.image in family.pipes:
            check_safetensors(path / PICTURE / "diffusion_pytorch_model.safetensors")
            dtype = family.pipe.transformer.dtype
            own = parts.load_model(path / PICTURE, "diffusers", CogVideoXTransformer3DModel, dtype)
            family.pipes[Task.image].register_modules(transformer=own.eval().to(device))
            family.blocks += steps.blocks(family.pipes[Task.image])
        return family
