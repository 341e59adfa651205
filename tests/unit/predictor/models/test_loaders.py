"""Weights that another library reads are those that safetensors maps; one that fails is a warning."""

from __future__ import annotations

import logging
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from predictor.models.loading import LoadedModel, load_model
from predictor.settings import PredictorSettings
from tests.unit.predictor.conftest import entry_of

MODULES = {
    "runai": "runai_model_streamer",
    "fastsafetensors": "fastsafetensors",
    "instanttensor": "instanttensor",
}
WARNING = "weights are mapped to their files: the loader failed"


def load(folder: Path, loader: Any = "mapped") -> LoadedModel:
    settings = PredictorSettings(model_dir=folder, device="cpu", weights_loader=loader)
    return load_model(entry_of("cogvideox"), settings)


def tensors(model: LoadedModel) -> dict[str, torch.Tensor]:
    """All weights, those of the text encoder too."""
    parts: dict[str, Any] = model.pipeline.pipe.components  # type: ignore[attr-defined]
    modules = {name: part for name, part in parts.items() if isinstance(part, torch.nn.Module)}
    assert "text_encoder" in modules
    return {
        f"{name} {key}": value for name, part in modules.items() for key, value in part.state_dict().items()
    }


def assert_same(one: LoadedModel, other: LoadedModel) -> None:
    left, right = tensors(one), tensors(other)
    assert left.keys() == right.keys()
    assert all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.parametrize("loader", ["runai", "fastsafetensors"])
def test_a_library_reads_the_weights_that_are_mapped_without_it(
    loader: str, folders: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    if find_spec(MODULES[loader]) is None:
        pytest.skip(f"pip install {loader.replace('runai', 'runai-model-streamer')} for this test")
    model = load(folders["cogvideox"], loader)
    assert WARNING not in caplog.text
    assert_same(model, load(folders["cogvideox"]))


@pytest.mark.parametrize("loader", MODULES)
@pytest.mark.parametrize("broken", [None, ModuleType("another_version")], ids=["missing", "another version"])
def test_a_library_that_is_missing_or_of_another_version_is_one_warning(
    loader: str,
    broken: ModuleType | None,
    folders: dict[str, Path],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, MODULES[loader], broken)
    with caplog.at_level(logging.WARNING):
        model = load(folders["cogvideox"], loader)
    (warning,) = [record for record in caplog.records if record.getMessage() == WARNING]
    assert str(getattr(warning, "loader", "")).startswith(MODULES[loader].replace("_", "-"))
    assert "Error" in str(getattr(warning, "cause", ""))
    assert_same(model, load(folders["cogvideox"]))
