"""A preview shows what the running step expects, in every family, and in the colours of the video."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from predictor.generation.attempt import make_attempt
from predictor.models import tiny
from predictor.models.loading import load_model
from predictor.models.pipelines import base
from predictor.models.pipelines.decoding import tiles
from predictor.models.pipelines.denoising import preview
from predictor.settings import PredictorSettings
from tests.unit.predictor.conftest import entry_of

RATIO = 8  # pixels of a side that the made-up VAEs put into one latent


class PlainVae:
    """Averages the colours of 8x8 pixels and mixes them into four channels; or loses them."""

    dtype = torch.float32

    def __init__(self, mix: torch.Tensor) -> None:
        self._mix = mix

    def encode(self, clip: torch.Tensor) -> Any:
        small = torch.nn.functional.avg_pool3d(clip, (1, RATIO, RATIO))
        latents = torch.einsum("kc,bcfhw->bkfhw", self._mix, small) + 0.25
        return SimpleNamespace(latent_dist=SimpleNamespace(mode=lambda: latents))


def pipe_of(mix: torch.Tensor) -> Any:
    return SimpleNamespace(
        vae=PlainVae(mix), vae_scale_factor_spatial=RATIO, _execution_device=torch.device("cpu")
    )


def test_the_colours_of_a_vae_are_learnt_from_it() -> None:
    pipe = pipe_of(torch.tensor([[2.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.3, 1.0, 0.1], [1.0, 1.0, 1.0]]))
    painter = preview.learn(pipe)
    assert painter is not None
    colours = torch.tensor([0.8, -0.6, 0.2])  # red is high, green low
    clip = colours[None, :, None, None, None].expand(1, 3, 1, 16, 16)
    latents = pipe.vae.encode(clip).latent_dist.mode()
    frame = preview.painted(painter, latents)
    assert frame.shape == (2, 2, 3) and frame.dtype == np.uint8
    assert np.abs(frame.astype(int) - [230, 51, 153]).max() <= 3


@pytest.mark.parametrize("mix", [torch.zeros(4, 3), torch.full((4, 3), float("nan"))])
def test_a_vae_whose_latents_do_not_tell_the_colours_has_no_preview(mix: torch.Tensor) -> None:
    assert preview.learn(pipe_of(mix)) is None


def test_previews_change_nothing_even_where_the_scheduler_is_copied_for_the_sound(
    folders: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "learn", lambda _pipe: lambda latents: latents[:3])
    model = load_model(entry_of("ltx2"), PredictorSettings(model_dir=folders["ltx2"], device="cpu"))
    pipeline: Any = model.pipeline
    spec = make_attempt(model.entry, {"prompt": "a dot", "seed": 4, "num_inference_steps": 3}).spec
    embeds = pipeline.encode_prompt(spec)
    plain = pipeline.denoise(spec, embeds, lambda _done, _total: None)
    pipeline.prepare_previews()
    shown: list[Any] = []
    latents = pipeline.denoise(spec, embeds, lambda _done, _total: shown.append(pipeline.preview(spec)))
    assert len(shown) == 3
    assert torch.equal(latents.video, plain.video) and torch.equal(latents.sound, plain.sound)


@pytest.mark.parametrize("family", tiny.BUILDERS)
def test_the_preview_of_the_last_step_shows_the_latents_that_are_decoded(
    family: str, folders: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "learn", lambda _pipe: lambda latents: latents[:3] / 8)
    model = load_model(entry_of(family), PredictorSettings(model_dir=folders[family], device="cpu"))
    pipeline: Any = model.pipeline
    fields = {"prompt": "a red circle", "seed": 4, "num_inference_steps": 2}
    spec = make_attempt(model.entry, fields).spec
    assert pipeline.preview(spec) is None, "on a CPU a model learns nothing when it is loaded"
    pipeline.prepare_previews()
    frames: list[Any] = []
    latents = pipeline.denoise(
        spec, pipeline.encode_prompt(spec), lambda _done, _total: frames.append(pipeline.preview(spec))
    )
    assert pipeline.preview(spec) is None, "no step is running"
    decoded: list[torch.Tensor] = []
    decode = tiles.decoded

    def seen(vae: Any, tiling: Any, z: torch.Tensor, *options: Any) -> Any:
        decoded.append(z)
        return decode(vae, tiling, z, *options)

    monkeypatch.setattr(tiles, "decoded", seen)
    pipeline.decode(spec, latents)
    middle = decoded[0][0, :3, decoded[0].shape[2] // 2]
    pixels = ((middle / 8).float() / 2 + 0.5).clamp(0, 1) * 255
    last = torch.from_numpy(frames[-1]).permute(2, 0, 1).float()
    assert (last - pixels).abs().max() <= 1
    assert not np.array_equal(frames[0], frames[-1])
