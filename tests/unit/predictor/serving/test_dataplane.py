"""The answers to probes: alive unless the device is lost, ready only while jobs are taken."""

from __future__ import annotations

import pytest
from kserve.errors import ModelNotFound

from eventing.contract.catalog import CatalogEntry
from predictor.device.worker import State, Worker
from predictor.serving.dataplane import OneModel, PredictorDataPlane
from predictor.serving.model import VideoModel
from predictor.settings import PredictorSettings
from tests.unit.predictor.fakes import FakePipeline, loaded


@pytest.fixture
def model(entry: CatalogEntry) -> VideoModel:
    worker = Worker(entry, PredictorSettings(), lambda entry, _settings: loaded(entry, FakePipeline()))
    return VideoModel(worker, 10)


@pytest.fixture
def plane(model: VideoModel) -> PredictorDataPlane:
    return PredictorDataPlane(OneModel(model), model)


@pytest.mark.parametrize(
    ("state", "alive", "ready"),
    [
        (State.loading, True, False),
        (State.ready, True, True),
        (State.failed, True, False),
        (State.draining, True, False),
        (State.lost, False, False),
    ],
)
async def test_each_state_is_told_truly(
    plane: PredictorDataPlane, model: VideoModel, state: State, alive: bool, ready: bool
) -> None:
    model.worker.state = state
    assert ((await plane.live())["status"] == "alive") is alive
    assert await plane.ready() is ready
    assert await plane.model_ready("tiny") is ready
    assert await plane.get_model("tiny") is model, "found, whatever its state: the worker says why it refuses"


async def test_another_model_is_not_found(plane: PredictorDataPlane) -> None:
    for ask in (plane.model_ready, plane.get_model):
        with pytest.raises(ModelNotFound):
            await ask("other")


def test_kserve_cannot_load_or_unload_the_model(plane: PredictorDataPlane, model: VideoModel) -> None:
    with pytest.raises(RuntimeError):
        model.load()
    OneModel(model).unload("tiny")
    assert plane.get_model_from_registry("tiny") is model
