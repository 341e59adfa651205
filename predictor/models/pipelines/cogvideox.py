"""CogVideoX: T5 text, DDIM or DPM steps, a causal VAE that decodes two latent frames at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from diffusers import CogVideoXPipeline
from numpy.typing import NDArray

from eventing.contract.catalog import CatalogEntry
from eventing.contract.models import GenerationSpec
from predictor.models.grid import Grid
from predictor.models.pipelines.base import DiffusersFamily
from predictor.models.pipelines.tensors import to_frames


class Family(DiffusersFamily):
    """The stages of a CogVideoXPipeline. Latents are (1, latent frames, channels, height / 8, width / 8)."""

    PIPELINE = CogVideoXPipeline

    def __init__(self, pipe: Any, entry: CatalogEntry) -> None:
        super().__init__(pipe, entry)
        # The transformer takes exactly this many tokens; the pipeline's own default is 226.
        self.text_length: int = pipe.transformer.config.max_text_seq_length

    @torch.inference_mode()
    def decode(self, spec: GenerationSpec, latents: torch.Tensor) -> NDArray[np.uint8]:
        """Decode all latent frames but those that CogVideoX 1.5 adds in front to fill its last patch."""
        count = (spec.num_frames - 1) // self.pipe.vae_scale_factor_temporal + 1
        return to_frames(self.pipe.decode_latents(latents[:, latents.shape[1] - count :]))

    def _grid(self) -> Grid:
        pipe = self.pipe
        # An even number of latent frames would lose the rule that the first frame stands alone.
        return Grid(
            frames=2 * pipe.vae_scale_factor_temporal,
            pixels=pipe.vae_scale_factor_spatial * pipe.transformer.config.patch_size,
        )
