"""Activator and queue-proxy in one small proxy, as far as a long request notices them.

Seen with the real binaries, and done here the same way:
- a request waits until the model answers the readiness probe, then for its turn (containerConcurrency);
- 11 x containerConcurrency requests run or wait; one more gets 503 at once;
- the time-out covers all waiting. Nothing sent yet: 504. Bytes already sent: the body gets the text
  `request timeout` and ends as if it were whole;
- without full duplex it cuts some answers just after their start: here every one, after its first record, if
  `full_duplex` is off;
- a second one, `start_timeout`, ends with the first byte: 504 for what waited that long;
- a caller who goes takes the request with it;
- `/wait-for-drain` returns after its time, whether or not a request still runs;
- SIGTERM lets that time pass, then nothing new is taken, and it ends with its last request.
Not here: autoscaling, TLS, HTTP/2. `SCALE` shortens the drain from Knative's 30 s.
"""

from __future__ import annotations

import asyncio
from typing import Self

import aiohttp
from aiohttp import web

from eventing.contract.budget import DRAIN_SECONDS

SCALE = 1 / 30
PROBE = {"K-Kubelet-Probe": "queue", "User-Agent": "kube-probe/1.30"}
PROBE_PERIOD = 0.02
OF_THE_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "date", "server"}


class QueueProxy:
    """A proxy in front of one server. Use as an async context manager; `url` is where callers go."""

    def __init__(
        self,
        target: str,
        ready_path: str,
        *,
        timeout: float = 60,
        start_timeout: float | None = None,
        concurrency: int = 1,
        full_duplex: bool = True,
    ) -> None:
        self.full_duplex = full_duplex
        self._target = target
        self._ready_path = ready_path
        self._timeout = timeout
        self._start_timeout = start_timeout
        self._turns = asyncio.Semaphore(concurrency)
        self._places = 11 * concurrency
        self.here = 0  # requests that run or wait: what the autoscaler counts
        self.most_running = 0
        self._running = 0

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None))
        app = web.Application(client_max_size=1 << 26)
        app.router.add_route("*", "/{path:.*}", self._handle)
        # Without handler_cancellation a caller's going would be noticed at the next byte only.
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0)
        await self._runner.setup()
        self._site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await self._site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        await self._session.close()

    async def wait_for_drain(self) -> None:
        """The preStop hook: the container gets SIGTERM when this returns."""
        await asyncio.sleep(DRAIN_SECONDS * SCALE)

    async def terminate(self) -> None:
        """SIGTERM; returns when it has ended."""
        await self.wait_for_drain()
        await self._site.stop()
        while self.here:
            await asyncio.sleep(PROBE_PERIOD)

    async def ready(self) -> bool:
        """What the probe says, as queue-proxy asks it."""
        try:
            async with self._session.get(self._target + self._ready_path, headers=PROBE) as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("K-Network-Probe") == "queue":
            return web.Response(status=200 if await self.ready() else 503, text="queue")
        if self.here >= self._places:
            return web.Response(status=503, text="pending request queue full")
        self.here += 1
        try:
            return await self._within_time(request)
        finally:
            self.here -= 1

    async def _within_time(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        try:
            async with asyncio.timeout(self._timeout), asyncio.timeout(self._start_timeout) as start:
                return await self._in_turn(request, answer, start)
        except TimeoutError:
            if not answer.prepared:
                return web.Response(status=504, text="request timeout")
        await answer.write(b"request timeout")
        return answer

    async def _in_turn(
        self, request: web.Request, answer: web.StreamResponse, start: asyncio.Timeout
    ) -> web.StreamResponse:
        while not await self.ready():
            await asyncio.sleep(PROBE_PERIOD)
        async with self._turns:
            self._running += 1
            self.most_running = max(self.most_running, self._running)
            try:
                return await self._forward(request, answer, start)
            finally:
                self._running -= 1

    async def _forward(
        self, request: web.Request, answer: web.StreamResponse, start: asyncio.Timeout
    ) -> web.StreamResponse:
        headers = {k: v for k, v in request.headers.items() if k.lower() not in OF_THE_HOP}
        call = self._session.request(
            request.method, self._target + request.path_qs, data=await request.read(), headers=headers
        )
        try:
            async with call as source:
                answer.set_status(source.status)
                for name, value in source.headers.items():
                    if name.lower() not in OF_THE_HOP:
                        answer.headers[name] = value
                start.reschedule(None)
                await answer.prepare(request)
                async for piece in source.content.iter_any():
                    if not self.full_duplex and source.status == 200:
                        record, end, _ = piece.partition(b"\n\n")
                        await answer.write(record + end)
                        raise aiohttp.ClientConnectionError("use of closed network connection")
                    await answer.write(piece)
        except aiohttp.ClientConnectionError:
            if not answer.prepared:
                return web.Response(status=502, text="the server is gone")
            if request.transport:
                request.transport.abort()
        return answer
