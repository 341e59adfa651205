"""Wan 2.1 and 2.2: UMT5 text, flow-matching steps, a VAE in fp32 that decodes one latent frame at a time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from diffusers import WanImageToVideoPipeline, WanPipeline
from diffusers.models.autoencoders.autoencoder_kl_wan import unpatchify
from numpy.typing import NDArray

from eventing.contract.catalog import Task
from eventing.contract.records.models import GenerationSpec
from predictor.models.grid import Grid
from predictor.models.pipelines.base import DiffusersFamily
from predictor.models.pipelines.decoding.tensors import per_channel, to_frames

PIXELS = 16  # WanPipeline refuses sizes that are no multiple of it


class Family(DiffusersFamily):
    """The stages of Wan. Latents are (1, channels, latent frames, height / 8 or 16, width / 8 or 16), fp32.

    Wan 2.2 A14B has a second transformer for the last steps, and may leave the first one out.
    """

    PIPELINES = {  # noqa: RUF012 - typed in the base
        Task.text: (WanPipeline,),
        Task.image: (WanImageToVideoPipeline,),
        Task.first_last: (WanImageToVideoPipeline,),
    }
    SHARED = True
    DTYPES = {"vae": torch.float32}  # noqa: RUF012 - typed in the base; half precision shows blocks and bands

    @torch.inference_mode()
    def decode(self, spec: GenerationSpec, latents: torch.Tensor) -> NDArray[np.uint8]:
        """Decode latents after returning them to the VAE's own mean and deviation."""
        vae = self.pipe.vae
        return to_frames(vae.decode(self._restored(spec, latents.to(vae.dtype)), return_dict=False)[0])

    def _grid(self) -> Grid:
        pipe = self.pipe
        transformer = pipe.transformer or pipe.transformer_2
        patches = (pipe.vae_scale_factor_spatial * side for side in transformer.config.patch_size[1:])
        return Grid(frames=pipe.vae_scale_factor_temporal, pixels=math.lcm(PIXELS, *patches))

    def _finished(self, output: torch.Tensor) -> torch.Tensor:
        patch = self.pipe.vae.config.patch_size
        frames: torch.Tensor = output if patch is None else unpatchify(output, patch)
        return frames.clamp(-1, 1)

    def _restored(self, _spec: GenerationSpec, latents: torch.Tensor) -> torch.Tensor:
        config = self.pipe.vae.config
        # Divided by the inverse as diffusers does: a product would round other pixels.
        mean, inverse = per_channel(latents, config.latents_mean, 1.0 / torch.tensor(config.latents_std))
        restored: torch.Tensor = latents / inverse + mean
        return restored

    def _options(self, spec: GenerationSpec) -> dict[str, Any]:
        return super()._options(spec) | {"guidance_scale_2": spec.guidance_scale_2}
