"""The small proxy does what was seen of the real one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest
from aiohttp import web

from tests.knative.proxy import QueueProxy


class App:
    """A server whose answers wait for `go`; `gone` counts callers who left."""

    def __init__(self) -> None:
        self.go, self.ready, self.seen, self.gone, self.url = asyncio.Event(), True, 0, 0, ""

    async def probe(self, request: web.Request) -> web.Response:
        assert request.headers["K-Kubelet-Probe"] == "queue"
        return web.Response(status=200 if self.ready else 503)

    async def work(self, request: web.Request) -> web.StreamResponse:
        self.seen += 1
        answer = web.StreamResponse()
        try:
            if request.query.get("stream"):
                await answer.prepare(request)
                await answer.write(b"first ")
            await self.go.wait()
        except asyncio.CancelledError:
            self.gone += 1
            raise
        if not answer.prepared:
            return web.Response(text="done")
        await answer.write(b"last")
        return answer


@pytest.fixture
async def app() -> AsyncIterator[App]:
    app = App()
    server = web.Application()
    server.router.add_get("/ready", app.probe)
    server.router.add_post("/work", app.work)
    runner = web.AppRunner(server, handler_cancellation=True, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    app.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield app
    await runner.cleanup()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(300):
        while not condition():
            await asyncio.sleep(0.005)


async def post(http: aiohttp.ClientSession, proxy: QueueProxy) -> int:
    async with http.post(f"{proxy.url}/work") as answer:
        await answer.read()
        return answer.status


async def test_eleven_wait_and_run_and_the_rest_is_refused(app: App, http: aiohttp.ClientSession) -> None:
    async with QueueProxy(app.url, "/ready") as proxy:
        calls = [asyncio.create_task(post(http, proxy)) for _ in range(13)]
        await until(lambda: sum(call.done() for call in calls) == 2)
        assert proxy.here == 11
        app.go.set()
        statuses = await asyncio.gather(*calls)
        assert (statuses.count(200), statuses.count(503)) == (11, 2)
        assert proxy.most_running == 1


async def test_a_request_waits_until_the_probe_is_good(app: App, http: aiohttp.ClientSession) -> None:
    app.ready = False
    app.go.set()
    async with QueueProxy(app.url, "/ready") as proxy:
        call = asyncio.create_task(post(http, proxy))
        await until(lambda: proxy.here)
        assert app.seen == 0
        app.ready = True
        assert await call == 200


async def test_never_ready_is_504(app: App, http: aiohttp.ClientSession) -> None:
    app.ready = False
    async with QueueProxy(app.url, "/ready", timeout=0.2) as proxy:
        assert await post(http, proxy) == 504
        assert app.seen == 0


async def test_a_stream_past_its_time_gets_a_text_and_a_clean_end(
    app: App, http: aiohttp.ClientSession
) -> None:
    async with QueueProxy(app.url, "/ready", timeout=3) as proxy:
        async with http.post(f"{proxy.url}/work?stream=1") as answer:
            assert answer.status == 200
            assert await answer.content.readexactly(6) == b"first "
            assert await answer.content.read() == b"request timeout"
        await until(lambda: app.gone == 1)


async def test_without_full_duplex_an_answer_is_cut_after_its_first_bytes(
    app: App, http: aiohttp.ClientSession
) -> None:
    async with QueueProxy(app.url, "/ready", full_duplex=False) as proxy:
        async with http.post(f"{proxy.url}/work?stream=1") as answer:
            assert await answer.content.readexactly(6) == b"first "
            with pytest.raises(aiohttp.ClientError):
                await answer.content.read()
        await until(lambda: app.gone == 1)


async def test_a_caller_who_goes_takes_the_request_along(app: App, http: aiohttp.ClientSession) -> None:
    async with QueueProxy(app.url, "/ready") as proxy:
        call = asyncio.create_task(post(http, proxy))
        await until(lambda: app.seen)
        call.cancel()
        await until(lambda: app.gone == 1 and proxy.here == 0)


async def test_the_header_probe_asks_the_app(app: App, http: aiohttp.ClientSession) -> None:
    async with QueueProxy(app.url, "/ready") as proxy:
        for ready, status in ((True, 200), (False, 503)):
            app.ready = ready
            async with http.get(proxy.url, headers={"K-Network-Probe": "queue"}) as answer:
                assert answer.status == status
        assert app.seen == 0


async def test_the_drain_hook_returns_although_a_request_runs(app: App, http: aiohttp.ClientSession) -> None:
    async with QueueProxy(app.url, "/ready") as proxy:
        call = asyncio.create_task(post(http, proxy))
        await until(lambda: app.seen)
        began = time.monotonic()
        await proxy.wait_for_drain()
        assert time.monotonic() - began >= 1
        assert not call.done()
        app.go.set()
        assert await call == 200
