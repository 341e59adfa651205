"""The sink and the webhook receivers of a round. They misbehave as planned, then accept and record."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field

from aiohttp import web

from tests.support.receivers import Delivery

BEHAVIOURS = ("refuse", "hang", "redirect", "429", "410", "cut")


@dataclass
class Listener:
    """Takes one entry of `plan[path]` per delivery; accepts everything after the last one."""

    plan: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    accepted: list[Delivery] = field(default_factory=list)
    misbehaved: int = 0
    redirected: int = 0  # requests that followed a redirect; none may

    async def __aenter__(self) -> Listener:
        app = web.Application()
        app.router.add_route("*", "/elsewhere", self._elsewhere)
        app.router.add_post("/{path:.*}", self._receive)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port: int = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def at(self, path: str) -> list[Delivery]:
        return [delivery for delivery in self.accepted if delivery.path == path]

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        delivery = Delivery(request.path, dict(request.headers), await request.text())
        if plan := self.plan[request.path]:
            self.misbehaved += 1
            return await self._misbehave(plan.pop(0), request)
        self.accepted.append(delivery)
        return web.Response()

    async def _misbehave(self, how: str, request: web.Request) -> web.StreamResponse:
        if how == "hang":
            await asyncio.sleep(3600)  # until the sender gives up
        if how == "cut" and request.transport:
            request.transport.abort()
        headers = {"redirect": {"Location": "/elsewhere"}, "429": {"Retry-After": "1"}}.get(how, {})
        status = {"refuse": 503, "redirect": 307, "429": 429, "410": 410}.get(how, 500)
        return web.Response(status=status, headers=headers)

    async def _elsewhere(self, _: web.Request) -> web.Response:
        self.redirected += 1
        return web.Response()
