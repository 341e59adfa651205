"""Where claimed jobs are sent. The dispatcher sees only this: pools with a capacity, and a URL to call.

On a cluster a pool is one InferenceService and the URL is fixed; Knative starts what is behind it. On one
machine all models share the pool of local devices, and opening an endpoint starts a process.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from eventing.domain.pool import Pool
from eventing.settings import Endpoint


class Endpoints(Protocol):
    """Source of predictors."""

    def pools(self) -> tuple[Pool, ...]:
        """The pools, fixed for the life of the process."""
        ...

    def open(self, model: str, lane: str) -> AbstractAsyncContextManager[str]:
        """Base URL of a predictor that serves the model, held until the context ends.

        Raises ModelUnavailable if it cannot be started; the message says why.
        """
        ...

    def obstacle(self, model: str) -> str | None:
        """Return why no predictor of the model can ever start here; None if one may."""
        ...

    async def close(self) -> None:
        """Stop what was started."""
        ...


class RemoteEndpoints:
    """InferenceServices, by their URLs."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self._endpoints = {(endpoint.model, endpoint.lane): endpoint for endpoint in endpoints}

    def pools(self) -> tuple[Pool, ...]:
        """One pool per endpoint."""
        return tuple(
            Pool(f"{model}/{lane}", endpoint.capacity, ((model, lane),))
            for (model, lane), endpoint in self._endpoints.items()
        )

    @asynccontextmanager
    async def open(self, model: str, lane: str) -> AsyncIterator[str]:
        """The URL; whoever is behind it wakes by the request itself."""
        yield self._endpoints[model, lane].url.rstrip("/")

    def obstacle(self, model: str) -> str | None:
        """Return None: only the cluster knows whether a pod can start."""
        return None

    async def close(self) -> None:
        """Nothing was started."""
