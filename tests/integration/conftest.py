"""A whole eventing service in the test's loop: real HTTP, real database, real S3, a fake predictor."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from eventing.contract.catalog import load_catalog
from eventing.contract.env import read
from eventing.contract.storage.s3 import Bucket
from eventing.dispatch.endpoints import RemoteEndpoints
from eventing.service import Service
from eventing.settings import Endpoint, Settings
from eventing.store.schema import migrate
from eventing.testing import FakePredictor
from tests.support.receivers import Receiver

SECRET = "whsec_" + base64.b64encode(b"0" * 32).decode()


@dataclass
class Stack:
    """Everything a test of the service needs to hold."""

    service: Service
    predictor: FakePredictor
    receiver: Receiver
    http: aiohttp.ClientSession

    async def post(self, path: str, **arguments: Any) -> aiohttp.ClientResponse:
        """POST to the service."""
        return await self.http.post(self.service.url + path, **arguments)

    async def get(self, path: str, **arguments: Any) -> aiohttp.ClientResponse:
        """GET from the service."""
        return await self.http.get(self.service.url + path, **arguments)

    async def submit(self, **body: Any) -> str:
        """Submit a job; its id."""
        answer = await self.post("/v1/jobs", json={"prompt": "a red circle moving right", **body})
        assert answer.status == 202, await answer.text()
        job_id: str = (await answer.json())["id"]
        return job_id

    async def ended(self, job_id: str) -> dict[str, Any]:
        """The job once it has ended, by its event stream."""
        answer = await self.get(f"/v1/jobs/{job_id}/events")
        async with answer:
            await answer.read()
        job: dict[str, Any] = await (await self.get(f"/v1/jobs/{job_id}")).json()
        return job


MakeStack = Callable[..., AbstractAsyncContextManager[Stack]]


@pytest.fixture
def make_stack(database_url: str, bucket: Bucket) -> MakeStack:
    """A context manager that runs a service with the given settings on top of fast test defaults."""

    @asynccontextmanager
    async def make(**overrides: Any) -> AsyncIterator[Stack]:
        async with FakePredictor(bucket) as predictor, Receiver() as receiver:
            values: dict[str, Any] = {
                "port": 0,
                "auth": "open",
                "database_url": database_url,
                "s3_endpoint": bucket.location.endpoint,
                "s3_bucket": bucket.name,
                "endpoints": (Endpoint(model="tiny", url=predictor.url),),
                "sink_url": receiver.url("sink"),
                "webhook_secrets": SECRET,
                "webhook_allow": "127.0.0.0/8",
                "poll_seconds": 0.1,
                "lease_seconds": 30,
                "retry_seconds": 0.05,
                "max_picture_bytes": 100_000,  # so that a body over the limit is small
                **overrides,
            }
            settings = read(Settings, **values)
            service = Service(
                settings, RemoteEndpoints(settings.endpoints, load_catalog(settings.catalog_dir))
            )
            await migrate(service.container.database)
            await service.start()
            try:
                async with aiohttp.ClientSession() as http:
                    yield Stack(service, predictor, receiver, http)
            finally:
                await service.stop(drain_seconds=0)

    return make


@pytest.fixture
async def stack(make_stack: MakeStack) -> AsyncIterator[Stack]:
    """A running service with the defaults."""
    async with make_stack() as stack:
        yield stack
