"""The eventing service as one object: API, dispatcher, relay and sweeper in one event loop.

`start` returns when the port is served. `stop` ends claiming at once, gives open streams their time, delivers
due messages and closes. `failed` is set if a loop that must never end has ended.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import uvicorn

from eventing.api.app import create_app
from eventing.container import build_container
from eventing.contract.budget import Budget
from eventing.contract.errors import ConfigurationError, ReelzeroError, Unavailable
from eventing.contract.http.bounded_http import BoundedHttp
from eventing.contract.storage.s3_http import ObjectClient
from eventing.delivery.relay import Relay
from eventing.delivery.sender import Sender
from eventing.delivery.signing import check_secrets
from eventing.delivery.sink_binding import SinkBinding
from eventing.dispatch.attempt import Attempts
from eventing.dispatch.dispatcher import Dispatcher
from eventing.dispatch.endpoints import Endpoints
from eventing.dispatch.predictor_client import PredictorClient
from eventing.dispatch.step_orders import StepOrders
from eventing.dispatch.work import StepWork, VideoWork, Works
from eventing.domain.kinds import Kind
from eventing.metrics.start import begin_at_zero
from eventing.settings import Settings
from eventing.store.schema import check as check_schema

SWEEP_SECONDS = 60.0
LOOPBACK = ("127.0.0.1", "::1", "localhost")
log = logging.getLogger(__name__)


class Service:
    """One replica."""

    def __init__(self, settings: Settings, endpoints: Endpoints, logs: Path | None = None) -> None:
        check_secrets(settings.webhook_secrets)
        if settings.auth == "open" and settings.host not in LOOPBACK:
            raise ConfigurationError(
                f"REELZERO_AUTH=open would serve everyone who reaches {settings.host}: listen on 127.0.0.1,"
                " or make API keys (reelzero keys create) and set REELZERO_AUTH=required",
                field="REELZERO_AUTH",
            )
        self._binding = SinkBinding(settings, os.environ)
        settings = settings.model_copy(update={"sink_url": self._binding.url})
        self.settings = settings
        self.failed = asyncio.Event()
        self.container = build_container(settings, endpoints.obstacle, endpoints.predictors, logs)
        self._endpoints = endpoints
        begin_at_zero(settings.routes)
        self._tasks: list[asyncio.Task[None]] = []
        self._server: uvicorn.Server | None = None
        self._serving: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Return the URL that it listens on."""
        return f"http://{self.settings.host}:{self.port}"

    async def start(self) -> None:
        """Serve; while the database is away, wait for it with `/readyz` red.

        Raises ConfigurationError if the port is taken or a setting does not fit.
        """
        container, settings = self.container, self.settings
        self._socket = _listen(settings.host, settings.port)
        self.port: int = self._socket.getsockname()[1]
        self._client = PredictorClient(settings.heartbeat_timeout_seconds, settings.predictor_token)
        self._objects = ObjectClient(container.bucket)
        self._sender = Sender(settings, self._objects, self._binding)
        self._attempts = Attempts(
            container.claims, self._objects, self._endpoints, self._works(), settings, container.signals,
            container.watchers,
        )  # fmt: skip
        signals, poll = container.signals, settings.poll_seconds
        pools = self._endpoints.pools()
        self._dispatcher = Dispatcher(container.claims, self._attempts, pools, signals, poll)
        self._relay = Relay(container.outbox, self._sender, signals.message_due, poll)
        try:
            await self._serve()
            tasks = await self._begin()
        except (ReelzeroError, asyncio.CancelledError):
            await self._stop_serving()
            await self._close()
            raise
        for task in tasks:
            self._watch(task)
        self._watch(asyncio.create_task(self._relay.run(), name="relay"))
        self._watch(asyncio.create_task(container.stories.loop.run(), name="stories"))
        self._watch(asyncio.create_task(self._sweep(), name="sweep"))

    def _works(self) -> Works:
        orders = StepOrders(self.container.bucket, self.container.step_types)
        return {
            Kind.video: VideoWork(self._client, self._objects, self.container.catalog),
            Kind.step: StepWork(self._client, self._objects, orders),
        }

    async def _begin(self) -> list[asyncio.Task[None]]:
        """Start the dispatcher once the database serves and has a schema that this release can use."""
        while True:
            try:
                await check_schema(self.container.database)
                await self.container.database.check_limit()
                return await self._dispatcher.start()
            except Unavailable as error:
                log.warning("the start waits: %s", error, exc_info=error)
            await asyncio.sleep(self.settings.poll_seconds)

    @property
    def open_attempts(self) -> int:
        """Count the attempts that `stop` waits for. Call it only after `start`."""
        return self._dispatcher.open_attempts

    def _budgets(self) -> Iterator[Budget]:
        """Yield those of all models and types of steps that are served."""
        catalog, types = self.container.catalog, self.container.step_types
        yield from (catalog.get(endpoint.model).budget for endpoint in self.settings.endpoints)
        names = (kind for each in self.settings.step_endpoints for kind in each.types)
        yield from (types[name].budget for name in names if name in types)

    def hurry(self) -> None:
        """Make `stop` wait for no open attempt; it still does the rest. Call it only after `start`."""
        self._dispatcher.hurry()

    async def stop(self, drain_seconds: float | None = None) -> None:
        """Stop after `drain_seconds` (None: the longest budget); jobs of open attempts are queued again."""
        if drain_seconds is None:
            drain_seconds = self.settings.drain_seconds
        if drain_seconds is None:
            drain_seconds = max((each.client_timeout for each in self._budgets()), default=0)
        await self._dispatcher.drain(drain_seconds)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._last_round()
        await self._stop_serving()
        await self._close()

    async def _close(self) -> None:
        await self._client.close()
        await self._sender.close()
        await self._objects.close()
        await self._endpoints.close()
        await self.container.database.close()

    async def _last_round(self) -> None:
        try:
            async with asyncio.timeout(self.settings.webhook_timeout_seconds):
                await self._relay.drain()
        except (ReelzeroError, TimeoutError):
            log.warning("some events are still in the outbox; the next start delivers them")

    async def _serve(self) -> None:
        config = uvicorn.Config(
            create_app(self.container), log_config=None, access_log=False, lifespan="off",
            timeout_graceful_shutdown=5, timeout_keep_alive=30, http=BoundedHttp,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        # The service handles the process signals, not uvicorn, because its parts stop in a fixed order.
        self._serving = asyncio.create_task(self._server._serve([self._socket]), name="http")
        while not self._server.started:
            if self._serving.done():
                await self._serving
            await asyncio.sleep(0.01)
        self._serving.add_done_callback(self._serving_ended)

    def _serving_ended(self, _: asyncio.Task[None]) -> None:
        if self._server and not self._server.should_exit:
            self.failed.set()

    async def _stop_serving(self) -> None:
        if self._server and self._serving:
            self._server.should_exit = True
            await self._serving

    def _watch(self, task: asyncio.Task[None]) -> None:
        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled():
                log.critical("%s ended; the service stops", task.get_name(), exc_info=task.exception())
                self.failed.set()

        task.add_done_callback(ended)
        self._tasks.append(task)

    async def _sweep(self) -> None:
        """Remove what has outlived its retention, once a minute."""
        while True:
            try:
                await self.container.jobs.remove_expired()
                await self.container.stories.remove_expired()
            except ReelzeroError as error:
                log.warning("expired jobs cannot be removed yet: %s", error)
            await asyncio.sleep(SWEEP_SECONDS)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off for TCP only. With it, an answer in two writes waits 40 ms
    # for the client's delayed acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"cannot listen on {host}:{port}: {error.strerror}", field="REELZERO_PORT"
        ) from error
    listener.listen(2048)
    listener.setblocking(False)
    return listener
