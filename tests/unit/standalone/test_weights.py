"""Weights on one machine: what is missing or broken is known before a job, and noticed when it is mended."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
from huggingface_hub import snapshot_download
from huggingface_hub.errors import LocalEntryNotFoundError

from eventing.contract.catalog import CatalogEntry, load_catalog
from eventing.contract.env import WeightsSettings
from eventing.standalone.data import weights
from eventing.standalone.data.weights import Places, WeightsWatch, find_snapshot
from eventing.standalone.processes.launch import Launcher
from eventing.standalone.processes.predictors import LocalPredictors
from predictor.models.loading import ASSETS
from tests.support.waiting import eventually

COMMIT = "0123456789abcdef0123456789abcdef01234567"
WAN = load_catalog().get("wan2.1-t2v-1.3b")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of huggingface_hub."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "REELZERO_MODEL_DIR", "REELZERO_ALLOW_DOWNLOAD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    return tmp_path / "hf" / "hub"


def watch_of(
    tmp_path: Path, entry: CatalogEntry = WAN, settings: WeightsSettings | None = None
) -> WeightsWatch:
    (tmp_path / "models").mkdir(exist_ok=True)
    places = Places(tmp_path / "models", tmp_path / "data", settings or WeightsSettings())
    return WeightsWatch([entry], places)


def test_a_model_of_an_engine_has_no_weights_to_look_for(tmp_path: Path) -> None:
    engine = {"model": "m", "dialect": "sglang"}
    changes = {"family": "openai-video", "engine": engine, "tasks": {"text": "auto"}}
    entry = CatalogEntry.model_validate(WAN.model_dump() | changes)
    assert reason_of(watch_of(tmp_path, entry), entry.name) == ""


def reason_of(watch: WeightsWatch, model: str = WAN.name) -> str:
    watch.check()
    return watch.obstacle(model) or ""


def copy_weights(folder: Path) -> Path:
    return Path(shutil.copytree(ASSETS / "shapes-tiny", folder))


def test_weights_that_are_nowhere_are_missing_until_they_are_there(tmp_path: Path) -> None:
    watch = watch_of(tmp_path)
    reason = reason_of(watch)
    assert f"the weights of {WAN.name} are missing" in reason
    assert str(WAN.repository) in reason and str(tmp_path / "models" / WAN.name) in reason
    assert "REELZERO_ALLOW_DOWNLOAD=true" in reason
    assert watch.complete == {}
    folder = copy_weights(tmp_path / "models" / WAN.name)
    assert not reason_of(watch)
    assert watch.complete == {WAN.name: folder}


@pytest.mark.parametrize(
    "name", ["model_index.json", "vae/config.json", "transformer/diffusion_pytorch_model.safetensors"]
)
def test_a_missing_or_short_file_is_named_until_it_is_whole(tmp_path: Path, name: str) -> None:
    path = copy_weights(tmp_path / "models" / WAN.name) / name
    watch, whole = watch_of(tmp_path), path.read_bytes()
    path.unlink()
    assert f"{path} is missing" in reason_of(watch)
    path.write_bytes(whole[: len(whole) // 2])
    assert str(path) in reason_of(watch)
    path.write_bytes(whole)
    assert not reason_of(watch)


def test_a_link_to_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    path = copy_weights(tmp_path / "models" / WAN.name) / "model_index.json"
    path.unlink()
    path.symlink_to(tmp_path / "gone")
    assert f"{path} is missing" in reason_of(watch_of(tmp_path))


def test_what_has_not_changed_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy_weights(tmp_path / "models" / WAN.name)
    calls: list[Path] = []
    monkeypatch.setattr(weights, "check_folder", calls.append)
    watch = watch_of(tmp_path)
    for _ in range(3):
        watch.check()
    assert calls == [tmp_path / "models" / WAN.name]


def test_models_that_bring_their_weights_have_no_obstacle(tmp_path: Path) -> None:
    for name in ("tiny", "shapes-tiny"):
        assert not reason_of(watch_of(tmp_path, load_catalog().get(name)), name)


def test_a_download_that_is_allowed_may_succeed(tmp_path: Path) -> None:
    assert not reason_of(watch_of(tmp_path, WAN, WeightsSettings(allow_download=True)))


def test_the_folder_of_the_settings_is_checked(tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    watch = watch_of(tmp_path, WAN, WeightsSettings(model_dir=folder))
    assert f"model folder {folder} is missing" in reason_of(watch)
    copy_weights(folder)
    assert not reason_of(watch)


@pytest.mark.parametrize("revision", ["main", COMMIT])
def test_the_cache_is_read_as_its_library_reads_it(cache: Path, revision: str) -> None:
    def library() -> Path | None:
        try:
            return Path(
                snapshot_download("some/model", revision=revision, cache_dir=cache, local_files_only=True)
            )
        except LocalEntryNotFoundError:
            return None

    assert find_snapshot("some/model", revision) is library() is None
    home = cache / "models--some--model"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text(COMMIT)
    assert find_snapshot("some/model", revision) is library() is None
    (home / "snapshots" / COMMIT).mkdir(parents=True)
    assert find_snapshot("some/model", revision) == library() == home / "snapshots" / COMMIT


def test_weights_in_the_cache_are_checked(tmp_path: Path, cache: Path) -> None:
    entry = WAN.model_copy(update={"repository": "some/model", "revision": COMMIT})
    folder = copy_weights(cache / "models--some--model" / "snapshots" / COMMIT)
    watch = watch_of(tmp_path, entry)
    assert not reason_of(watch)
    (folder / "model_index.json").unlink()
    assert f"{folder / 'model_index.json'} is missing" in reason_of(watch)


async def test_a_running_service_notices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "CHECK_SECONDS", 0.01)
    watch = watch_of(tmp_path)
    watch.check()
    environment = {"REELZERO_DEVICE": "cpu"}
    predictors = LocalPredictors(
        Launcher(tmp_path, environment), load_catalog(), [(WAN.name, "default")], ("cpu",), 1, watch.obstacle
    )
    assert "are missing" in (predictors.obstacle(WAN.name) or "")
    running = asyncio.create_task(watch.run())
    try:
        copy_weights(tmp_path / "models" / WAN.name)
        await eventually(lambda: predictors.obstacle(WAN.name) is None)
    finally:
        running.cancel()
        await asyncio.wait({running})


def test_a_folder_that_may_not_be_entered_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = copy_weights(tmp_path / "models" / WAN.name)

    def refuse(path: Path) -> bool:  # as the system does for a user without rights; root has them all
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", refuse)
    assert f"{folder}" in (reason := reason_of(watch_of(tmp_path))) and "Permission denied" in reason
