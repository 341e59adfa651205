"""Weights of a KServe modelcar appear after the predictor has started: it waits for them, and says so."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from eventing.contract.budget import Budget
from eventing.contract.catalog import CatalogEntry
from eventing.contract.errors import ModelUnavailable
from predictor.models import arrival
from predictor.models.loading import load_model
from predictor.settings import PredictorSettings
from tests.support.waiting import LIMIT


class Asked(threading.Event):
    """Set by the first look at a folder that is not there yet."""

    def sleep(self, _seconds: float) -> None:
        self.set()
        threading.Event().wait(0.01)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    event = Asked()
    monkeypatch.setattr(arrival, "sleep", event.sleep)
    monkeypatch.setenv("MODEL_INIT_MODE", "async")  # what KServe's webhook sets with a modelcar
    return event


def test_weights_that_are_linked_in_late_are_loaded(
    asked: Asked, folders: dict[str, Path], entry: CatalogEntry, tmp_path: Path
) -> None:
    link = tmp_path / "models"
    with ThreadPoolExecutor(1) as device:
        load = device.submit(load_model, entry, PredictorSettings(model_dir=link, device="cpu"))
        assert asked.wait(LIMIT)
        link.symlink_to(folders["cogvideox"])
        assert load.result(LIMIT).entry is entry


def test_weights_that_never_come_are_named_after_the_models_cold_start(
    asked: Asked, entry: CatalogEntry, tmp_path: Path
) -> None:
    short = entry.model_copy(update={"budget": Budget(cold_start_seconds=1, generation_seconds=1)})
    with pytest.raises(ModelUnavailable, match="is missing"):
        load_model(short, PredictorSettings(model_dir=tmp_path / "models", device="cpu"))
    assert asked.is_set()


def test_without_a_modelcar_a_missing_folder_is_an_error_at_once(
    asked: Asked, entry: CatalogEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MODEL_INIT_MODE")
    with pytest.raises(ModelUnavailable, match="is missing"):
        load_model(entry, PredictorSettings(model_dir=tmp_path / "models", device="cpu"))
    assert not asked.is_set()
