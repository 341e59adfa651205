"""Every fault of a model folder is a message that names the file; and the order of places for weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub._local_folder import write_download_metadata
from safetensors.torch import load_file, save_file

from eventing.contract.catalog import CatalogEntry
from eventing.contract.errors import ModelUnavailable
from eventing.contract.storage.weights import check_folder, check_safetensors
from predictor.models import loading, tiny
from predictor.models.devices import pick_device
from predictor.models.loading import find_folder, load_model
from predictor.settings import PredictorSettings

FILES = [
    "model_index.json",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "text_encoder/model.safetensors",
    "tokenizer/tokenizer_config.json",
    "transformer/config.json",
    "transformer/diffusion_pytorch_model.safetensors",
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
]


@pytest.fixture
def folder(folders: dict[str, Path], tmp_path: Path) -> Path:
    """A copy that a test may break."""
    return Path(shutil.copytree(folders["cogvideox"], tmp_path / "weights"))


@pytest.mark.parametrize("family", tiny.BUILDERS)
def test_a_whole_folder_passes(folders: dict[str, Path], family: str) -> None:
    check_folder(folders[family])


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelUnavailable, match="is missing") as error:
        check_folder(folder)
    assert str(folder / name) in error.value.message


@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_in_half_is_named(folder: Path, name: str) -> None:
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelUnavailable) as error:
        check_folder(folder)
    assert str(folder / name) in error.value.message


@pytest.mark.parametrize("name", ["vae", "tokenizer", "scheduler"])
def test_a_missing_component_is_named(folder: Path, name: str) -> None:
    shutil.rmtree(folder / name)
    with pytest.raises(ModelUnavailable, match="is missing") as error:
        check_folder(folder)
    assert str(folder / name) in error.value.message


def test_a_tokenizer_without_its_words_is_named(folder: Path) -> None:
    (folder / "tokenizer" / "tokenizer.json").unlink()
    with pytest.raises(ModelUnavailable, match="tokenizer has no tokenizer"):
        check_folder(folder)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="absent is missing"):
        check_folder(tmp_path / "absent")


@pytest.mark.parametrize(
    "body",
    [b"", b"\x00" * 8, b"\xff" * 8, b"\x05" + b"\x00" * 7 + b"[1,2]", b"not a safetensors file at all"],
)
def test_a_file_that_is_no_safetensors_is_corrupt(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(body)
    with pytest.raises(ModelUnavailable, match=r"model\.safetensors is corrupt"):
        check_safetensors(path)


def test_every_shard_of_an_index_is_checked(folder: Path) -> None:
    vae = folder / "vae"
    tensors = load_file(vae / "diffusion_pytorch_model.safetensors")
    (vae / "diffusion_pytorch_model.safetensors").unlink()
    names = sorted(tensors)
    halves = {"one.safetensors": names[::2], "two.safetensors": names[1::2]}
    for shard, keys in halves.items():
        save_file({key: tensors[key] for key in keys}, vae / shard)
    weight_map = {key: shard for shard, keys in halves.items() for key in keys}
    index = vae / "diffusion_pytorch_model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    check_folder(folder)
    (vae / "two.safetensors").unlink()
    with pytest.raises(ModelUnavailable, match=r"two\.safetensors is missing"):
        check_folder(folder)
    index.write_text("{}")
    with pytest.raises(ModelUnavailable, match=r"index\.json names no shards"):
        check_folder(folder)


def test_weights_that_do_not_fit_their_config_are_unavailable(folder: Path, entry: CatalogEntry) -> None:
    path = folder / "vae" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(path)
    name = next(iter(tensors))
    save_file(tensors | {name: torch.zeros(1)}, path)
    with pytest.raises(ModelUnavailable, match="could not be loaded as cogvideox") as error:
        load_model(entry, PredictorSettings(model_dir=folder, device="cpu"))
    assert error.value.__cause__ is not None


def test_the_folder_given_comes_first(entry: CatalogEntry, tmp_path: Path) -> None:
    settings = PredictorSettings(model_dir=tmp_path)
    bundled = entry.model_copy(update={"bundled": "demo", "repository": "some/where"})
    assert find_folder(bundled, settings) == (tmp_path, "local")


def test_a_given_folder_is_of_the_commit_it_was_downloaded_at_or_of_none_we_know(
    entry: CatalogEntry, tmp_path: Path
) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    hub = entry.model_copy(update={"repository": "some/model", "revision": "main"})
    settings = PredictorSettings(model_dir=tmp_path)
    assert find_folder(hub, settings) == (tmp_path, "local")
    (tmp_path / "model_index.json").write_text("{}")
    write_download_metadata(tmp_path, "model_index.json", commit, "etag")
    assert find_folder(hub, settings) == (tmp_path, commit)


def test_then_the_bundled_one(entry: CatalogEntry) -> None:
    bundled = entry.model_copy(update={"bundled": "demo", "repository": "some/where"})
    assert find_folder(bundled, PredictorSettings()) == (loading.ASSETS / "demo", "local")


def test_then_the_cache_by_its_commit(
    entry: CatalogEntry, folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    cache = tmp_path / "models--some--model"
    shutil.copytree(folders["cogvideox"], cache / "snapshots" / commit)
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    cached = entry.model_copy(update={"repository": "some/model", "revision": "main"})
    model = load_model(cached, PredictorSettings(device="cpu"))
    assert model.revision == commit
    absent = cached.model_copy(update={"revision": "other"})
    with pytest.raises(ModelUnavailable, match="some/model at other is not in the Hugging Face cache"):
        load_model(absent, PredictorSettings(device="cpu"))


def test_a_model_with_no_weights_anywhere_says_how_to_get_them(entry: CatalogEntry) -> None:
    with pytest.raises(ModelUnavailable, match=r"python -m predictor\.models\.tiny"):
        find_folder(entry, PredictorSettings())


def test_a_device_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert pick_device("auto") == pick_device("cpu") == "cpu"
    with pytest.raises(ModelUnavailable, match="cuda:1"):
        pick_device("cuda:1")


def test_the_mount_is_used_when_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eventing.contract.env.STORAGE_MOUNT", tmp_path)
    assert PredictorSettings().weights_folder() == tmp_path
    monkeypatch.setattr("eventing.contract.env.STORAGE_MOUNT", tmp_path / "absent")
    assert PredictorSettings().weights_folder() is None


def test_a_vocabulary_beside_the_weights_is_read(folder: Path, entry: CatalogEntry) -> None:
    settings: Any = PredictorSettings(model_dir=folder, device="cpu")
    assert load_model(entry, settings).vocabulary is None
    (folder / "vocabulary.json").write_text('{"known": {"red": "red"}, "ignored": ["a"]}')
    vocabulary = load_model(entry, settings).vocabulary
    assert vocabulary is not None
    assert vocabulary.warnings("a red cat") == ["'cat' is not a word this model knows; it has no effect"]
    (folder / "vocabulary.json").write_text('{"words": []}')
    with pytest.raises(ModelUnavailable, match=r"vocabulary\.json is not a vocabulary"):
        load_model(entry, settings)
