"""A real HTTP receiver for tests: a sink and a webhook that record what comes; the test sets the answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass(frozen=True)
class Delivery:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: str

    @property
    def event(self) -> dict[str, Any]:
        """The body as JSON."""
        event: dict[str, Any] = json.loads(self.body)
        return event


@dataclass
class Receiver:
    """Listens on a free loopback port; `answer` decides the status for a delivery (200 without one)."""

    answer: Callable[[Delivery], web.Response] | None = None
    got: list[Delivery] = field(default_factory=list)
    port: int = 0

    async def __aenter__(self) -> Receiver:
        app = web.Application()
        app.router.add_post("/{path:.*}", self._receive)
        self._changed = asyncio.Condition()
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    def url(self, path: str) -> str:
        """The receiver's URL for a path."""
        return f"http://127.0.0.1:{self.port}/{path}"

    async def _receive(self, request: web.Request) -> web.Response:
        delivery = Delivery(request.path, dict(request.headers), await request.text())
        self.got.append(delivery)
        async with self._changed:
            self._changed.notify_all()
        return self.answer(delivery) if self.answer else web.Response()

    async def wait_for(self, matches: Callable[[Delivery], bool], seconds: float = 30) -> Delivery:
        """The first delivery that matches, awaited."""
        async with asyncio.timeout(seconds), self._changed:
            while True:
                for delivery in self.got:
                    if matches(delivery):
                        return delivery
                await self._changed.wait()

    async def wait_for_type(self, ending: str, path: str = "/sink", seconds: float = 30) -> Delivery:
        """The first event of a type, by the type's ending without version."""
        return await self.wait_for(
            lambda d: d.path == path and d.event["type"].endswith(f"{ending}.v1"), seconds
        )
