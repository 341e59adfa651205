"""LTX-2: Gemma text, video and sound from one transformer. The video is decoded, the sound not yet."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from diffusers import LTX2ImageToVideoPipeline, LTX2Pipeline
from numpy.typing import NDArray

from eventing.contract.catalog import Task
from eventing.contract.models import GenerationSpec
from predictor.models.grid import Grid
from predictor.models.pipelines.base import WITH_MASKS, DiffusersFamily
from predictor.models.pipelines.tensors import to_frames

UNPACKED = 5  # dimensions of latents as a video: batch, channels, frames, height, width
PIXELS = 32  # LTX2Pipeline refuses sizes that are no multiple of it
# What turns every kind of guidance off, as the authors run the distilled models.
UNGUIDED = {
    "audio_guidance_scale": 1.0,
    "stg_scale": 0.0,
    "audio_stg_scale": 0.0,
    "modality_scale": 1.0,
    "audio_modality_scale": 1.0,
    "guidance_rescale": 0.0,
    "audio_guidance_rescale": 0.0,
}


class Family(DiffusersFamily):
    """The stages of LTX-2. Latents are (1, channels, latent frames, height / 32, width / 32)."""

    PIPELINES = {  # noqa: RUF012 - typed in the base
        Task.text: (LTX2Pipeline,),
        Task.image: (LTX2ImageToVideoPipeline,),
    }
    EMBEDDINGS = WITH_MASKS

    @torch.inference_mode()
    def decode(self, spec: GenerationSpec, latents: torch.Tensor) -> NDArray[np.uint8]:
        """Decode latents, which the pipeline has returned to the VAE's own scale."""
        vae = self.pipe.vae
        return to_frames(vae.decode(latents.to(vae.dtype), None, return_dict=False)[0])

    def _grid(self) -> Grid:
        pipe = self.pipe
        pixels = pipe.vae_spatial_compression_ratio * pipe.transformer_spatial_patch_size
        return Grid(frames=pipe.vae_temporal_compression_ratio, pixels=math.lcm(pixels, PIXELS))

    def _restored(self, spec: GenerationSpec, latents: torch.Tensor) -> torch.Tensor:
        pipe, vae = self.pipe, self.pipe.vae
        unpacked = (
            latents  # of a picture's pipeline, without the first frame
            if latents.ndim == UNPACKED
            else pipe._unpack_latents(
                latents,
                (spec.num_frames - 1) // pipe.vae_temporal_compression_ratio + 1,
                spec.height // pipe.vae_spatial_compression_ratio,
                spec.width // pipe.vae_spatial_compression_ratio,
                pipe.transformer_spatial_patch_size,
                pipe.transformer_temporal_patch_size,
            )
        )
        restored: torch.Tensor = pipe._denormalize_latents(
            unpacked, vae.latents_mean, vae.latents_std, vae.config.scaling_factor
        )
        return restored

    def _options(self, spec: GenerationSpec) -> dict[str, Any]:
        guidance = UNGUIDED if spec.guidance_scale <= 1 else {}
        return super()._options(spec) | {"frame_rate": spec.fps} | guidance
