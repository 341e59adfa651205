"""Where predictors and runners of steps are: pools with a capacity, and a URL to call for each job.

On a cluster a pool is one InferenceService with a fixed URL, and Knative starts its pods. On one machine all
models share one pool of local devices, and all steps one pool of cores. Opening an endpoint starts a process
there (standalone/processes/predictors.py, steps.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from eventing.contract.catalog import Catalog
from eventing.dispatch.pods import Pods
from eventing.domain.pool import Pool, PredictorState
from eventing.settings import STEP_LANE, Endpoint, StepEndpoint


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


class StepEndpoints:
    """Runners of steps at the URLs in the settings."""

    def __init__(self, endpoints: Iterable[StepEndpoint]) -> None:
        self._endpoints = tuple(endpoints)
        self._urls = {kind: each.url.rstrip("/") for each in self._endpoints for kind in each.types}

    def pools(self) -> tuple[Pool, ...]:
        """Return one pool per endpoint, shared by its types."""
        return tuple(step_pool(each) for each in self._endpoints)

    @asynccontextmanager
    async def open(self, model: str, lane: str) -> AsyncIterator[str]:
        """Give the URL of a runner of the type. The request itself makes Knative start a pod."""
        yield self._urls[model]

    def obstacle(self, model: str) -> str | None:
        """Return None: only the cluster knows whether a pod can start."""
        return None

    def predictors(self) -> list[PredictorState]:
        """Return nothing: Knative's pods stay behind its gateway."""
        return []

    async def close(self) -> None:
        """Do nothing: this object starts no runner."""


class AllEndpoints:
    """Several endpoints as one: each has the pools, and so the jobs, of its own models or types."""

    def __init__(self, *parts: Endpoints) -> None:
        self._parts = parts
        self._of = {model: part for part in parts for pool in part.pools() for model, _ in pool.routes}

    def pools(self) -> tuple[Pool, ...]:
        """Return the pools of all parts."""
        return tuple(pool for part in self._parts for pool in part.pools())

    def open(self, model: str, lane: str) -> AbstractAsyncContextManager[str]:
        """Give the base URL that the part of the model gives."""
        return self._of[model].open(model, lane)

    def obstacle(self, model: str) -> str | None:
        """Return the obstacle that the part of the model knows of."""
        return self._of[model].obstacle(model) if model in self._of else None

    def predictors(self) -> list[PredictorState]:
        """Return what runs in all parts."""
        return [state for part in self._parts for state in part.predictors()]

    async def close(self) -> None:
        """Stop what all parts have started, at the same time."""
        await asyncio.gather(*(part.close() for part in self._parts))


def step_pool(endpoint: StepEndpoint) -> Pool:
    """Return the pool of an endpoint of steps. No pool of a model has such a name: theirs have a slash."""
    routes = tuple((kind, STEP_LANE) for kind in endpoint.types)
    return Pool(
        f"steps:{endpoint.name}", endpoint.capacity, routes, endpoint.idle_seconds, endpoint.always_on
    )
