"""Mochi: T5 text with a mask, a linear-quadratic schedule in fp32, a VAE that makes six frames of one."""

from __future__ import annotations

import torch
from diffusers import MochiPipeline

from eventing.contract.catalog import Task
from eventing.contract.records.models import GenerationSpec
from predictor.models.grid import Grid
from predictor.models.pipelines.base import WITH_MASKS, DiffusersFamily
from predictor.models.pipelines.decoding import mochi, tiles
from predictor.models.pipelines.decoding.pieces import Pieces, frames_of
from predictor.models.pipelines.decoding.tensors import unscaled
from predictor.models.pipelines.denoising.preview import StepCall


class Family(DiffusersFamily):
    """The stages of a MochiPipeline. Latents are (1, channels, latent frames, height / 8, width / 8)."""

    PIPELINES = {Task.text: (MochiPipeline,)}  # noqa: RUF012 - typed in the base
    EMBEDDINGS = WITH_MASKS

    def _decoded(self, spec: GenerationSpec, latents: torch.Tensor) -> Pieces:
        vae = self.pipe.vae
        tiling = tiles.by_stride(vae) if vae.use_tiling else None
        restored = self._restored(spec, latents.to(vae.dtype))
        return tiles.decoded(vae, tiling, restored, lambda tile: mochi.decoded(vae, frames_of(tile)))

    def _grid(self) -> Grid:
        pipe = self.pipe
        return Grid(
            frames=pipe.vae_temporal_scale_factor,
            pixels=pipe.vae_spatial_scale_factor * pipe.transformer.config.patch_size,
        )

    def _estimate(self, step: StepCall) -> torch.Tensor:
        if not self.pipe.scheduler.config.invert_sigmas:
            return step.flow_estimate()
        velocity, timestep, sample = step.inputs[:3]  # noise is at timestep 0 and the video at 1000
        return StepCall((-velocity, 1000 - timestep, sample), step.outputs).flow_estimate()

    def _restored(self, _spec: GenerationSpec, latents: torch.Tensor) -> torch.Tensor:
        config = self.pipe.vae.config
        scale = float(config.scaling_factor)
        if config.latents_mean is None or config.latents_std is None:
            return latents / scale
        return unscaled(latents, config.latents_mean, config.latents_std, scale)
