"""Find a ready pod for a job where KEDA starts the pods, and no activator holds requests until one is there.

The endpoint's name belongs to a headless Service: it has an address per ready pod, and none at zero. A job
that waits here is unfinished, and KEDA starts a pod for every unfinished job of the model and lane. So the
wait itself brings the pod, and only a wait that is longer than a cold start counts as a failed start.

Jobs of this process never share a pod. A pod that takes no job, because another replica's runs there, is
left alone for some seconds and then tried after all others. So a job with no other pod waits here, instead
of being claimed and put back every second for as long as that job runs.
"""

from __future__ import annotations

import asyncio
import math
import random
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from yarl import URL

from eventing.contract.catalog import Catalog
from eventing.contract.errors import Busy, Unavailable
from eventing.dispatch.predictor_client import NotStarted
from eventing.domain.pool import PredictorState
from eventing.settings import Endpoint

LOOK_SECONDS = 1.0  # between two looks for a pod
READY_SECONDS = 5.0  # for a pod to answer whether it is ready
REST_SECONDS = 10.0  # after a refusal, before the same pod is tried again


class Pods:
    """The pods behind one endpoint."""

    def __init__(self, endpoint: Endpoint, catalog: Catalog) -> None:
        self._endpoint = endpoint
        self._url = URL(endpoint.url)
        self._catalog = catalog
        self._used: set[str] = set()
        self._refused_at: dict[str, float] = {}

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[str]:
        """Give the URL of a ready pod to one job. Raises Unavailable, Busy."""
        address = await self._take()
        try:
            yield self._at(address)
            self._refused_at.pop(address, None)
        except NotStarted:
            self._refused_at[address] = time.monotonic()
            raise
        finally:
            self._used.discard(address)

    def lent(self) -> list[PredictorState]:
        """Return the pods that run a job of this process now."""
        return [PredictorState(self._endpoint.model, each, "working") for each in sorted(self._used)]

    async def _take(self) -> str:
        """Wait for a ready pod and reserve it, at most as long as a pod may take to start."""
        limit = self._catalog.get(self._endpoint.model).budget.pod_wait
        deadline = time.monotonic() + limit
        while True:
            addresses = await self._addresses()
            for address in addresses:
                is_free = address not in self._used and not self._is_resting(address)
                if is_free and await self._reserve(address):
                    return address
            if time.monotonic() >= deadline:
                break
            await asyncio.sleep(LOOK_SECONDS)
        if any(address in self._used or self._is_resting(address) for address in addresses):
            raise Busy(f"every ready pod of {self._endpoint.url} runs a job")
        raise Unavailable(f"no pod of {self._endpoint.url} was ready within {limit:g} s")

    def _is_resting(self, address: str) -> bool:
        """Return whether the pod refused a job a moment ago."""
        return time.monotonic() < self._refused_at.get(address, -math.inf) + REST_SECONDS

    async def _addresses(self) -> list[str]:
        """Return the addresses of the ready pods in the order in which to try them."""
        loop = asyncio.get_running_loop()
        try:
            answers = await loop.getaddrinfo(self._url.host or "", self._url.port, type=socket.SOCK_STREAM)
        except OSError:
            answers = []  # the name has no address while there is no pod
        addresses = list({str(address[0]) for *_, address in answers})
        self._refused_at = {each: at for each, at in self._refused_at.items() if each in addresses}
        random.shuffle(addresses)
        return sorted(addresses, key=lambda address: self._refused_at.get(address, 0.0))

    async def _reserve(self, address: str) -> bool:
        """Reserve a pod; False if it is not ready, as one that is being stopped."""
        self._used.add(address)
        ready = False
        try:
            ready = await self._is_ready(address)
        finally:
            if not ready:
                self._used.discard(address)
        return ready

    async def _is_ready(self, address: str) -> bool:
        url = f"{self._at(address)}/v2/models/{self._endpoint.model}/ready"
        timeout = aiohttp.ClientTimeout(total=READY_SECONDS)
        try:
            async with aiohttp.ClientSession(timeout=timeout) as http, http.get(url) as answer:
                return answer.status == 200
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False

    def _at(self, address: str) -> str:
        return str(self._url.with_host(address)).rstrip("/")
