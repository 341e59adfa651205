"""Mochi: T5 text with a mask, a linear-quadratic schedule in fp32, a VAE that makes six frames of one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from diffusers import MochiPipeline
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


class Family:
    """The stages of a MochiPipeline."""

    def __init__(self, pipe: Any, text_length: int) -> None:
        self.pipe = pipe
        self.tokenizer = pipe.tokenizer
        self.vae_decoder: torch.nn.Module = pipe.vae.decoder
        self.text_length = text_length

    @classmethod
    def load(cls, folder: Path, entry: CatalogEntry, device: str) -> Self:
        """Load from a folder onto a device."""
        return cls(from_folder(MochiPipeline, folder, entry, device), entry.max_prompt_tokens)

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
        """Latents (1, channels, latent frames, height / 8, width / 8)."""
        latents: torch.Tensor = self.pipe(
            **embeds,
            width=spec.width,
            height=spec.height,
            num_frames=spec.num_frames,
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
        """Frames from latents that are brought back to the VAE's own scale first."""
        return to_frames(self.pipe.vae.decode(self._unscaled(latents), return_dict=False)[0])

    def release(self) -> None:
        """Give back the memory that a job took."""
        release(self.pipe)

    def _unscaled(self, latents: torch.Tensor) -> torch.Tensor:
        config = self.pipe.vae.config
        scale = float(config.scaling_factor)
        if config.latents_mean is None or config.latents_std is None:
            return latents / scale
        mean = torch.tensor(config.latents_mean).view(1, -1, 1, 1, 1).to(latents)
        std = torch.tensor(config.latents_std).view(1, -1, 1, 1, 1).to(latents)
        return latents * std / scale + mean
