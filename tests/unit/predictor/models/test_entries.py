"""Every catalog entry, built tiny, makes for each of its tasks what one plain call of diffusers makes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import LTXConditionPipeline
from diffusers.pipelines.ltx.pipeline_ltx_condition import LTXVideoCondition

from eventing.contract.catalog import Task
from eventing.contract.errors import Cancelled
from eventing.contract.records.models import VideoRequest
from eventing.contract.records.pictures import FIELDS as PICTURES
from predictor.models.loading import LoadedModel, load_model
from predictor.models.pipelines import Pictures, checked
from predictor.settings import PredictorSettings
from tests.support import models_page
from tests.unit.predictor.models.variants import CATALOG, RUNS, VARIANTS, build, pictures, small

FIELDS = {"prompt": 'a red "HI" circle', "negative_prompt": "grey", "seed": 4, "num_inference_steps": 3}
UNGUIDED = [
    "cogvideox-2b",
    "hunyuanvideo-1.5-t2v",
    "ltx-2.3",
    "ltx-video",
    "mochi-1-preview",
    "wan2.1-t2v-1.3b",
]
# LTX-2 has more kinds of guidance, which its authors turn off with the first.
OFF = {"guidance_rescale": 0.0, "stg_scale": 0.0, "modality_scale": 1.0}
LTX2_UNGUIDED = OFF | {f"audio_{name}": value for name, value in OFF.items()} | {"audio_guidance_scale": 1.0}
IN_PIECES = {"cogvideox", "wan"}  # families whose VAE keeps the memory of its convolutions in diffusers, too
OF_PACKAGE = {"tiny", "shapes-tiny"}  # they run elsewhere, with their own weights


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, LoadedModel]]:
    """The loaded models by entry, each loaded when its first test asks for it."""

    class Models(dict[str, LoadedModel]):
        def __missing__(self, name: str) -> LoadedModel:
            folder = build(name, tmp_path_factory.mktemp("entry") / "weights")
            settings = PredictorSettings(model_dir=folder, device="cpu")
            return self.setdefault(name, load_model(small(name), settings))

    yield Models()


def video(model: LoadedModel, sent: Pictures, on_step: Any, **fields: Any) -> tuple[Any, Any]:
    """The frames, and the samples of the sound of a model that makes it."""
    addresses = {name: "https://x.test/a.png" for name in PICTURES if getattr(sent, name) is not None}
    spec = model.entry.resolve(VideoRequest.model_validate(FIELDS | fields | addresses))
    embeds = model.pipeline.encode_prompt(spec)
    latents = model.pipeline.denoise(spec, embeds, on_step, sent)
    sound = model.pipeline.decode_sound(spec, latents)
    return model.pipeline.decode(spec, latents), None if sound is None else sound.samples


def plain(model: LoadedModel, task: Task, sent: Pictures, guidance: float = 5.0) -> tuple[Any, Any]:
    """The frames and the samples of one call of the diffusers pipeline."""
    pipe = model.pipeline.pipes[task]  # type: ignore[attr-defined]
    entry, call = model.entry, dict(VARIANTS[model.entry.name].call)
    size = {"height": 64, "width": 64}
    if entry.family == "hunyuan15":
        pipe.guider = pipe.guider.new(guidance_scale=guidance)
        call |= size if task is Task.text else {}
    else:
        call |= size | {"guidance_scale": guidance, "max_sequence_length": 16}
    if entry.family == "ltx2" and guidance <= 1:
        call |= LTX2_UNGUIDED
    if isinstance(pipe, LTXConditionPipeline):
        ends = {0: sent.image, entry.frames.default - 1: sent.last_image}
        call["conditions"] = [
            LTXVideoCondition(image, None, at) for at, image in ends.items() if image
        ] or None
    else:
        named = {"image": sent.image, "last_image": sent.last_image}
        call |= {name: image for name, image in named.items() if image}
    made = pipe(
        prompt=FIELDS["prompt"],
        negative_prompt=FIELDS["negative_prompt"],
        num_frames=entry.frames.default,
        num_inference_steps=3,
        generator=torch.Generator("cpu").manual_seed(4),
        output_type="np",
        **call,
    )
    sound = made.audio[0].numpy() if entry.sound else None
    return (made.frames[0] * 255).round().astype(np.uint8), sound


def assert_equal(family: str, one: tuple[Any, Any], other: tuple[Any, Any]) -> None:
    """Assert that frames and sound are equal: to the last bit where diffusers decodes in pieces itself.

    Elsewhere the library of the CPU may add in another order for a piece than for a whole video.
    """
    far = np.abs(one[0].astype(np.int16) - other[0])
    assert far.max() <= (0 if family in IN_PIECES else 1)
    assert (far > 0).mean() < 0.001
    assert (one[1] is None and other[1] is None) or np.array_equal(one[1], other[1])


@pytest.mark.parametrize(("name", "task"), RUNS)
def test_an_entry_makes_what_its_pipeline_makes_also_after_a_cancel_in_mid_step(
    name: str, task: Task, models: dict[str, LoadedModel]
) -> None:
    model, sent = models[name], pictures(task)
    calls: list[int] = []
    steps: list[tuple[int, int]] = []

    def stop_in_the_second_step() -> None:
        calls.append(len(steps))
        if steps and calls.count(1) == 2:
            raise Cancelled("enough")

    def on_step(done: int, total: int) -> None:
        steps.append((done, total))

    with pytest.raises(Cancelled), checked(model.pipeline.blocks, stop_in_the_second_step):
        video(model, sent, on_step, seed=99)
    assert steps == [(1, 3)], "it stopped between two blocks of the second step"
    model.pipeline.release()
    steps.clear()
    frames, sound = made = video(model, sent, on_step, guidance_scale=5.0)
    assert steps == [(1, 3), (2, 3), (3, 3)]
    assert frames.shape == (model.entry.frames.default, 64, 64, 3)
    assert_equal(model.entry.family, made, plain(model, task, sent))
    assert frames.std() > 1
    assert (sound is not None and sound.std() > 0.01) == bool(model.entry.sound)


@pytest.mark.parametrize("name", UNGUIDED)
def test_each_family_makes_what_its_pipeline_makes_without_guidance(
    name: str, models: dict[str, LoadedModel]
) -> None:
    model = models[name]
    made = video(model, Pictures(), lambda _done, _total: None, guidance_scale=1.0)
    assert_equal(model.entry.family, made, plain(model, Task.text, Pictures(), guidance=1.0))


def test_every_entry_is_run() -> None:
    assert set(VARIANTS) | OF_PACKAGE == set(CATALOG.names())


def test_the_page_of_models_is_as_the_catalog_and_these_runs() -> None:
    text = models_page.PAGE.read_text()
    assert text == models_page.filled(text), "run: python -m tests.support.models_page"
