"""CogVideoX: T5 text, DDIM or DPM steps, a causal VAE that decodes two latent frames at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from diffusers import CogVideoXPipeline
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
    """The stages of a CogVideoXPipeline."""

    def __init__(self, pipe: Any) -> None:
        self.pipe = pipe
        self.tokenizer = pipe.tokenizer
        self.vae_decoder: torch.nn.Module = pipe.vae.decoder
        # The pipeline's own default is 226 tokens; models with shorter text fail unless told.
        self.text_length: int = pipe.transformer.config.max_text_seq_length

    @classmethod
    def load(cls, folder: Path, entry: CatalogEntry, device: str) -> Self:
        """Load from a folder onto a device."""
        return cls(from_folder(CogVideoXPipeline, folder, entry, device))

    @torch.inference_mode()
    def encode_prompt(self, spec: GenerationSpec) -> dict[str, Any]:
        """Embeddings of the prompt, and of the negative one if guidance uses it."""
        positive, negative = self.pipe.encode_prompt(
            spec.prompt,
            spec.negative_prompt,
            do_classifier_free_guidance=spec.guidance_scale > 1,
            max_sequence_length=self.text_length,
        )
        return {"prompt_embeds": positive, "negative_prompt_embeds": negative}

    @torch.inference_mode()
    def denoise(self, spec: GenerationSpec, embeds: dict[str, Any], on_step: OnStep) -> torch.Tensor:
        """Latents (1, latent frames, channels, height / 8, width / 8)."""
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
        """Frames, without those that CogVideoX 1.5 adds to fill its last patch."""
        wanted = (spec.num_frames - 1) // self.pipe.vae_scale_factor_temporal + 1
        return to_frames(self.pipe.decode_latents(latents[:, latents.shape[1] - wanted :]))

    def release(self) -> None:
        """Give back the memory that a job took."""
        release(self.pipe)
