"""The eventing service as its callers meet it: real HTTP, SQLite and S3, fake workers, a receiver.

The receiver keeps what the sink and webhooks get, so that tests wait for events and never sleep.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from eventing.contract.catalog import load_catalog
from eventing.contract.env import read
from eventing.contract.storage.s3 import Bucket
from eventing.contract.stories.catalog import load_step_types
from eventing.dispatch.endpoints import AllEndpoints, RemoteEndpoints, StepEndpoints
from eventing.service import Service
from eventing.settings import Endpoint, Settings, StepEndpoint
from eventing.step_testing import FakeRunner
from eventing.store.schema import migrate
from eventing.testing import FakePredictor

SECRET = "whsec_" + base64.b64encode(b"n" * 32).decode()
OLD_SECRET = "whsec_" + base64.b64encode(b"o" * 32).decode()
PATIENCE = 90.0  # only a hang gets there


@dataclass
class Received:
    """One delivery."""

    headers: dict[str, str]
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """Takes every POST; consents to webhooks as `consent` says; hands deliveries out in order."""

    url: str = ""
    port: int = 0
    consent: str | None = "*"
    asked: list[dict[str, str]] = field(default_factory=list)
    raw_paths: list[str] = field(default_factory=list)  # of POSTs to other paths than the sink's
    queues: dict[str, asyncio.Queue[Received]] = field(default_factory=dict)
    answers: dict[str, list[web.Response]] = field(default_factory=dict)  # by path; 200 after these

    def queue(self, path: str) -> asyncio.Queue[Received]:
        return self.queues.setdefault(path, asyncio.Queue())

    async def next(self, path: str, kind: str | None = None) -> Received:
        """The next delivery to a path, of this type."""
        async with asyncio.timeout(PATIENCE):
            while True:
                got = await self.queue(path).get()
                if kind is None or got.json["type"] == kind:
                    return got

    async def handle(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        if request.method == "OPTIONS":
            self.asked.append(headers)
            return web.Response(headers={"WebHook-Allowed-Origin": self.consent} if self.consent else {})
        if request.path != "/sink":
            self.raw_paths.append(request.raw_path)
        self.queue(request.path).put_nowait(Received(headers, await request.text()))
        answers = self.answers.get(request.path)
        return answers.pop(0) if answers else web.Response()


@dataclass
class Deployment:
    """A running service and what is around it."""

    service: Service
    predictor: FakePredictor
    receiver: Receiver
    http: aiohttp.ClientSession
    runner: FakeRunner

    @property
    def url(self) -> str:
        return self.service.url

    async def call(self, method: str, path: str, **arguments: Any) -> tuple[aiohttp.ClientResponse, Any]:
        """The answer and its decoded body (JSON where it is, else bytes)."""
        async with self.http.request(method, self.url + path, **arguments) as answer:
            raw = await answer.read()
            is_json = "json" in answer.content_type and raw
            return answer, json.loads(raw) if is_json else raw

    async def ended(self, job_id: str, **arguments: Any) -> Any:
        """The job once it has ended, by its stream of progress."""
        async with asyncio.timeout(PATIENCE):
            async with self.http.get(f"{self.url}/v1/jobs/{job_id}/events", **arguments) as answer:
                last = (await answer.text()).strip().splitlines()[-1]
        return json.loads(last.removeprefix("data: "))


@contextlib.asynccontextmanager
async def deployment(folder: Path, bucket: Bucket, **overrides: Any) -> AsyncIterator[Deployment]:
    """Start everything, and stop it again."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", receiver.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.port = runner.addresses[0][1]
    receiver.url = f"http://127.0.0.1:{receiver.port}"
    async with FakePredictor() as predictor, FakeRunner() as steps, aiohttp.ClientSession() as http:
        types = tuple(load_step_types())
        overrides = {
            "step_endpoints": (StepEndpoint(name="steps", types=types, url=steps.url, capacity=4),)
        } | overrides
        chosen = settings(folder, bucket, predictor, receiver, overrides)
        models = RemoteEndpoints(chosen.endpoints, load_catalog(chosen.catalog_dir))
        service = Service(chosen, AllEndpoints(models, StepEndpoints(chosen.step_endpoints)))
        await migrate(service.container.database)
        predictor.bucket = service.container.bucket
        await service.start()
        try:
            yield Deployment(service, predictor, receiver, http, steps)
        finally:
            await service.stop(drain_seconds=0)
            await runner.cleanup()


def settings(
    folder: Path, bucket: Bucket, predictor: FakePredictor, receiver: Receiver, overrides: dict[str, Any]
) -> Settings:
    """Return settings without authentication, with short polls, a sink and webhooks; `overrides` win."""
    defaults: dict[str, Any] = {
        "port": 0,
        "database_url": f"sqlite+aiosqlite:///{folder}/jobs.db",
        "s3_endpoint": bucket.location.endpoint,
        "s3_bucket": bucket.name,
        "endpoints": (Endpoint(model="tiny", url=predictor.url, capacity=2),),
        "auth": "open",
        "source": "urn:reelzero:test",
        "webhook_secrets": (SECRET, OLD_SECRET),
        "webhook_allow": (f"127.0.0.1:{receiver.port}",),
        "sink_url": f"{receiver.url}/sink",
        "poll_seconds": 0.1,
    }
    chosen = defaults | overrides
    if callable(chosen["endpoints"]):  # of the predictor's URL
        chosen["endpoints"] = chosen["endpoints"](predictor.url)
    return read(Settings, **chosen)
