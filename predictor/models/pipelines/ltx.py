"""LTX-Video: T5 text with a mask, packed latents, a VAE that may want a last bit of noise."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from diffusers import LTXPipeline
from diffusers.utils.torch_utils import randn_tensor
from numpy.typing import NDArray

from eventing.contract.catalog import CatalogEntry
from eventing.contract.models import GenerationSpec
from predictor.models.pipelines import (
    OnStep,
    from_folder,
    generator,
    release,
    require_finite,
    step_callback,
    to_frames,
)

# For VAEs with timestep conditioning (0.9.1 and later), as their model card sets them.
DECODE_TIMESTEP = 0.05
DECODE_NOISE = 0.025


class Family:
    """The stages of an LTXPipeline."""

    def __init__(self, pipe: Any, text_length: int) -> None:
        self.pipe = pipe
        self.tokenizer = pipe.tokenizer
        self.vae_decoder: torch.nn.Module = pipe.vae.decoder
        self.text_length = text_length

    @classmethod
    def load(cls, folder: Path, entry: CatalogEntry, device: str) -> Self:
        """Load from a folder onto a device."""
        return cls(from_folder(LTXPipeline, folder, entry, device), entry.max_prompt_tokens)

    @torch.inference_mode()
    def encode_prompt(self, spec: GenerationSpec) -> dict[str, Any]:
        """Embeddings and masks of the prompt, and of the negative one if guidance uses it."""
        positive, mask, negative, negative_mask = self.pipe.encode_prompt(
            spec.prompt,
            spec.negative_prompt,
            do_classifier_free_guidance=spec.guidance_scale > 1,
            max_sequence_length=self.text_length,
        )
        return {
            "prompt_embeds": positive,
            "prompt_attention_mask": mask,
            "negative_prompt_embeds": negative,
            "negative_prompt_attention_mask": negative_mask,
        }

    @torch.inference_mode()
    def denoise(self, spec: GenerationSpec, embeds: dict[str, Any], on_step: OnStep) -> torch.Tensor:
        """Packed latents (1, tokens, channels), fp32. The frame rate is part of the positions."""
        latents: torch.Tensor = self.pipe(
            **embeds,
            width=spec.width,
            height=spec.height,
            num_frames=spec.num_frames,
            frame_rate=spec.fps,
            num_inference_steps=spec.num_inference_steps,
            guidance_scale=spec.guidance_scale,
            generator=generator(spec),
            max_sequence_length=self.text_length,
            output_type="latent",
            callback_on_step_end=step_callback(spec, on_step),
        ).frames
        require_finite(latents, "latents")
        return latents

    @torch.inference_mode()
    def decode(self, spec: GenerationSpec, latents: torch.Tensor) -> NDArray[np.uint8]:
        """Frames from latents that are unpacked and brought back to the VAE's own scale first."""
        latents = self._unpacked(spec, latents).to(self.pipe.vae.dtype)
        timestep = None
        if self.pipe.vae.config.timestep_conditioning:
            # Other numbers than the first noise, or the two would match.
            noise = randn_tensor(
                latents.shape, generator=generator(spec, 1), device=latents.device, dtype=latents.dtype
            )
            latents = (1 - DECODE_NOISE) * latents + DECODE_NOISE * noise
            timestep = torch.tensor([DECODE_TIMESTEP], device=latents.device, dtype=latents.dtype)
        return to_frames(self.pipe.vae.decode(latents, timestep, return_dict=False)[0])

    def release(self) -> None:
        """Give back the memory that a job took."""
        release(self.pipe)

    def _unpacked(self, spec: GenerationSpec, latents: torch.Tensor) -> torch.Tensor:
        pipe, vae = self.pipe, self.pipe.vae
        unpacked = pipe._unpack_latents(
            latents,
            (spec.num_frames - 1) // pipe.vae_temporal_compression_ratio + 1,
            spec.height // pipe.vae_spatial_compression_ratio,
            spec.width // pipe.vae_spatial_compression_ratio,
            pipe.transformer_spatial_patch_size,
            pipe.transformer_temporal_patch_size,
        )
        restored: torch.Tensor = pipe._denormalize_latents(
            unpacked, vae.latents_mean, vae.latents_std, vae.config.scaling_factor
        )
        return restored
