"""A service under the page, in the tests' own loop: it can go away and come back at the same address."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from eventing.contract.catalog import load_catalog
from eventing.contract.env import read
from eventing.contract.storage.s3 import Bucket
from eventing.dispatch.endpoints import RemoteEndpoints
from eventing.service import Service
from eventing.settings import Endpoint, Settings
from eventing.store.schema import migrate
from eventing.testing import FakePredictor, Script

MODEL = "shapes-tiny"
SECRET = "whsec_" + "bm5u" * 10 + "bm4="


@dataclass
class Site:
    """A running service, its predictor, and a receiver of webhooks that refuses each for good."""

    settings: Settings
    predictor: FakePredictor
    hook: str
    logs: Path
    service: Service = field(init=False)

    @property
    def url(self) -> str:
        return self.service.url

    async def start(self) -> None:
        endpoints = RemoteEndpoints(self.settings.endpoints, load_catalog(None))
        self.service = Service(self.settings, endpoints, self.logs)
        await migrate(self.service.container.database)
        self.predictor.bucket = self.service.container.bucket
        await self.service.start()
        self.settings = self.settings.model_copy(update={"port": self.service.port})

    async def stop(self) -> None:
        await self.service.stop(drain_seconds=0)

    async def call(self, method: str, path: str, key: str = "", **body: Any) -> Any:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        async with aiohttp.ClientSession(headers=headers) as http:
            async with http.request(method, self.url + path, json=body or None) as answer:
                text = await answer.text()
                assert answer.status < 300, text
                return json.loads(text)

    async def ended(self, job_id: str, key: str = "") -> Any:
        """The job once it has ended."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        async with aiohttp.ClientSession(headers=headers) as http:
            async with http.get(f"{self.url}/v1/jobs/{job_id}/events") as answer:
                await answer.read()
        return await self.call("GET", f"/v1/jobs/{job_id}", key)

    async def made(self, prompt: str, key: str = "") -> str:
        """The id of a finished video."""
        job = await self.call("POST", "/v1/jobs", key, prompt=prompt)
        assert (await self.ended(job["id"], key))["status"] == "completed"
        return str(job["id"])

    def hold(self, script: Script | None = None) -> asyncio.Event:
        """Hold the next job in the middle of its work, until the event is set."""
        gate = asyncio.Event()
        script = script or Script()
        script.gate = gate
        self.predictor.scripts = [script]
        return gate


@asynccontextmanager
async def site(folder: Path, bucket: Bucket, **overrides: Any) -> AsyncIterator[Site]:
    """Run a service, until the context ends."""

    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=410)

    app = web.Application()
    app.router.add_post("/hook", refuse)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    async with FakePredictor() as predictor:
        chosen: dict[str, Any] = {
            "port": 0, "auth": "open", "database_url": f"sqlite+aiosqlite:///{folder}/jobs.db",
            "s3_endpoint": bucket.location.endpoint, "s3_bucket": bucket.name, "poll_seconds": 0.1,
            "endpoints": (Endpoint(model=MODEL, url=predictor.url),), "max_attempts": 1,
            "webhook_secrets": (SECRET,), "webhook_allow": (f"127.0.0.1:{port}",),
        }  # fmt: skip
        hook, logs = f"http://127.0.0.1:{port}/hook", folder / "logs"
        logs.mkdir()
        running = Site(read(Settings, **chosen | overrides), predictor, hook, logs)
        await running.start()
        try:
            yield running
        finally:
            await running.stop()
            await runner.cleanup()
