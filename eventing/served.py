"""The models that this replica serves: which one is the default, which lanes each has, which lane fits."""

from __future__ import annotations

from collections.abc import Callable

from eventing.contract.catalog import Catalog
from eventing.contract.errors import ConfigurationError, InvalidRequest, NotFound
from eventing.settings import Settings

Obstacle = Callable[[str], str | None]  # model → why it can never start here; None: it may


def no_obstacle(_: str) -> None:
    """Return None for every model: without endpoints there is no part that could know of an obstacle."""


class Served:
    """The endpoints of the settings, held against the catalog.

    `obstacle` returns why a model cannot start here, or None. It is called for every request, so it must
    only look at what is in memory.
    """

    def __init__(self, settings: Settings, catalog: Catalog, obstacle: Obstacle = no_obstacle) -> None:
        for endpoint in settings.endpoints:
            if endpoint.model not in catalog.names():
                raise ConfigurationError(
                    f"REELZERO_ENDPOINTS: unknown model {endpoint.model!r}", field="REELZERO_ENDPOINTS"
                )
        self._endpoints = settings.endpoints
        self._default = settings.default_model
        self._obstacle = obstacle

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
        """Return the (model, lane) pairs that cannot start here, with the reason."""
        reasons = {model: reason for model in self.models() if (reason := self._obstacle(model))}
        return {(model, lane): reason for model, reason in reasons.items() for lane in self.lanes(model)}

    def lanes(self, model: str) -> list[str]:
        """Return the lanes of a model, in the operator's order; empty if the model is not served."""
        return [endpoint.lane for endpoint in self._endpoints if endpoint.model == model]

    def lane(self, model: str, frames: int, wish: str | None) -> str:
        """Return the lane of a job: the wished one, or the first that takes its length.

        Raises InvalidRequest if the model is not served, has no such lane, or cannot start here.
        """
        served = [endpoint for endpoint in self._endpoints if endpoint.model == model]
        if not served:
            raise InvalidRequest(f"model {model} is not served here", field="model")
        if reason := self._obstacle(model):
            raise InvalidRequest(f"model {model} cannot run here: {reason}", field="model")
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
