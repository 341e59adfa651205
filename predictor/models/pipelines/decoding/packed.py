"""Unpack the latents of the LTX pipelines into those of a video, in the scale of the VAE."""

from __future__ import annotations

from typing import Any

import torch

from eventing.contract.records.models import GenerationSpec

UNPACKED = 5  # dimensions of latents as a video: batch, channels, frames, height, width


def unpacked(pipe: Any, spec: GenerationSpec, latents: torch.Tensor) -> torch.Tensor:
    """Return latents as (1, channels, latent frames, height, width), as the VAE decodes them.

    They come packed, (1, tokens, channels), or unpacked already.
    """
    vae = pipe.vae
    video = (
        latents
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
        video, vae.latents_mean, vae.latents_std, vae.config.scaling_factor
    )
    return restored
