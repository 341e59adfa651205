"""A baked folder makes the same frames, is whole or not there, and carries its checksums."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from eventing.contract.errors import ModelUnavailable
from eventing.contract.storage.checksums import LOCK, compare
from predictor.models import bake
from predictor.models.loading import load_model
from predictor.settings import PredictorSettings
from tests.unit.predictor.conftest import entry_of
from tests.unit.predictor.models.test_pipelines import frames


@pytest.mark.parametrize("family", ["cogvideox", "wan"])
def test_a_baked_folder_makes_the_same_frames(folders: dict[str, Path], tmp_path: Path, family: str) -> None:
    entry = entry_of(family).model_copy(update={"dtypes": {"text_encoder": "bfloat16"}})
    source = PredictorSettings(model_dir=folders[family], device="cpu")
    baked = tmp_path / "baked"
    left = tmp_path / ".baked.part"  # of a run that was killed
    left.mkdir()
    (left / "junk").touch()
    count = bake.bake(entry, source, baked)
    assert not left.exists() and not (baked / "junk").exists()
    assert not compare(baked) and len((baked / LOCK).read_text().splitlines()) == count
    with safe_open(baked / "text_encoder" / "model.safetensors", "pt") as file:
        assert {file.get_slice(name).get_dtype() for name in file.keys()} == {"BF16"}  # noqa: SIM118
    assert (baked / "tokenizer" / "tokenizer.json").is_file()
    made = [frames(load_model(entry, PredictorSettings(model_dir=path, device="cpu")))
            for path in (folders[family], baked)]  # fmt: skip
    assert np.array_equal(*made)


def test_nothing_is_left_of_a_bake_that_fails(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = PredictorSettings(model_dir=folders["cogvideox"], device="cpu")

    def full(_folder: Path) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(bake, "write_lock", full)
        with pytest.raises(OSError, match="No space"):
            bake.bake(entry_of("cogvideox"), settings, tmp_path / "baked")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ModelUnavailable, match="exists: name a folder that does not"):
        bake.bake(entry_of("cogvideox"), settings, tmp_path)
