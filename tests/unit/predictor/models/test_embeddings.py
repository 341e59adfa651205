"""A prompt is encoded once: the next job with it makes the same frames, and no text gets those of another."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from eventing.contract.records.models import GenerationSpec
from predictor.generation.attempt import make_attempt
from predictor.models import tiny
from predictor.models.loading import LoadedModel, load_model
from predictor.models.pipelines import embeddings
from predictor.settings import PredictorSettings
from tests.unit.predictor.conftest import entry_of

JOB = {"prompt": 'a red "HI"', "negative_prompt": "grey", "seed": 4, "num_inference_steps": 2}


@pytest.fixture
def model(request: pytest.FixtureRequest, folders: dict[str, Path]) -> LoadedModel:
    family: str = getattr(request, "param", "wan")
    return load_model(entry_of(family), PredictorSettings(model_dir=folders[family], device="cpu"))


def spec_of(model: LoadedModel, **fields: Any) -> GenerationSpec:
    return make_attempt(model.entry, JOB | {"guidance_scale": 5.0} | fields).spec


@contextmanager
def encodings(model: LoadedModel) -> Iterator[list[int]]:
    """The runs of the first text encoder: one item each."""
    runs: list[int] = []
    encoder = model.pipeline.pipe.text_encoder  # type: ignore[attr-defined]
    hook = encoder.register_forward_pre_hook(lambda _module, _inputs: runs.append(1))
    yield runs
    hook.remove()


def frames(model: LoadedModel, spec: GenerationSpec) -> Any:
    embeds = model.pipeline.encode_prompt(spec)
    return model.pipeline.decode(spec, model.pipeline.denoise(spec, embeds, lambda _done, _total: None))


def assert_equal(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Assert equal tensors, to the last bit; one that is absent and one that is None are the same."""
    for name in one.keys() | other.keys():
        mine, theirs = one.get(name), other.get(name)
        assert (mine is None and theirs is None) or torch.equal(mine, theirs), name  # type: ignore[arg-type]


@pytest.mark.parametrize("model", tiny.BUILDERS, indirect=True)
def test_a_prompt_that_was_encoded_before_makes_the_same_frames_without_the_text_encoder(
    model: LoadedModel,
) -> None:
    spec = spec_of(model)
    with encodings(model) as runs:
        first = frames(model, spec)
        assert len(runs) == 2
        assert np.array_equal(frames(model, spec), first)
        assert len(runs) == 2, "both texts were kept"
        other = model.pipeline.encode_prompt(spec_of(model, prompt="a cat"))
        assert len(runs) == 3, "the negative prompt was kept"
        swapped = model.pipeline.encode_prompt(spec_of(model, prompt="grey", negative_prompt="a cat"))
        assert len(runs) == 5, "a prompt is no negative prompt"
        unguided = model.pipeline.encode_prompt(spec_of(model, guidance_scale=1.0))
        assert len(runs) == 5
    again = load_model(model.entry, PredictorSettings(model_dir=_folder(model), device="cpu")).pipeline
    assert_equal(again.encode_prompt(spec_of(model, guidance_scale=1.0)), unguided)
    assert_equal(again.encode_prompt(spec_of(model, prompt="grey", negative_prompt="a cat")), swapped)
    assert_equal(again.encode_prompt(spec_of(model, prompt="a cat")), other)


def _folder(model: LoadedModel) -> Path:
    return Path(model.pipeline.pipe.config._name_or_path)  # type: ignore[attr-defined]


def test_what_a_job_does_to_its_embeddings_reaches_no_other_job(model: LoadedModel) -> None:
    spec = spec_of(model)
    whole = frames(model, spec)
    for _ in range(2):
        with torch.inference_mode():  # as the pipelines do
            for tensor in model.pipeline.encode_prompt(spec).values():
                tensor.zero_()
    assert np.array_equal(frames(model, spec), whole)


def test_an_adapter_of_the_text_encoder_is_in_every_embedding_and_in_none_after_it(
    model: LoadedModel,
) -> None:
    from peft import LoraConfig

    encoder = model.pipeline.pipe.text_encoder  # type: ignore[attr-defined]
    spec = spec_of(model)
    plain = model.pipeline.encode_prompt(spec)
    embeds = []
    for seed in (1, 2):  # two adapters of one name: an operator mends a file
        torch.manual_seed(seed)
        encoder.add_adapter(
            LoraConfig(target_modules=["q", "v"], init_lora_weights=False), adapter_name="ink"
        )
        embeds.append(model.pipeline.encode_prompt(spec)["prompt_embeds"])
        encoder.delete_adapter("ink")
    assert not torch.equal(embeds[0], plain["prompt_embeds"])
    assert not torch.equal(embeds[0], embeds[1])
    assert_equal(model.pipeline.encode_prompt(spec), plain)


def test_the_oldest_prompts_are_dropped_and_never_the_usual_negative_one(
    model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = model.entry.negative_prompt
    embeds = model.pipeline.encode_prompt(spec_of(model))
    one = embeds["prompt_embeds"].nbytes
    monkeypatch.setattr(embeddings, "LIMIT", 4 * one)
    with encodings(model) as runs:
        for number in range(10):
            model.pipeline.encode_prompt(spec_of(model, prompt=f"cat {number}", negative_prompt=usual))
        assert len(runs) == 11
        for number in (9, 8, 7):
            model.pipeline.encode_prompt(spec_of(model, prompt=f"cat {number}", negative_prompt=usual))
        assert len(runs) == 11
        model.pipeline.encode_prompt(spec_of(model, prompt="cat 6", negative_prompt=usual))
        assert len(runs) == 12
        monkeypatch.setattr(embeddings, "LIMIT", one)
        for _ in range(2):  # too large to be kept beside the negative one
            model.pipeline.encode_prompt(spec_of(model, prompt="a dog", negative_prompt=usual))
        assert len(runs) == 14


def test_the_memory_is_flat_over_two_hundred_jobs(
    model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(jobs: range) -> tuple[int, int]:
        """Run jobs, two with each prompt, one in ten with its steps; count what they leave behind."""
        for number in jobs:
            spec = spec_of(model, prompt=f"cat {number // 2}", num_inference_steps=1, guidance_scale=1.0)
            embeds = model.pipeline.encode_prompt(spec)
            if number % 10 == 0:
                model.pipeline.denoise(spec, embeds, lambda _done, _total: None)
            model.pipeline.release()
        gc.collect()
        kinds = [type(one) for one in gc.get_objects()]
        return sum(issubclass(kind, torch.Tensor) for kind in kinds), len(kinds)

    monkeypatch.setattr(embeddings, "LIMIT", 20_000)  # full after ten
    run(range(20))
    gc.freeze()  # what there is already is not counted
    try:
        tensors, objects = run(range(20, 220))
    finally:
        gc.unfreeze()
    assert tensors <= 20 and objects <= 400, "kept for the latest ten prompts"
