"""Step caches: on in the tiers that name one, fresh for each job, and without a trace in every other job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eventing.contract.catalog import CatalogEntry
from eventing.contract.errors import Cancelled, ModelUnavailable
from eventing.contract.records.models import GenerationSpec
from predictor.generation.attempt import make_attempt
from predictor.models.loading import LoadedModel, load_model
from predictor.models.pipelines import checked
from predictor.settings import PredictorSettings
from tests.unit.predictor.conftest import entry_of

CACHES: dict[str, dict[str, Any]] = {
    "low": {"method": "first_block", "threshold": 1.0},
    "medium": {"method": "first_block", "threshold": 0.3},
}
JOB = {"prompt": "a red circle", "seed": 4, "num_inference_steps": 8, "guidance_scale": 5.0}


def cached_entry(family: str, **caches: dict[str, Any]) -> CatalogEntry:
    """The entry of a tiny model, with these caches in its tiers."""
    entry = entry_of(family).model_dump()
    for quality, cache in caches.items():
        entry["quality"][quality]["step_cache"] = cache
    return CatalogEntry.model_validate(entry)


@pytest.fixture(scope="module", params=["wan", "mochi"])
def model(request: pytest.FixtureRequest, folders: dict[str, Path]) -> LoadedModel:
    settings = PredictorSettings(model_dir=folders[request.param], device="cpu")
    return load_model(cached_entry(request.param, **CACHES), settings)


def spec_of(model: LoadedModel, quality: str, **fields: Any) -> GenerationSpec:
    return make_attempt(model.entry, JOB | {"quality": quality} | fields).spec


def latents(model: LoadedModel, spec: GenerationSpec) -> Any:
    embeds = model.pipeline.encode_prompt(spec)
    return model.pipeline.denoise(spec, embeds, lambda _done, _total: None).numpy()


@pytest.mark.parametrize("quality", CACHES)
def test_a_cache_is_fresh_for_each_job_and_off_for_those_without(quality: str, model: LoadedModel) -> None:
    exact = latents(model, spec_of(model, "high"))
    spec = spec_of(model, quality)
    once = latents(model, spec)
    assert once.shape == exact.shape and np.isfinite(once).all()
    assert not np.array_equal(once, exact), "the cache saved work"
    longer = spec_of(model, quality, num_frames=model.entry.frames.default + model.entry.frames.multiple)
    assert latents(model, longer).shape != once.shape
    assert np.array_equal(latents(model, spec), once)
    assert np.array_equal(latents(model, spec_of(model, "high")), exact)


def test_a_cache_of_a_job_that_was_stopped_is_gone(model: LoadedModel) -> None:
    exact, calls = latents(model, spec_of(model, "high")), []

    def stop() -> None:
        calls.append(1)
        if len(calls) == 12:
            raise Cancelled("enough")

    once = latents(model, spec_of(model, "medium"))
    with pytest.raises(Cancelled), checked(model.pipeline.blocks, stop):
        latents(model, spec_of(model, "medium", seed=9))
    assert np.array_equal(latents(model, spec_of(model, "high")), exact)
    assert np.array_equal(latents(model, spec_of(model, "medium")), once)


def test_a_spec_names_its_cache_and_so_does_the_manifest_that_holds_it(model: LoadedModel) -> None:
    cache = spec_of(model, "medium").step_cache
    assert cache is not None and (cache.method, cache.threshold) == ("first_block", 0.3)
    assert spec_of(model, "high").step_cache is None


@pytest.mark.parametrize(
    ("family", "quality"),
    [("ltx2", "low"), ("hunyuan15", "medium")],  # no such blocks are known to diffusers; one block alone
)
def test_a_cache_that_the_model_cannot_use_is_named_at_the_start(
    family: str, quality: str, folders: dict[str, Path]
) -> None:
    entry = cached_entry(family, **{quality: CACHES["medium"]})
    with pytest.raises(ModelUnavailable, match=rf"quality\.{quality}\.step_cache: first_block, which \w+"):
        load_model(entry, PredictorSettings(model_dir=folders[family], device="cpu"))


def test_several_gpus_and_the_exact_tier_have_no_cache() -> None:
    with pytest.raises(ValueError, match=r"quality\.high\.step_cache: must be absent"):
        cached_entry("wan", high=CACHES["medium"])
    entry = cached_entry("wan", low=CACHES["low"]).model_dump()
    with pytest.raises(ValueError, match=r"quality\.low\.step_cache: must be absent where gpus"):
        CatalogEntry.model_validate(entry | {"gpus": 2})
