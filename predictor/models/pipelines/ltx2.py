"""LTX-2: Gemma text, video and sound from one transformer."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from diffusers import LTX2ImageToVideoPipeline, LTX2Pipeline

from eventing.contract.catalog import SoundRule, Task
from eventing.contract.records.models import GenerationSpec
from predictor.models.grid import Grid
from predictor.models.pipelines.base import WITH_MASKS, DiffusersFamily
from predictor.models.pipelines.decoding import ltx
from predictor.models.pipelines.decoding.packed import unpacked
from predictor.models.pipelines.decoding.pieces import Pieces
from predictor.models.pipelines.decoding.tensors import require_finite, to_samples
from predictor.models.sound import Waveform

PIXELS = 32  # LTX2Pipeline refuses sizes that are no multiple of it
# What turns every kind of guidance off, as the authors run the distilled models.
UNGUIDED = {
    "audio_guidance_scale": 1.0,
    "stg_scale": 0.0,
    "audio_stg_scale": 0.0,
    "modality_scale": 1.0,
    "audio_modality_scale": 1.0,
    "guidance_rescale": 0.0,
    "audio_guidance_rescale": 0.0,
}


class Latents(NamedTuple):
    """Latents of the video, (1, channels, latent frames, height / 32, width / 32), and of its sound."""

    video: torch.Tensor
    sound: torch.Tensor  # (1, channels, length, mel bins)


class Family(DiffusersFamily):
    """The stages of LTX-2."""

    PIPELINES = {  # noqa: RUF012 - typed in the base
        Task.text: (LTX2Pipeline,),
        Task.image: (LTX2ImageToVideoPipeline,),
    }
    EMBEDDINGS = WITH_MASKS
    # Its many convolutions in a row add up the errors of bfloat16, which one hears.
    DTYPES = {"vocoder": torch.float32}  # noqa: RUF012 - typed in the base

    @torch.inference_mode()
    def decode_sound(self, _spec: GenerationSpec, latents: Latents) -> Waveform:
        """Decode latents to a spectrogram, and that to samples."""
        vae, vocoder = self.pipe.audio_vae, self.pipe.vocoder
        spectrogram = vae.decode(latents.sound.to(vae.dtype), return_dict=False)[0]
        samples = to_samples(vocoder(spectrogram.to(vocoder.dtype)))
        return Waveform(samples, vocoder.config.output_sampling_rate)

    def _decoded(self, _spec: GenerationSpec, latents: Latents) -> Pieces:
        vae = self.pipe.vae
        return ltx.decoded(vae, latents.video.to(vae.dtype), None)  # which are in the VAE's own scale

    def _sound(self) -> SoundRule:
        config = self.pipe.vocoder.config
        return SoundRule(rate=config.output_sampling_rate, channels=config.out_channels)

    def _latents(self, output: Any) -> Latents:
        require_finite(output.audio, "latents of sound")
        return Latents(super()._latents(output), output.audio)

    def _grid(self) -> Grid:
        pipe = self.pipe
        pixels = pipe.vae_spatial_compression_ratio * pipe.transformer_spatial_patch_size
        return Grid(frames=pipe.vae_temporal_compression_ratio, pixels=math.lcm(pixels, PIXELS))

    def _restored(self, spec: GenerationSpec, latents: torch.Tensor) -> torch.Tensor:
        return unpacked(self.pipe, spec, latents)

    def _options(self, spec: GenerationSpec) -> dict[str, Any]:
        guidance = UNGUIDED if spec.guidance_scale <= 1 else {}
        return super()._options(spec) | {"frame_rate": spec.fps} | guidance
