"""Where predictors are: pools with a capacity, and a URL to call for each job.

On a cluster a pool is one InferenceService with a fixed URL, and Knative starts its pods. On one machine all
models share one pool of local devices, and opening an endpoint starts a process (standalone/predictors.py).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from eventing.contract.catalog import Catalog
from eventing.dispatch.pods import Pods
from eventing.domain.pool import Pool, PredictorState
from eventing.settings import Endpoint


class Endpoints(Protocol):
    """What the dispatcher needs to reach predictors."""

    def pools(self) -> tuple[Pool, ...]:
        """Return the pools. They stay the same for the life of the process."""
        ...

    def open(self, model: str, lane: str) -> AbstractAsyncContextManager[str]:
        """Give the base URL of a predictor of the model, kept for this job until the context ends.

        Raises ModelUnavailable if it cannot be started; the message says why.
        """
        ...

    def obstacle(self, model: str) -> str | None:
        """Return why no predictor of the model can start here, such as missing weights; None if one may.

        Called for every request, so it looks only at what is in memory.
        """
        ...

    def predictors(self) -> list[PredictorState]:
        """Return the predictors that this process knows of."""
        ...

    async def close(self) -> None:
        """Stop the predictors that this object started."""
        ...


class RemoteEndpoints:
    """Predictors at the URLs in the settings: InferenceServices, or Services whose pods KEDA starts."""

    def __init__(self, endpoints: Iterable[Endpoint], catalog: Catalog) -> None:
        self._endpoints = {(endpoint.model, endpoint.lane): endpoint for endpoint in endpoints}
        self._pods = {
            route: Pods(endpoint, catalog)
            for route, endpoint in self._endpoints.items()
            if endpoint.scaler == "keda"
        }

    def pools(self) -> tuple[Pool, ...]:
        """Return one pool per endpoint."""
        return tuple(
            Pool(
                f"{model}/{lane}",
                endpoint.capacity,
                ((model, lane),),
                endpoint.idle_seconds,
                endpoint.always_on,
            )
            for (model, lane), endpoint in self._endpoints.items()
        )

    @asynccontextmanager
    async def open(self, model: str, lane: str) -> AsyncIterator[str]:
        """Give the URL. The request itself makes Knative start a pod; a pod of KEDA's is waited for here.

        Raises Unavailable if no pod of KEDA's is ready in time, Busy if all of them run other jobs.
        """
        if (model, lane) not in self._pods:
            yield self._endpoints[model, lane].url.rstrip("/")
            return
        async with self._pods[model, lane].lend() as url:
            yield url

    def obstacle(self, model: str) -> str | None:
        """Return None: only the cluster knows whether a pod can start and has its weights."""
        return None

    def predictors(self) -> list[PredictorState]:
        """Return the pods of KEDA's that run jobs of this process; Knative's stay behind its gateway."""
        return [state for pods in self._pods.values() for state in pods.lent()]

    async def close(self) -> None:
        """Do nothing: this object starts no predictor."""
