"""LTX-Video: T5 text with a mask, packed latents, a VAE that may need noise added before it decodes."""

from __future__ import annotations

import math
from typing import Any

import torch
from diffusers import LTXConditionPipeline, LTXImageToVideoPipeline, LTXPipeline
from diffusers.pipelines.ltx.pipeline_ltx_condition import LTXVideoCondition
from diffusers.utils.torch_utils import randn_tensor

from eventing.contract.catalog import Task
from eventing.contract.records.models import GenerationSpec
from predictor.models.grid import Grid
from predictor.models.pipelines import Pictures
from predictor.models.pipelines.base import WITH_MASKS, DiffusersFamily, generator
from predictor.models.pipelines.decoding import ltx
from predictor.models.pipelines.decoding.packed import unpacked
from predictor.models.pipelines.decoding.pieces import Pieces
from predictor.models.pipelines.denoising.preview import StepCall

# For VAEs with timestep conditioning (0.9.1 and later), as their model card sets them.
DECODE_TIMESTEP = 0.05
DECODE_NOISE = 0.025
PIXELS = 32  # LTXPipeline refuses sizes that are no multiple of it, for any VAE


class Family(DiffusersFamily):
    """The stages of LTX-Video. Latents are packed: (1, tokens, channels), fp32.

    LTXConditionPipeline returns them unpacked.
    """

    PIPELINES = {  # noqa: RUF012 - typed in the base
        Task.text: (LTXPipeline, LTXConditionPipeline),
        Task.image: (LTXImageToVideoPipeline, LTXConditionPipeline),
        Task.first_last: (LTXConditionPipeline,),
    }
    EMBEDDINGS = WITH_MASKS

    def _decoded(self, spec: GenerationSpec, latents: torch.Tensor) -> Pieces:
        vae = self.pipe.vae
        latents = self._restored(spec, latents).to(vae.dtype)
        timestep = None
        if vae.config.timestep_conditioning:
            # Other numbers than the first noise, or the two would match.
            noise = randn_tensor(
                latents.shape, generator=generator(spec, 1), device=latents.device, dtype=latents.dtype
            )
            latents = (1 - DECODE_NOISE) * latents + DECODE_NOISE * noise
            timestep = torch.tensor([DECODE_TIMESTEP], device=latents.device, dtype=latents.dtype)
        return ltx.decoded(vae, latents, timestep)

    def _grid(self) -> Grid:
        pipe = self.pipe
        pixels = pipe.vae_spatial_compression_ratio * pipe.transformer_spatial_patch_size
        return Grid(frames=pipe.vae_temporal_compression_ratio, pixels=math.lcm(pixels, PIXELS))

    def _options(self, spec: GenerationSpec) -> dict[str, Any]:
        return super()._options(spec) | {"frame_rate": spec.fps}  # part of the token positions

    def _picture_options(self, spec: GenerationSpec, pictures: Pictures) -> dict[str, Any]:
        if not isinstance(self.pipe, LTXConditionPipeline):
            return super()._picture_options(spec, pictures)
        strength = 1.0 if pictures.strength is None else pictures.strength
        frames = ((0, pictures.image), (spec.num_frames - 1, pictures.last_image))
        conditions = [
            LTXVideoCondition(image=image, frame_index=index, strength=strength)
            for index, image in frames
            if image is not None
        ]
        return {"conditions": conditions} if conditions else {}

    def _estimate(self, step: StepCall) -> torch.Tensor:
        if not isinstance(self.pipe, LTXConditionPipeline):
            return step.flow_estimate()
        velocity, *rest = step.inputs  # which this pipeline turns around
        return StepCall((-velocity, *rest), step.outputs).flow_estimate()

    def _restored(self, spec: GenerationSpec, latents: torch.Tensor) -> torch.Tensor:
        return unpacked(self.pipe, spec, latents)
