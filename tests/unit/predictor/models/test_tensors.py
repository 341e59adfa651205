"""Every tensor of a loaded model came from its file, and the index and the scheduler fit the family."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from eventing.contract.errors import InvalidRequest, ModelUnavailable
from eventing.contract.records.models import VideoRequest
from eventing.contract.records.pictures import Fit, Picture
from predictor.models.loading import load_model
from predictor.settings import PredictorSettings
from tests.unit.predictor.conftest import entry_of

TRANSFORMER = "transformer/diffusion_pytorch_model.safetensors"
TEXT = "text_encoder/model.safetensors"


@pytest.fixture
def folder(folders: dict[str, Path], tmp_path: Path) -> Path:
    """A copy that a test may break."""
    return Path(shutil.copytree(folders["wan"], tmp_path / "weights"))


def refused(folder: Path, **changes: Any) -> str:
    entry = entry_of("wan").model_copy(update=changes)
    with pytest.raises(ModelUnavailable) as refusal:
        load_model(entry, PredictorSettings(model_dir=folder, device="cpu"))
    return refusal.value.message


def rewritten(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("name", [TRANSFORMER, TEXT])
def test_a_tensor_that_is_missing_is_named_with_its_file(folder: Path, name: str) -> None:
    tensors = load_file(folder / name)
    lost = sorted(tensor for tensor in tensors if "norm" in tensor)[0]
    del tensors[lost]
    save_file(tensors, folder / name, metadata={"format": "pt"})
    message = refused(folder)
    assert str(folder / name) in message
    assert f"has no tensor {lost}" in message


@pytest.mark.parametrize("name", [TRANSFORMER, TEXT])
def test_a_tensor_too_many_is_named_with_its_file(folder: Path, name: str) -> None:
    save_file(load_file(folder / name) | {"stray.weight": torch.ones(1)}, folder / name, {"format": "pt"})
    message = refused(folder)
    assert str(folder / name) in message
    assert "has tensor stray.weight" in message


def test_tensors_of_another_model_are_counted(folder: Path) -> None:
    shutil.copy(folder / "vae/diffusion_pytorch_model.safetensors", folder / TRANSFORMER)
    message = refused(folder)
    assert str(folder / TRANSFORMER) in message
    assert " more, which WanTransformer3DModel needs" in message


def test_an_index_of_another_family_names_its_class(folder: Path) -> None:
    rewritten(folder / "model_index.json", _class_name="CogVideoXPipeline")
    message = refused(folder)
    assert f"{folder / 'model_index.json'} is of the class CogVideoXPipeline" in message
    assert "the family wan runs WanImageToVideoPipeline or WanPipeline" in message


def test_a_component_of_a_class_that_is_nowhere_is_named(folder: Path) -> None:
    rewritten(folder / "model_index.json", vae=["diffusers", "AutoencoderKLWand"])
    assert "vae is of the class AutoencoderKLWand, which diffusers does not have" in refused(folder)


def test_a_scheduler_of_another_class_than_the_index_says_is_named(folder: Path) -> None:
    path = folder / "scheduler/scheduler_config.json"
    rewritten(path, _class_name="FlowMatchEulerDiscreteScheduler")
    message = refused(folder)
    assert f"{path} is of the class FlowMatchEulerDiscreteScheduler" in message
    assert "names UniPCMultistepScheduler" in message


def test_a_scheduler_without_flow_matching_is_named(folder: Path) -> None:
    rewritten(folder / "model_index.json", scheduler=["diffusers", "DDIMScheduler"])
    path = folder / "scheduler/scheduler_config.json"
    path.write_text(json.dumps({"_class_name": "DDIMScheduler"}))
    assert f"{path} is of the class DDIMScheduler as it is set; this model needs one of flow" in refused(
        folder
    )


def test_a_flow_shift_reaches_the_scheduler_or_is_refused(folder: Path, folders: dict[str, Path]) -> None:
    entry = entry_of("wan").model_copy(update={"flow_shift": 7.5})
    pipeline: Any = load_model(entry, PredictorSettings(model_dir=folder, device="cpu")).pipeline
    assert pipeline.pipe.scheduler.config.flow_shift == 7.5
    other = entry_of("cogvideox").model_copy(update={"flow_shift": 7.5})
    with pytest.raises(ModelUnavailable, match="CogVideoXDDIMScheduler has no such option"):
        load_model(other, PredictorSettings(model_dir=folders["cogvideox"], device="cpu"))


def test_a_component_may_have_a_precision_of_its_own(folder: Path) -> None:
    entry = entry_of("wan").model_copy(update={"dtype": "bfloat16", "dtypes": {"text_encoder": "float32"}})
    pipeline: Any = load_model(entry, PredictorSettings(model_dir=folder, device="cpu")).pipeline
    dtypes = [pipeline.pipe.transformer.dtype, pipeline.pipe.text_encoder.dtype, pipeline.pipe.vae.dtype]
    assert dtypes == [torch.bfloat16, torch.float32, torch.float32]


def test_a_task_that_only_the_dispatchers_catalog_has_is_refused_before_any_work(folder: Path) -> None:
    entry = entry_of("wan")
    model = load_model(entry, PredictorSettings(model_dir=folder, device="cpu"))
    spec = entry.resolve(VideoRequest(prompt="x"))
    picture = Picture(
        uri="s3://b/a.png", sha256="0", bytes=1, width=spec.width, height=spec.height, fit=Fit.crop,
        source_width=1, source_height=1, source_sha256="0",
    )  # fmt: skip
    with pytest.raises(InvalidRequest, match="has no pipeline for image here; it has text") as refusal:
        model.pipeline.require_exact(spec.model_copy(update={"image": picture}))
    assert refusal.value.field == "image"


OWN = """
from predictor.models.pipelines import wan

class Family(wan.Family):
    \"\"\"A family of an operator.\"\"\"
"""


def test_a_family_may_be_a_module_of_the_operator(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_family.py").write_text(OWN)
    (tmp_path / "my_broken_family.py").write_text("import nothing_of_this_name\n")
    (tmp_path / "my_empty_family.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    entry = entry_of("wan").model_copy(update={"family": "mine"})
    settings = PredictorSettings(model_dir=folder, device="cpu")
    with pytest.raises(
        ModelUnavailable,
        match=r"family mine; known: cogvideox, .*openai-video with an engine, and those of REELZ",
    ):
        load_model(entry, settings)
    own = settings.model_copy(update={"families": "other=x,mine=my_family"})
    assert type(load_model(entry, own).pipeline).__module__ == "my_family"
    for module, words in {
        "my_broken_family": "cannot be imported",
        "my_empty_family": "no class Family",
    }.items():
        wrong = settings.model_copy(update={"families": f"mine={module}"})
        with pytest.raises(ModelUnavailable, match=rf"REELZERO_FAMILIES: the module {module} .*{words}"):
            load_model(entry, wrong)
