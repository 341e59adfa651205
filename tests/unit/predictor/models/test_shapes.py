"""The model in the box reads a picture as layers, and goes on from it."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from eventing.contract.catalog import load_catalog
from eventing.contract.errors import ModelUnavailable
from eventing.contract.records.models import VideoRequest
from predictor.models.pipelines import Pictures
from predictor.models.pipelines.decoding.layers import read_layers
from predictor.models.pipelines.shapes import Family
from training.evaluate import MODEL
from training.network.latents import encode
from training.scenes.checker import check
from training.scenes.domain import DOMAINS, Scene, Thing, draw_scene
from training.scenes.render import render, to_uint8

ROOT = Path(__file__).parents[4]
ENTRY = load_catalog().get("shapes-tiny")


def start(scene: Scene, dials: torch.Tensor) -> Image.Image:
    """The first frame of a scene."""
    return Image.fromarray(to_uint8(render([scene], dials))[0, 0].numpy())


def test_what_is_read_is_what_was_drawn() -> None:
    rng, generator = random.Random(1), torch.Generator().manual_seed(1)
    scenes = [draw_scene(DOMAINS["wide"], rng, unseen=i % 2 == 0) for i in range(12)]
    dials = torch.rand(12, 6, generator=generator)
    drawn = encode(scenes, dials)[:, 0].numpy()
    for scene, dial, layers in zip(scenes, dials, drawn, strict=True):
        read = read_layers(start(scene, dial[None]))
        assert np.abs(read[:9] - layers[:9]).max() < 0.01
        assert np.abs(read[9] - layers[9]).mean() < 0.12
        assert (read[10] == -1).all()


def test_two_things_and_pictures_of_something_else() -> None:
    scene = Scene((Thing("red", "square", "right"), Thing("cyan", "circle", "left")), "gray")
    dials = torch.tensor([[0.0, 0.0, 0.0, 1.0, 1.0, 0.0]])
    read = read_layers(start(scene, dials))
    things = {tuple(np.round((read[i : i + 3, 0, 0] + 1) * 127.5).astype(int)) for i in (3, 6)}
    assert things == {(230, 30, 30), (30, 215, 235)}
    assert read[9].max() > 0.3 and read[10].max() > 0.3
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    for picture in (Image.fromarray(noise), Image.new("RGB", (64, 64))):
        assert np.isfinite(read_layers(picture)).all()


@pytest.fixture(scope="module")
def family() -> Family:
    torch.set_num_threads(1)
    return Family.load(ROOT / MODEL, ENTRY, "cpu")


def film(family: Family, prompt: str, picture: Image.Image | None, steps: int = 4) -> np.ndarray:
    spec = ENTRY.resolve(VideoRequest(prompt=prompt, seed=3, num_inference_steps=steps))
    done: list[int] = []
    embeds = family.encode_prompt(spec)
    latents = family.denoise(spec, embeds, lambda step, _: done.append(step), Pictures(image=picture))
    assert done[-1] == steps
    return family.decode(spec, latents)


def test_a_picture_is_continued(family: Family) -> None:
    scene = Scene((Thing("yellow", "square", "up"),), "purple")
    picture = start(scene, torch.tensor([[0.4, 0.5, 0.5, 0.0, 0.0, 0.0]]))
    frames = film(family, "a square moving up", picture)
    verdict = check(frames, "a yellow square moving up on a purple background")
    assert verdict.ok, verdict.explain()
    assert np.abs(frames[0].astype(int) - np.asarray(picture)).mean() < 3
    assert np.array_equal(frames, film(family, "a square moving up", picture))
    without = film(family, "a red circle moving up", None)
    assert check(without, "a red circle moving up").ok, "a prompt alone still makes its video"


def test_a_preview_looks_like_the_video(family: Family) -> None:
    family.prepare_previews()
    prompt = "a red circle moving right on a blue background"
    spec = ENTRY.resolve(VideoRequest(prompt=prompt, seed=3, num_inference_steps=3))
    previews: list[Any] = []
    latents = family.denoise(
        spec, family.encode_prompt(spec), lambda _done, _total: previews.append(family.preview(spec))
    )
    middle = family.decode(spec, latents)[spec.num_frames // 2].astype(int)
    small = middle.reshape(32, 2, 32, 2, 3).mean((1, 3))
    apart = [np.abs(small - shown).mean() for shown in previews]
    assert apart[-1] < 8, apart
    assert apart[-1] < apart[0]


def test_a_tensor_that_the_transformer_for_pictures_misses_is_named(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(ROOT / MODEL, tmp_path / "weights"))
    file = folder / "picture" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(file)
    name = next(name for name in tensors if name.endswith("proj_out.weight"))
    save_file({key: tensor for key, tensor in tensors.items() if key != name}, file)
    with pytest.raises(ModelUnavailable, match=f"{file} has no tensor {name}"):
        Family.load(folder, ENTRY, "cpu")
