"""CogVideoX: T5 text, DDIM or DPM steps, a causal VAE that decodes two latent frames at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import CogVideoXDPMScheduler, CogVideoXImageToVideoPipeline, CogVideoXPipeline

from eventing.contract.catalog import CatalogEntry, Task
from eventing.contract.records.models import GenerationSpec
from predictor.models.grid import Grid
from predictor.models.pipelines.base import DiffusersFamily
from predictor.models.pipelines.decoding import tiles
from predictor.models.pipelines.decoding.pieces import TIME, Pieces
from predictor.models.pipelines.denoising.preview import StepCall


class Family(DiffusersFamily):
    """The stages of CogVideoX. Latents are (1, latent frames, channels, height / 8, width / 8)."""

    FLOW = False
    PIPELINES = {  # noqa: RUF012 - typed in the base
        Task.text: (CogVideoXPipeline,),
        Task.image: (CogVideoXImageToVideoPipeline,),
    }

    def __init__(self, pipes: Mapping[Task, Any], entry: CatalogEntry, device: str) -> None:
        super().__init__(pipes, entry, device)
        # The transformer takes exactly this many tokens; the pipeline's own default is 226.
        self.text_length: int = self.pipe.transformer.config.max_text_seq_length

    def _grid(self) -> Grid:
        pipe = self.pipe
        # An even number of latent frames would lose the rule that the first frame stands alone.
        return Grid(
            frames=2 * pipe.vae_scale_factor_temporal,
            pixels=pipe.vae_scale_factor_spatial * pipe.transformer.config.patch_size,
        )

    def _decoded(self, spec: GenerationSpec, latents: torch.Tensor) -> Pieces:
        """Decode all latent frames but those that CogVideoX 1.5 adds in front to fill its last patch."""
        vae = self.pipe.vae
        tiling = tiles.by_overlap(vae) if vae.use_tiling else None
        # As diffusers does it: the inverse is rounded, so a quotient would be other pixels.
        scaled = 1 / vae.config.scaling_factor * self._kept(spec, latents).permute(0, 2, 1, 3, 4)
        return tiles.decoded(vae, tiling, scaled, self._pieces)

    def _pieces(self, latents: torch.Tensor) -> Pieces:
        """Decode two latent frames at a time, first one more if their number is odd."""
        vae = self.pipe.vae
        memory = None
        size, count = vae.num_latent_frames_batch_size, latents.shape[TIME]
        starts = range(count % size, count, size) if count >= size else range(count)
        for start in starts:
            first = 0 if start == starts[0] else start
            piece = latents[:, :, first : start + size]
            if vae.post_quant_conv is not None:
                piece = vae.post_quant_conv(piece)
            frames, memory = vae.decoder(piece, conv_cache=memory)
            yield frames

    def _estimate(self, step: StepCall) -> torch.Tensor:
        estimate: torch.Tensor = step.outputs[1]
        return estimate

    def _restored(self, spec: GenerationSpec, latents: torch.Tensor) -> torch.Tensor:
        kept = self._kept(spec, latents).permute(0, 2, 1, 3, 4)
        restored: torch.Tensor = kept / self.pipe.vae.config.scaling_factor
        return restored

    def _kept(self, spec: GenerationSpec, latents: torch.Tensor) -> torch.Tensor:
        """Return the latent frames of the video."""
        count = (spec.num_frames - 1) // self.pipe.vae_scale_factor_temporal + 1
        return latents[:, latents.shape[1] - count :]

    def _options(self, spec: GenerationSpec) -> dict[str, Any]:
        # The authors' scripts raise guidance over the steps with this scheduler, and only with it.
        is_dynamic = isinstance(self.pipe.scheduler, CogVideoXDPMScheduler)
        return super()._options(spec) | {"use_dynamic_cfg": is_dynamic}
