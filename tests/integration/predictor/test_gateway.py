"""A job through everything with a gateway in it: `reelzero serve`, nginx, a queue-proxy, the predictor, S3.

The gateway has the time-outs of docs/decisions/0011-through-the-gateway.md. With max_attempts=1 a job that
completes has lost no stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.integration.predictor.conftest import READY, Start
from tests.integration.predictor.held import Held
from tests.integration.predictor.process import START_LIMIT, Predictor, reached, wait_for
from tests.integration.predictor.serving import serving
from tests.integration.predictor.test_knative import BODY, GENERATE, held_count
from tests.knative.gateway import Gateway, needs_nginx
from tests.knative.proxy import QueueProxy
from tests.support.waiting import eventually

pytestmark = needs_nginx
Make = Callable[..., Any]


@pytest.fixture
def gateway(tmp_path: Path) -> Make:
    return lambda proxy, **options: Gateway(tmp_path, proxy.url, **options)


@pytest.fixture
def once(tmp_path: Path, storage: dict[str, str]) -> Make:
    """A service that gives a job one attempt."""
    return lambda url: serving(tmp_path, storage, url, max_attempts=1)


def queue(predictor: Predictor, **options: Any) -> QueueProxy:
    return QueueProxy(f"http://127.0.0.1:{predictor.port}", READY, **options)


async def test_a_job_outlives_a_rollout_of_the_gateway(held: Held, gateway: Make, once: Make) -> None:
    """As config/platform sets it: the old pod stays until its last stream has ended."""
    async with queue(held.predictor) as proxy, gateway(proxy) as way, once(way.url) as service:
        job_id = await service.submit()
        await asyncio.to_thread(held.wait)
        old = await way.roll()
        assert (await service.job(job_id))["status"] == "in_progress"
        assert old.poll() is None
        held.release()
        job = await service.ended(job_id)
        assert (job["status"], job["attempts"]) == ("completed", 1), job["error"]
        assert await asyncio.to_thread(old.wait) == 0
        following = await service.ended(await service.submit(seed=4))
        assert following["status"] == "completed", "by the new pod"


async def test_a_gateway_that_drains_for_less_than_a_job_cuts_it(
    held: Held, gateway: Make, once: Make
) -> None:
    """As gateways are installed; the doctor calls it gateway-drain-short."""
    before = await held_count(held, "cancelled")
    async with queue(held.predictor) as proxy, gateway(proxy, drain=1) as way, once(way.url) as service:
        job_id = await service.submit()
        await asyncio.to_thread(held.wait)
        old = await way.roll()
        assert await asyncio.to_thread(old.wait) == 0
        job = await service.ended(job_id)
        assert (job["status"], job["error"]["code"]) == ("failed", "predictor_lost")
        held.release()
        await asyncio.to_thread(
            wait_for, lambda: held.ended("cancelled") == before + 1, "the device to be free"
        )


async def test_every_stream_has_a_connection_of_its_own(held: Held, gateway: Make, once: Make) -> None:
    """A connection that is kept would lead new streams into a gateway that drains."""
    held.release()
    async with queue(held.predictor) as proxy, gateway(proxy) as way, once(way.url) as service:
        for seed in (1, 2):
            assert (await service.ended(await service.submit(seed=seed)))["status"] == "completed"
        await eventually(lambda: len(way.connections()) == 2)
        assert len(set(way.connections())) == 2


async def test_a_cold_start_is_silent_for_as_long_as_it_takes(
    start: Start, tmp_path: Path, gateway: Make, once: Make, storage: dict[str, str]
) -> None:
    """With the idle time-out off a job waits for its pod; with a short one it would get a 504."""
    go = tmp_path / "go"
    predictor = start(hold=("load", go), **storage)
    (tmp_path / "short").mkdir()
    async with (
        queue(predictor, timeout=START_LIMIT) as proxy,
        gateway(proxy) as way,
        once(way.url) as service,
    ):
        job_id = await service.submit()
        await asyncio.to_thread(wait_for, reached(go).exists, "the cold start")
        async with Gateway(tmp_path / "short", proxy.url, idle=1) as short, aiohttp.ClientSession() as http:
            async with http.post(short.url + GENERATE, json=BODY) as answer:
                assert answer.status == 504
        job = await service.job(job_id)
        assert (job["status"], job["attempts"]) == ("in_progress", 0)
        go.touch()
        job = await service.ended(job_id)
        assert (job["status"], job["attempts"]) == ("completed", 1), job["error"]
