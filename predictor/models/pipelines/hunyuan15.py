"""HunyuanVideo 1.5: Qwen and ByT5 text, guidance by a component of its own, a VAE of 16x16x4."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import HunyuanVideo15ImageToVideoPipeline, HunyuanVideo15Pipeline

from eventing.contract.catalog import Task
from eventing.contract.errors import InvalidRequest
from eventing.contract.records.models import GenerationSpec
from predictor.models.grid import Grid
from predictor.models.pipelines import Pictures
from predictor.models.pipelines.base import DiffusersFamily
from predictor.models.pipelines.decoding import hunyuan15, tiles
from predictor.models.pipelines.decoding.pieces import Pieces, frames_of
from predictor.models.pipelines.embeddings import texts_of

# What encode_prompt returns: the text for Qwen, and quoted words for ByT5, which draws them as letters.
EMBEDDINGS = ("prompt_embeds", "prompt_embeds_mask", "prompt_embeds_2", "prompt_embeds_mask_2")


class Family(DiffusersFamily):
    """The stages of HunyuanVideo 1.5. Latents are (1, channels, latent frames, height / 16, width / 16)."""

    PIPELINES = {  # noqa: RUF012 - typed in the base
        Task.text: (HunyuanVideo15Pipeline,),
        Task.image: (HunyuanVideo15ImageToVideoPipeline,),
    }

    def require_exact(self, spec: GenerationSpec) -> None:
        """Raise InvalidRequest if the model would round the frame count or the size of a spec."""
        super().require_exact(spec)
        if set(self.pipes) == {Task.image}:
            self._require_own_size(spec)

    def _decoded(self, spec: GenerationSpec, latents: torch.Tensor) -> Pieces:
        vae = self.pipe.vae
        tiling = tiles.by_overlap(vae) if vae.use_tiling else None
        restored = self._restored(spec, latents.to(vae.dtype))
        return tiles.decoded(
            vae, tiling, restored, lambda tile: hunyuan15.decoded(vae.decoder, frames_of(tile))
        )

    def _grid(self) -> Grid:
        pipe = self.pipe
        return Grid(
            frames=pipe.vae_scale_factor_temporal,
            pixels=pipe.vae_scale_factor_spatial * pipe.transformer.config.patch_size,
        )

    def _restored(self, _spec: GenerationSpec, latents: torch.Tensor) -> torch.Tensor:
        restored: torch.Tensor = latents / self.pipe.vae.config.scaling_factor
        return restored

    def _options(self, spec: GenerationSpec) -> dict[str, Any]:
        # The pipeline takes guidance from its guider only, which leaves it out where the scale is 1.
        self.pipe.guider = self.pipe.guider.new(guidance_scale=spec.guidance_scale)
        options = {"num_frames": spec.num_frames, "num_inference_steps": spec.num_inference_steps}
        if isinstance(self.pipe, HunyuanVideo15ImageToVideoPipeline):
            return options  # the picture has the size
        return options | {"width": spec.width, "height": spec.height}

    def _picture_options(self, _spec: GenerationSpec, pictures: Pictures) -> dict[str, Any]:
        return {} if pictures.image is None else {"image": pictures.image}

    def _encode(self, spec: GenerationSpec, known: Mapping[str, Any]) -> dict[str, Any]:
        encoded = dict(known)
        for side, text in texts_of(spec).items():
            names = [side + name for name in EMBEDDINGS]
            if not known.keys() >= set(names):
                tensors = self.pipe.encode_prompt(text, dtype=self.pipe.transformer.dtype)
                encoded |= dict(zip(names, tensors, strict=True))
        return encoded

    def _require_own_size(self, spec: GenerationSpec) -> None:
        pipe = self.pipes[Task.image]
        height, width = pipe.video_processor.calculate_default_height_width(
            height=spec.height, width=spec.width, target_size=pipe.target_size
        )
        if (width, height) != (spec.width, spec.height):
            raise InvalidRequest(
                f"{spec.model} cannot make {spec.width}x{spec.height} from a picture; "
                f"the nearest that it makes is {width}x{height}",
                field="width",
            )
