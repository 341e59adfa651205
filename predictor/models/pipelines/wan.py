"""Wan 2.1: UMT5 text, flow-matching steps, a VAE in fp32 that decodes one latent frame at a time."""

from __future__ import annotations

import math

import numpy as np
import torch
from diffusers import WanPipeline
from numpy.typing import NDArray

from eventing.contract.models import GenerationSpec
from predictor.models.grid import Grid
from predictor.models.pipelines.base import DiffusersFamily
from predictor.models.pipelines.tensors import to_frames, unscaled

PIXELS = 16  # WanPipeline refuses sizes that are no multiple of it


class Family(DiffusersFamily):
    """The stages of a WanPipeline. Latents are (1, channels, latent frames, height / 8, width / 8), fp32."""

    PIPELINE = WanPipeline
    DTYPES = {"vae": torch.float32}  # noqa: RUF012 - typed in the base; half precision shows blocks and bands

    @torch.inference_mode()
    def decode(self, spec: GenerationSpec, latents: torch.Tensor) -> NDArray[np.uint8]:
        """Decode latents after returning them to the VAE's own mean and deviation."""
        vae = self.pipe.vae
        latents = unscaled(latents.to(vae.dtype), vae.config.latents_mean, vae.config.latents_std)
        return to_frames(vae.decode(latents, return_dict=False)[0])

    def _grid(self) -> Grid:
        pipe = self.pipe
        patches = (pipe.vae_scale_factor_spatial * side for side in pipe.transformer.config.patch_size[1:])
        return Grid(frames=pipe.vae_scale_factor_temporal, pixels=math.lcm(PIXELS, *patches))
