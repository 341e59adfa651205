"""Adapters: on for the jobs that name them and for no other, whole or refused with the file's name."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
import torch
from diffusers import UniPCMultistepScheduler, WanPipeline
from safetensors.numpy import load_file, save_file

from eventing.contract.catalog import CatalogEntry, LoraEntry, Tier
from eventing.contract.codecs.stream import CompletedRecord, FailedRecord, InlineVideo, ProgressRecord
from eventing.contract.errors import AdapterUnavailable
from eventing.contract.records.models import Quality, Stage
from predictor.device.worker import Worker
from predictor.models.loading import load_model
from predictor.models.loras import find
from predictor.settings import PredictorSettings
from tests.support import adapters
from tests.unit.predictor import running
from tests.unit.predictor.conftest import entry_of
from tests.unit.predictor.models import variants

STYLE, OTHER = {"name": "style", "scale": 0.5}, {"name": "other"}
COMMIT = "a" * 40
NOISE = {"prompt": "a red circle", "seed": 4, "num_inference_steps": 3}


def with_adapters(entry: CatalogEntry, *loras: LoraEntry, turbo: Tier | None = None) -> CatalogEntry:
    tiers = entry.quality.model_copy(update={"turbo": turbo})
    return entry.model_copy(update={"quality": tiers}).among({lora.name: lora for lora in loras})


async def started(entry: CatalogEntry, weights: Path) -> Worker:
    settings = PredictorSettings(model_dir=weights, device="cpu", mark="off", torch_threads=1)
    worker = Worker(entry, settings, load_model)
    worker.begin()
    await running.until(lambda: worker.ready or bool(worker.cause and "loading" not in worker.cause))
    assert worker.ready, worker.cause
    return worker


async def made(worker: Worker, **fields: Any) -> InlineVideo:
    record = await running.finish(worker.take(running.attempt(worker.entry, **NOISE | fields)))
    assert isinstance(record, CompletedRecord) and record.inline, record
    return record.inline


async def refused(worker: Worker, **fields: Any) -> FailedRecord:
    record = await running.finish(worker.take(running.attempt(worker.entry, **NOISE | fields)))
    assert isinstance(record, FailedRecord)
    return record


@pytest.fixture(scope="module")
def wan(folders: dict[str, Path]) -> Path:
    return folders["wan"]


@pytest.fixture(scope="module")
def files(wan: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two adapters for the tiny Wan."""
    folder = tmp_path_factory.mktemp("adapters")
    adapters.write_adapter(wan / "transformer", folder / "style.safetensors", 1)
    adapters.write_adapter(wan / "transformer", folder / "other.safetensors", 2, ["to_q", "proj_out"])
    return folder


@pytest.fixture
async def worker(wan: Path, files: Path) -> AsyncIterator[Worker]:
    style = adapters.entry("style", files / "style.safetensors", scale={"min": 0, "max": 2, "default": 1})
    other = adapters.entry("other", files / "other.safetensors")
    fast = Tier.model_validate({"steps": 2, "guidance": 1, "flow_shift": 5, "loras": [STYLE]})
    yield await started(with_adapters(entry_of("wan"), style, other, turbo=fast), wan)


async def test_an_adapter_is_on_for_the_jobs_that_name_it(worker: Worker, files: Path) -> None:
    plain = await made(worker)
    styled = await made(worker, loras=[STYLE])
    assert (await made(worker)).sha256 == plain.sha256 != styled.sha256
    assert (await made(worker, loras=[STYLE])).sha256 == styled.sha256
    both = await made(worker, loras=[STYLE, OTHER])
    assert (await made(worker, loras=[OTHER])).sha256 not in (both.sha256, styled.sha256, plain.sha256)
    assert (await made(worker, loras=[STYLE])).sha256 == styled.sha256
    assert (await made(worker, loras=[STYLE | {"scale": 2}])).sha256 != styled.sha256
    assert (await made(worker)).sha256 == plain.sha256
    sha256 = hashlib.sha256((files / "style.safetensors").read_bytes()).hexdigest()
    assert [lora.model_dump() for lora in styled.loras or ()] == [
        {"name": "style", "scale": 0.5, "revision": "local", "sha256": {"style.safetensors": sha256}}
    ]
    assert [(lora.name, lora.scale) for lora in both.loras or ()] == [("style", 0.5), ("other", 1.0)]
    assert plain.loras is None


async def test_an_adapter_is_off_after_a_job_that_was_cancelled_or_failed(worker: Worker) -> None:
    plain = await made(worker)
    run = worker.take(running.attempt(worker.entry, **NOISE | {"loras": [STYLE], "num_inference_steps": 200}))
    async for record in run.records(heartbeat=running.SOON):
        if isinstance(record, ProgressRecord) and record.progress.stage is Stage.denoise:
            run.cancel()
    assert isinstance(record, FailedRecord) and record.error.code == "cancelled"
    await running.until(lambda: not worker.busy)
    assert (await made(worker)).sha256 == plain.sha256


async def test_a_tier_has_the_adapter_and_the_steps_that_it_was_trained_for(
    worker: Worker, wan: Path, files: Path
) -> None:
    fields = {"num_inference_steps": None, "quality": "turbo"}
    fast = await made(worker, **fields)
    assert [(lora.name, lora.scale) for lora in fast.loras or ()] == [("style", 0.5)]
    assert (await made(worker, quality="low")).loras is None
    stronger = await made(worker, **fields, loras=[STYLE | {"scale": 1.5}, OTHER])
    assert [(lora.name, lora.scale) for lora in stronger.loras or ()] == [("style", 1.5), ("other", 1.0)]
    spec = running.attempt(worker.entry, **NOISE | fields).spec
    assert (spec.quality, spec.num_inference_steps, spec.flow_shift) == (Quality.turbo, 2, 5.0)


def test_frames_with_an_adapter_are_those_of_one_call_of_diffusers(wan: Path, files: Path) -> None:
    style = adapters.entry("style", files / "style.safetensors")
    fast = Tier.model_validate({"steps": 3, "guidance": 3, "flow_shift": 5, "loras": [STYLE]})
    entry = with_adapters(entry_of("wan"), style, turbo=fast)
    model = load_model(entry, PredictorSettings(model_dir=wan, device="cpu"))
    spec = running.attempt(entry, **NOISE, quality="turbo").spec
    model.loras.turn_on(spec, model.pipeline.adapt)
    latents = model.pipeline.denoise(spec, model.pipeline.encode_prompt(spec), lambda _done, _total: None)
    pipe = WanPipeline.from_pretrained(wan, local_files_only=True)
    pipe.scheduler = UniPCMultistepScheduler.from_config(pipe.scheduler.config, flow_shift=5.0)
    pipe.load_lora_weights(files, weight_name="style.safetensors", adapter_name="style")
    pipe.set_adapters(["style"], [0.5])
    whole = pipe(
        prompt=spec.prompt, negative_prompt=spec.negative_prompt, num_inference_steps=3, guidance_scale=3.0,
        width=spec.width, height=spec.height, num_frames=spec.num_frames, output_type="np",
        max_sequence_length=entry.max_prompt_tokens, generator=torch.Generator("cpu").manual_seed(4),
    ).frames[0]  # fmt: skip
    assert np.array_equal(model.pipeline.decode(spec, latents), (whole * 255).round().astype(np.uint8))


async def test_an_adapter_of_two_files_is_on_in_both_transformers(tmp_path: Path) -> None:
    weights = variants.build("wan2.2-t2v-a14b", tmp_path / "weights")
    high = adapters.write_adapter(weights / "transformer", tmp_path / "high.safetensors", 1)
    adapters.write_adapter(weights / "transformer_2", tmp_path / "low.safetensors", 2)
    own = variants.small("wan2.2-t2v-a14b")
    first = adapters.entry("first", high, own.name)
    pair = adapters.entry("pair", high, own.name, file_2="low.safetensors")
    worker = await started(with_adapters(own, first, pair), weights)
    fields = {"num_inference_steps": 6}
    shas = [
        (await made(worker, **fields, loras=loras)).sha256
        for loras in ([], [{"name": "first"}], [{"name": "pair"}], [{"name": "first"}], [])
    ]
    assert shas[0] == shas[4] and shas[1] == shas[3] and len(set(shas)) == 3
    used = (await made(worker, **fields, loras=[{"name": "pair"}])).loras
    assert used and set(used[0].sha256) == {"high.safetensors", "low.safetensors"}


async def test_a_file_with_the_names_of_other_trainers_is_converted_whole(
    wan: Path, files: Path, tmp_path: Path
) -> None:
    names = {"attn1.to_q": "self_attn.q", "attn1.to_v": "self_attn.v", "attn2.to_q": "cross_attn.q"}
    names |= {"attn2.to_v": "cross_attn.v", "ffn.net.2": "ffn.2", "lora_A": "lora_down", "lora_B": "lora_up"}
    tensors = {}
    for name, tensor in load_file(files / "style.safetensors").items():
        renamed = name.replace("transformer.", "diffusion_model.")
        for own, other in names.items():
            renamed = renamed.replace(own, other)
        tensors[renamed] = tensor
    alphas = {f"{name.removesuffix('.lora_down.weight')}.alpha" for name in tensors if "lora_down" in name}
    tensors |= {name: np.array(4, np.float32) for name in alphas}  # that of the rank: a factor of 1
    norm = "diffusion_model.blocks.0.self_attn.norm_q.diff"
    save_file(tensors | {norm: np.zeros(24, np.float32)}, tmp_path / "zero.safetensors")
    save_file(tensors | {norm: np.ones(24, np.float32)}, tmp_path / "norm.safetensors")
    loras = [adapters.entry(name, tmp_path / f"{name}.safetensors") for name in ("zero", "norm")]
    style = adapters.entry("style", files / "style.safetensors")
    worker = await started(with_adapters(entry_of("wan"), style, *loras), wan)
    styled = await made(worker, loras=[{"name": "style"}])
    assert (await made(worker, loras=[{"name": "zero"}])).sha256 == styled.sha256
    error = (await refused(worker, loras=[{"name": "norm"}])).error
    assert f"norm.safetensors has tensor {norm}, which WanPipeline does not know" in error.message


async def test_a_file_that_is_missing_or_does_not_fit_is_named_and_harms_no_other_job(
    wan: Path, files: Path, tmp_path: Path
) -> None:
    whole = (files / "style.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[:-10])
    some = np.ones((2, 2), np.float32)
    extra = {f"transformer.nowhere.to_q.lora_{side}.weight": some.copy() for side in "AB"}
    transformer = wan / "transformer"
    adapters.write_adapter(transformer, tmp_path / "more.safetensors", more=extra)
    adapters.write_adapter(
        transformer, tmp_path / "text.safetensors", more={"text_encoder.q.lora_A.weight": some}
    )
    wide = {"transformer.blocks.0.attn1.to_k.lora_A.weight": np.ones((4, 7), np.float32)}
    wide["transformer.blocks.0.attn1.to_k.lora_B.weight"] = np.ones((24, 4), np.float32)
    adapters.write_adapter(transformer, tmp_path / "wide.safetensors", more=wide)
    dora = {"transformer.blocks.0.attn1.to_q.dora_scale": np.ones(24, np.float32)}
    adapters.write_adapter(transformer, tmp_path / "dora.safetensors", more=dora)
    words = {
        "absent": "absent.safetensors is missing",
        "cut": "cut.safetensors is corrupt or incomplete",
        "more": "more.safetensors has tensor transformer.nowhere.to_q.lora_A.weight, transformer.nowhere",
        "text": "text.safetensors has tensor text_encoder.q.lora_A.weight, which WanPipeline does not know",
        "wide": "wide.safetensors",
        "dora": "dora.safetensors has tensor transformer.blocks.0.attn1.to_q.dora_scale",
    }
    loras = [adapters.entry(name, tmp_path / f"{name}.safetensors") for name in words]
    style = adapters.entry("style", files / "style.safetensors")
    worker = await started(with_adapters(entry_of("wan"), style, *loras), wan)
    plain, styled = await made(worker), await made(worker, loras=[STYLE])
    for name, sentence in words.items():
        for _ in range(2):
            error = (await refused(worker, loras=[STYLE, {"name": name}])).error
            assert (error.code, error.retryable) == ("adapter_unavailable", False)
            assert sentence in error.message and f"the adapter {name} cannot be used: " in error.message
        assert (await made(worker)).sha256 == plain.sha256, name
    assert (await made(worker, loras=[STYLE])).sha256 == styled.sha256
    for name in ("absent", "more"):  # the operator mends them
        file = adapters.write_adapter(transformer, tmp_path / f"{name}.safetensors", 9)
        mended = await made(worker, loras=[{"name": name}])
        assert mended.sha256 not in (plain.sha256, styled.sha256)
        (used,) = mended.loras or ()
        assert used.sha256 == {file.name: hashlib.sha256(file.read_bytes()).hexdigest()}


def test_an_adapter_of_a_repository_comes_from_the_cache_with_its_commit(
    wan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    place = {"folder": None, "repository": "someone/ink", "revision": COMMIT}
    local = adapters.entry("ink", Path("/low/ink.safetensors")).model_dump()
    ink = LoraEntry.model_validate(local | place | {"file": "low/ink.safetensors"})
    with pytest.raises(AdapterUnavailable, match=f"low/ink.safetensors of someone/ink at {COMMIT} is not in"):
        find(ink, allow_download=False)
    cached = tmp_path / "models--someone--ink" / "snapshots" / COMMIT / "low" / "ink.safetensors"
    adapters.write_adapter(wan / "transformer", cached)
    files = find(ink, allow_download=False)
    assert (files.revision, set(files.paths.values())) == (COMMIT, {cached})
    assert files.sha256 == {"low/ink.safetensors": hashlib.sha256(cached.read_bytes()).hexdigest()}


def test_a_family_whose_pipeline_loads_no_adapters_says_so(folders: dict[str, Path], files: Path) -> None:
    style = adapters.entry("style", files / "style.safetensors")
    entry = with_adapters(entry_of("hunyuan15"), style)
    model = load_model(entry, PredictorSettings(model_dir=folders["hunyuan15"], device="cpu"))
    spec = running.attempt(entry, **NOISE, loras=[STYLE]).spec
    with pytest.raises(AdapterUnavailable, match="HunyuanVideo15Pipeline takes no adapter"):
        model.loras.turn_on(spec, model.pipeline.adapt)
