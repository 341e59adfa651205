"""Give KServe the state of the model: liveness of the device, readiness of the weights."""

from __future__ import annotations

from kserve.model_repository import ModelRepository
from kserve.protocol.dataplane import DataPlane

from predictor.device.worker import State
from predictor.serving.model import VideoModel


class OneModel(ModelRepository):  # type: ignore[misc] # kserve ships no types
    """A repository of one model that stays loaded.

    KServe unloads on SIGTERM, which would make a draining model unknown (404).
    """

    def __init__(self, model: VideoModel) -> None:
        super().__init__()
        self.update(model)

    def unload(self, name: str) -> None:
        """Keep the model; the worker drains by itself."""


class PredictorDataPlane(DataPlane):  # type: ignore[misc] # kserve ships no types
    """The model's state for both of KServe's servers, HTTP and gRPC."""

    def __init__(self, models: ModelRepository, model: VideoModel) -> None:
        super().__init__(model_registry=models)
        self._video_model = model

    async def live(self) -> dict[str, str]:
        """Report the device as lost, so that the kubelet replaces the process; otherwise alive."""
        is_lost = self._video_model.worker.look() is State.lost
        return {"status": "device lost" if is_lost else "alive"}

    async def ready(self) -> bool:
        """Return the readiness of the model, which is also the server's."""
        return self._video_model.worker.ready

    async def model_ready(self, model_name: str, disable_predictor_health_check: bool = False) -> bool:
        """Return the readiness; for an inference (the flag) only whether the model exists."""
        self.get_model_from_registry(model_name)
        return disable_predictor_health_check or self._video_model.worker.ready

    async def get_model(self, name: str) -> VideoModel:
        """Return the model, ready or not: KServe would load an unready one again, on the event loop."""
        model = self.get_model_from_registry(name)
        assert isinstance(model, VideoModel)  # noqa: S101 - for the type checker
        return model
