"""What is special to a family: its options, its precision, its VAE, its scheduler."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import FlowMatchHeunDiscreteScheduler, HeunDiscreteScheduler

from eventing.contract.catalog import CatalogEntry, Task
from eventing.contract.errors import BrokenFrames
from eventing.contract.records.models import VideoRequest
from predictor.generation.attempt import make_attempt
from predictor.models import tiny
from predictor.models.loading import LoadedModel, load_model
from predictor.models.pipelines import checked
from predictor.settings import PredictorSettings
from tests.unit.predictor.conftest import entry_of
from tests.unit.predictor.models.variants import pictures

FIELDS = {"prompt": "a red circle", "negative_prompt": "grey", "seed": 4, "num_inference_steps": 3}


def load(family: str, folder: Path) -> LoadedModel:
    return load_model(entry_of(family), PredictorSettings(model_dir=folder, device="cpu"))


def frames(model: LoadedModel, on_step: Any = lambda _done, _total: None, **fields: Any) -> Any:
    spec = make_attempt(model.entry, FIELDS | fields).spec
    embeds = model.pipeline.encode_prompt(spec)
    return model.pipeline.decode(spec, model.pipeline.denoise(spec, embeds, on_step))


@pytest.mark.parametrize("kind", ["LTXPipeline", "LTXImageToVideoPipeline"])
def test_the_older_pipelines_of_ltx_make_what_they_make_in_one_call(kind: str, folders: Any) -> None:
    task = Task.text if kind == "LTXPipeline" else Task.image
    sent = pictures(task)
    entry = CatalogEntry.model_validate(entry_of("ltx").model_dump() | {"tasks": {task: kind}})
    model = load_model(entry, PredictorSettings(model_dir=folders["ltx"], device="cpu"))
    address = {} if sent.image is None else {"image": "https://x.test/a.png"}  # fetched by eventing only
    spec = entry.resolve(VideoRequest.model_validate(FIELDS | {"guidance_scale": 5.0} | address))
    embeds = model.pipeline.encode_prompt(spec)
    latents = model.pipeline.denoise(spec, embeds, lambda _done, _total: None, sent)
    whole = model.pipeline.pipe(  # type: ignore[attr-defined]
        prompt=FIELDS["prompt"],
        negative_prompt=FIELDS["negative_prompt"],
        height=64,
        width=64,
        num_frames=entry.frames.default,
        num_inference_steps=3,
        guidance_scale=5.0,
        generator=torch.Generator("cpu").manual_seed(4),
        max_sequence_length=entry.max_prompt_tokens,
        frame_rate=entry.fps,
        output_type="np",
        **({} if sent.image is None else {"image": sent.image}),
    ).frames[0]
    assert np.array_equal(model.pipeline.decode(spec, latents), (whole * 255).round().astype(np.uint8))


@pytest.mark.parametrize("asked", [1, 2, 3, 10])
@pytest.mark.parametrize(
    ("family", "scheduler"),
    [
        ("cogvideox", HeunDiscreteScheduler),
        ("wan", FlowMatchHeunDiscreteScheduler),
    ],
)
def test_a_scheduler_that_calls_back_twice_per_step_reports_no_step_past_the_last(
    family: str, scheduler: type[Any], asked: int, folders: dict[str, Path]
) -> None:
    model = load(family, folders[family])
    model.pipeline.scheduler = scheduler()  # type: ignore[attr-defined]
    steps: list[tuple[int, int]] = []
    frames(model, lambda done, total: steps.append((done, total)), num_inference_steps=asked)
    assert {total for _, total in steps} == {asked}
    done = [step for step, _ in steps]
    assert done == sorted(done)
    assert (min(done) >= 0, max(done)) == (True, asked)


@pytest.mark.parametrize("family", tiny.BUILDERS)
def test_a_decode_can_be_stopped_between_its_chunks(family: str, folders: Any) -> None:
    calls = []
    model = load(family, folders[family])
    with checked(model.pipeline.vae_decoder.modules(), lambda: calls.append(1)):
        frames(model)
    before = len(calls)
    frames(model)
    assert len(calls) == before > 0, "the check ends with its stage"


def test_an_ltx_vae_that_wants_noise_gets_other_noise_than_the_first(tmp_path: Path) -> None:
    torch.manual_seed(0)
    tiny.ltx(conditioned=True).save_pretrained(tmp_path)
    model = load("ltx", tmp_path)
    assert np.array_equal(frames(model), frames(model))
    assert not np.array_equal(frames(model), frames(model, seed=5))


def test_frames_that_are_not_numbers_are_named_so(folders: Any) -> None:
    model = load("cogvideox", folders["cogvideox"])
    with torch.no_grad():
        model.pipeline.pipe.vae.decoder.conv_out.conv.bias.fill_(float("nan"))  # type: ignore[attr-defined]
    with pytest.raises(BrokenFrames, match="pixels"):
        frames(model)


def test_the_catalogs_options_reach_the_pipeline(folders: Any) -> None:
    entry = entry_of("cogvideox").model_copy(update={"vae_tiling": True, "dtype": "bfloat16"})
    model = load_model(entry, PredictorSettings(model_dir=folders["cogvideox"], device="cpu"))
    pipe = model.pipeline.pipe  # type: ignore[attr-defined]
    assert pipe.vae.use_tiling
    assert pipe.transformer.dtype == pipe.text_encoder.dtype == torch.bfloat16
    assert frames(model).shape == (9, 64, 64, 3)


def test_wans_vae_stays_in_full_precision(folders: Any) -> None:
    entry = entry_of("wan").model_copy(update={"dtype": "bfloat16"})
    model = load_model(entry, PredictorSettings(model_dir=folders["wan"], device="cpu"))
    pipe = model.pipeline.pipe  # type: ignore[attr-defined]
    assert (pipe.vae.dtype, pipe.transformer.dtype) == (torch.float32, torch.bfloat16)
    assert frames(model).shape == (5, 64, 64, 3)
