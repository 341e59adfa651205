"""The models that this replica serves: which one is the default, which lanes each has, which lane fits."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from eventing.contract.catalog import Catalog
from eventing.contract.errors import ConfigurationError, InvalidRequest, NotFound
from eventing.settings import Settings

NONE: Mapping[str, str] = MappingProxyType({})


class Served:
    """The endpoints of the settings, held against the catalog.

    `obstacles` tells for each model that can never start here why that is so.
    """

    def __init__(self, settings: Settings, catalog: Catalog, obstacles: Mapping[str, str] = NONE) -> None:
        for endpoint in settings.endpoints:
            if endpoint.model not in catalog.names():
                raise ConfigurationError(
                    f"REELZERO_ENDPOINTS: unknown model {endpoint.model!r}", field="REELZERO_ENDPOINTS"
                )
        self._endpoints = settings.endpoints
        self._default = settings.default_model
        self._obstacles = obstacles

    def models(self) -> list[str]:
        """Return the names of all served models, in the operator's order."""
        return list(dict.fromkeys(endpoint.model for endpoint in self._endpoints))

    def default(self) -> str:
        """Return the model for a request that names none. Raises NotFound if no model is served."""
        if self._default:
            return self._default
        if not self._endpoints:
            raise NotFound("no model is served here", field="model")
        return self._endpoints[0].model

    def obstacles(self) -> dict[tuple[str, str], str]:
        """Return the (model, lane) pairs that can never start here, with the reason."""
        lanes = [(endpoint.model, endpoint.lane) for endpoint in self._endpoints]
        return {lane: self._obstacles[lane[0]] for lane in lanes if lane[0] in self._obstacles}

    def lanes(self, model: str) -> list[str]:
        """Return the lanes of a model, in the operator's order; empty if the model is not served."""
        return [endpoint.lane for endpoint in self._endpoints if endpoint.model == model]

    def lane(self, model: str, frames: int, wish: str | None) -> str:
        """Return the lane of a job: the wished one, or the first that takes its length.

        Raises InvalidRequest if the model is not served, has no such lane, or can never start here.
        """
        served = [endpoint for endpoint in self._endpoints if endpoint.model == model]
        if not served:
            raise InvalidRequest(f"model {model} is not served here", field="model")
        if model in self._obstacles:
            raise InvalidRequest(f"model {model} cannot run here: {self._obstacles[model]}", field="model")
        if wish is not None:
            if wish not in self.lanes(model):
                raise InvalidRequest(
                    f"{model} has no lane {wish!r}; it has {self.lanes(model)}", field="lane"
                )
            return wish
        fits = [
            endpoint for endpoint in served if endpoint.max_frames is None or frames <= endpoint.max_frames
        ]
        return (fits or served[-1:])[0].lane
