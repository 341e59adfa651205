"""Wan 2.1 and 2.2: UMT5 text, flow-matching steps, a VAE in fp32 that decodes one latent frame at a time."""

from __future__ import annotations

import math
from typing import Any

import torch
from diffusers import WanImageToVideoPipeline, WanPipeline
from diffusers.models.autoencoders.autoencoder_kl_wan import WanCausalConv3d, unpatchify

from eventing.contract.catalog import Task
from eventing.contract.records.models import GenerationSpec
from predictor.models.grid import Grid
from predictor.models.pipelines.base import DiffusersFamily
from predictor.models.pipelines.decoding import tiles
from predictor.models.pipelines.decoding.pieces import Pieces, frames_of
from predictor.models.pipelines.decoding.tensors import per_channel

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

    def _grid(self) -> Grid:
        pipe = self.pipe
        transformer = pipe.transformer or pipe.transformer_2
        patches = (pipe.vae_scale_factor_spatial * side for side in transformer.config.patch_size[1:])
        return Grid(frames=pipe.vae_scale_factor_temporal, pixels=math.lcm(PIXELS, *patches))

    def _decoded(self, spec: GenerationSpec, latents: torch.Tensor) -> Pieces:
        vae = self.pipe.vae
        patch = vae.config.patch_size
        tiling = tiles.by_stride(vae, patch or 1) if vae.use_tiling else None
        restored = self._restored(spec, latents.to(vae.dtype))
        for piece in tiles.decoded(vae, tiling, restored, self._pieces):
            frames = piece if patch is None else unpatchify(piece, patch)
            yield frames.clamp(-1, 1)

    def _pieces(self, latents: torch.Tensor) -> Pieces:
        """Decode latent frames one by one, with the decoder's memory of those before."""
        vae = self.pipe.vae
        convolutions = sum(isinstance(part, WanCausalConv3d) for part in vae.decoder.modules())
        memory: list[Any] = [None] * convolutions
        for index, frame in enumerate(frames_of(latents)):
            ready = vae.post_quant_conv(frame)
            yield vae.decoder(ready, feat_cache=memory, feat_idx=[0], first_chunk=index == 0)

    def _restored(self, _spec: GenerationSpec, latents: torch.Tensor) -> torch.Tensor:
        config = self.pipe.vae.config
        # Divided by the inverse as diffusers does: a product would round other pixels.
        mean, inverse = per_channel(latents, config.latents_mean, 1.0 / torch.tensor(config.latents_std))
        restored: torch.Tensor = latents / inverse + mean
        return restored

    def _options(self, spec: GenerationSpec) -> dict[str, Any]:
        return super()._options(spec) | {"guidance_scale_2": spec.guidance_scale_2}
