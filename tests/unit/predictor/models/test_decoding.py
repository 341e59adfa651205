"""Frames come out of the VAE a few at a time, in tiles or not, and are those of one decode of diffusers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import cpu_offload
from torch.utils._python_dispatch import TorchDispatchMode

from eventing.contract.records.models import GenerationSpec
from predictor.generation.attempt import make_attempt
from predictor.models import tiny
from predictor.models.loading import LoadedModel, load_model
from predictor.settings import PredictorSettings
from tests.unit.predictor.conftest import entry_of

FIELDS = {"prompt": "a red circle", "negative_prompt": "grey", "seed": 4, "num_inference_steps": 2}
SIZE = 48  # pixels of a side of a tile; videos have 64
NDIM, RGB = 5, 3  # a video is (1, colours, frames, height, width)
STRIDES = {"tile_sample_stride_height": 32, "tile_sample_stride_width": 32}
EXACT = {"cogvideox", "wan"}  # families that diffusers decodes in the same pieces
OVERLAPS = ("tile_overlap_factor", "tile_overlap_factor_height", "tile_overlap_factor_width")


class Floats(TorchDispatchMode):
    """Notes the most frames that one tensor of floats has inside."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # torch is half typed
        self.most = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor) and made.is_floating_point() and made.ndim == NDIM:
            _, colours, frames, height, width = made.shape
            if colours == RGB and min(height, width) >= SIZE:
                self.most = max(self.most, frames)
        return made


def load(family: str, folder: Path) -> LoadedModel:
    return load_model(entry_of(family), PredictorSettings(model_dir=folder, device="cpu"))


def in_tiles(vae: Any) -> None:
    """Cut frames into four tiles, of which each two share a third."""
    options: dict[str, Any] = {"tile_sample_min_height": SIZE, "tile_sample_min_width": SIZE}
    if hasattr(vae, "tile_sample_stride_height"):
        options |= STRIDES
    if hasattr(vae, "tile_overlap_factor"):  # whose tiles are set twice
        side = SIZE // vae.spatial_compression_ratio
        options |= {"tile_latent_min_height": side, "tile_latent_min_width": side}
    vae.enable_tiling(**options)
    for name in OVERLAPS:
        if hasattr(vae, name):
            setattr(vae, name, 1 / 3)


def latents_of(model: LoadedModel, times: int) -> tuple[GenerationSpec, Any]:
    spec = make_attempt(model.entry, FIELDS | {"num_frames": times * model.entry.frames.multiple + 1}).spec
    pipeline = model.pipeline
    return spec, pipeline.denoise(spec, pipeline.encode_prompt(spec), lambda _done, _total: None)


def whole(model: LoadedModel, spec: GenerationSpec, latents: Any) -> Any:
    """The frames of one decode of diffusers."""
    family: Any = model.pipeline
    vae = family.pipe.vae
    scaled = latents.video if model.entry.family == "ltx2" else family._restored(spec, latents)
    if model.entry.family == "cogvideox":  # whose own pipeline multiplies
        scaled = 1 / vae.config.scaling_factor * latents.permute(0, 2, 1, 3, 4)
    arguments = (scaled, None) if model.entry.family.startswith("ltx") else (scaled,)
    with torch.inference_mode():
        video = vae.decode(*arguments, return_dict=False)[0]
    return ((video[0] / 2 + 0.5).clamp(0, 1) * 255).round().permute(1, 2, 3, 0).numpy().astype(np.uint8)


@pytest.mark.parametrize("family", tiny.BUILDERS)
def test_frames_come_in_pieces_and_are_those_of_one_decode(family: str, folders: Any) -> None:
    model = load(family, folders[family])
    spec, latents = latents_of(model, 3)
    for tiled in (False, True):
        if tiled:
            in_tiles(model.pipeline.pipe.vae)  # type: ignore[attr-defined]
        parts: list[Any] = []
        with Floats() as floats:
            model.pipeline.stream(spec, latents, parts.append)
        assert len(parts) >= 3
        assert floats.most <= model.entry.frames.multiple + 2, "a piece, or one and two frames before it"
        frames = np.concatenate(parts)
        far = np.abs(frames.astype(np.int16) - whole(model, spec, latents))
        assert far.max() <= (0 if family in EXACT else 1)
        assert (far > 0).mean() < 0.001
        assert frames.std() > 1


def test_an_offloaded_vae_that_wants_noise_decodes_the_same_frames(tmp_path: Path) -> None:
    torch.manual_seed(0)
    tiny.ltx(conditioned=True).save_pretrained(tmp_path)
    model = load("ltx", tmp_path)
    spec, latents = latents_of(model, 2)
    frames = model.pipeline.decode(spec, latents)
    vae = model.pipeline.pipe.vae  # type: ignore[attr-defined]
    cpu_offload(vae, torch.device("cpu"))
    assert vae.decoder.scale_shift_table.is_meta, "it is away until it runs"
    assert np.array_equal(model.pipeline.decode(spec, latents), frames)
