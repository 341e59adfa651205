"""The receiving side of an application: a sink for CloudEvents and a receiver of signed webhooks.

An aiohttp server on a free loopback port. It keeps events by subject, so an early one is not missed.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from cloudevents.exceptions import GenericException
from cloudevents.http import from_http
from standardwebhooks import Webhook, WebhookVerificationError

from eventing.contract.errors import Unauthorized
from eventing.contract.records.events import TERMINAL
from eventing.standalone.processes.process import LOOPBACK

ENDS = frozenset(TERMINAL.values())


@dataclass(frozen=True)
class Received:
    """The event that ended a job."""

    type: str
    data: dict[str, Any]


class Receiver:
    """Use it as an async context manager. `secret` verifies webhooks; set it once it is known."""

    def __init__(self) -> None:
        self.secret: str | None = None
        self.sink_url = ""
        self.webhook_url = ""
        loop_future = asyncio.get_running_loop().create_future
        self._sink: dict[str, asyncio.Future[Received]] = defaultdict(loop_future)
        self._webhook: dict[str, asyncio.Future[Received]] = defaultdict(loop_future)

    async def __aenter__(self) -> Receiver:
        app = web.Application()
        app.router.add_post("/sink", self._on_sink)
        app.router.add_post("/webhook", self._on_webhook)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, LOOPBACK, 0).start()
        base = f"http://{LOOPBACK}:{self._runner.addresses[0][1]}"
        self.sink_url, self.webhook_url = f"{base}/sink", f"{base}/webhook"
        return self

    async def __aexit__(self, *_: object) -> None:
        for future in [*self._sink.values(), *self._webhook.values()]:
            future.cancel()
        await self._runner.cleanup()

    async def event(self, job_id: str, seconds: float) -> Received:
        """Wait for the job's last event at the sink. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            return await asyncio.shield(self._sink[job_id])

    async def webhook(self, job_id: str, seconds: float) -> Received:
        """Wait for the job's webhook. Raises TimeoutError, or Unauthorized if its signature is wrong."""
        async with asyncio.timeout(seconds):
            return await asyncio.shield(self._webhook[job_id])

    async def _on_sink(self, request: web.Request) -> web.Response:
        return _keep(self._sink, dict(request.headers), await request.read())

    async def _on_webhook(self, request: web.Request) -> web.Response:
        body, headers = await request.read(), dict(request.headers)
        try:
            Webhook(self.secret or "").verify(body, headers)
        except (WebhookVerificationError, ValueError) as error:
            self._refuse(body, str(error))
            return web.Response(status=401)
        return _keep(self._webhook, headers, body)

    def _refuse(self, body: bytes, why: str) -> None:
        try:
            future = self._webhook[json.loads(body)["subject"]]
        except (ValueError, KeyError, TypeError):
            return
        if not future.done():
            future.set_exception(Unauthorized(f"the webhook's signature is not valid: {why}"))


def _keep(futures: dict[str, asyncio.Future[Received]], headers: dict[str, str], body: bytes) -> web.Response:
    try:
        event = from_http(headers, body)
    except GenericException:
        return web.Response(status=400)
    subject = event.get("subject")
    if event["type"] in ENDS and isinstance(subject, str) and not futures[subject].done():
        futures[subject].set_result(Received(event["type"], dict(event.data or {})))
    return web.Response(status=202)
