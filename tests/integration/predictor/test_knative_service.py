"""A job through everything that is real: `reelzero serve`, a queue-proxy, the predictor, S3.

Each test runs through the small proxy of tests/knative, and through the real queue-proxy where
QUEUE_PROXY_BIN is set. With max_attempts=1 a job that completes has lost no attempt to what happened before
its start.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from eventing.contract.budget import Budget
from eventing.contract.storage.s3 import Bucket
from tests.integration.predictor.conftest import Queue, Start
from tests.integration.predictor.held import Held
from tests.integration.predictor.process import reached, wait_for
from tests.integration.predictor.serving import serving
from tests.integration.predictor.test_knative import BODY, GENERATE, GRACE, held_count, refuses
from tests.knative import pod

PLACES = 11  # of a queue-proxy with a container concurrency of 1: one runs, ten wait


Serve = Callable[[Any], Any]


@pytest.fixture
def once(tmp_path: Path, storage: dict[str, str]) -> Serve:
    """A service that gives a job one attempt."""
    return lambda proxy: serving(tmp_path, storage, proxy.url, max_attempts=1)


@asynccontextmanager
async def caller(url: str) -> AsyncIterator[aiohttp.ClientResponse]:
    """Somebody else, who holds what is behind a URL once the answer has begun."""
    async with aiohttp.ClientSession() as http, http.post(url + GENERATE, json=BODY) as answer:
        yield answer


@asynccontextmanager
async def full_queue(url: str) -> AsyncIterator[None]:
    """As many callers as there are places: so many that one more is refused."""
    async with aiohttp.ClientSession() as http:
        waiting: set[asyncio.Task[int]] = set()
        refused: set[asyncio.Task[int]] = set()
        while not refused:
            waiting.add(asyncio.create_task(_status(http, url)))
            refused, waiting = await asyncio.wait(waiting, timeout=0.2)
        assert [call.result() for call in refused] == [503] * len(refused)
        assert len(waiting) == PLACES
        yield
        for call in waiting:
            call.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def _status(http: aiohttp.ClientSession, url: str) -> int:
    async with http.post(url + GENERATE, json=BODY) as answer:
        await answer.read()
        return answer.status


async def completed(service: Any, job_id: str) -> dict[str, Any]:
    job = await service.ended(job_id)
    assert (job["status"], job["attempts"]) == ("completed", 1), job["error"]
    return dict(job)


async def test_a_job_becomes_a_video(queue: Queue, held: Held, once: Serve, bucket: Bucket) -> None:
    before = await held_count(held, "completed")
    held.release()
    async with queue(held.predictor) as proxy, once(proxy) as service:
        job = await completed(service, await service.submit(seed=3))
    video = job["result"]["video"]
    stored = await asyncio.to_thread(bucket.get, bucket.key(video["uri"]))
    assert stored is not None and hashlib.sha256(stored).hexdigest() == video["sha256"]
    assert await held_count(held, "completed") == before + 1


async def test_a_busy_predictor_uses_up_no_attempt(queue: Queue, held: Held, once: Serve) -> None:
    """Busy with what a time-out left running: a queue-proxy alone sends one request at a time."""
    async with queue(held.predictor) as proxy, once(proxy) as service:
        async with caller(f"http://127.0.0.1:{held.predictor.port}"):
            await asyncio.to_thread(held.wait)
            job_id = await service.submit()
            assert (await service.put_back(job_id, "busy"))["attempts"] == 0
        held.release()
        await completed(service, job_id)


async def test_a_full_queue_uses_up_no_attempt(queue: Queue, held: Held, once: Serve) -> None:
    async with queue(held.predictor) as proxy, once(proxy) as service:
        async with full_queue(proxy.url):
            job_id = await service.submit()
            assert (await service.put_back(job_id, "http_503"))["attempts"] == 0
        held.release()
        await completed(service, job_id)


async def test_a_504_before_the_first_byte_uses_up_no_attempt(queue: Queue, held: Held, once: Serve) -> None:
    async with queue(held.predictor, start_timeout=4) as proxy, once(proxy) as service:
        async with caller(proxy.url) as answer:
            assert answer.status == 200
            job_id = await service.submit()
            assert (await service.put_back(job_id, "http_504"))["attempts"] == 0
        held.release()
        await completed(service, job_id)


async def test_a_pod_that_ends_in_mid_job_has_generated_it_once(
    queue: Queue, start: Start, once: Serve, storage: dict[str, str], tmp_path: Path
) -> None:
    """SIGTERM to the queue-proxy and, after the preStop hook, to the predictor: both let the job end."""
    go = tmp_path / "go"
    predictor = start(hold=("decode", go), **storage)
    await asyncio.to_thread(predictor.wait)
    async with queue(predictor) as proxy, once(proxy) as service:
        job_id = await service.submit()
        await asyncio.to_thread(wait_for, reached(go).exists, "the held stage")
        grace = GRACE + Budget(cold_start_seconds=60, generation_seconds=60).drain_grace
        container = asyncio.create_task(pod.end(predictor.process, proxy.wait_for_drain, grace))
        sidecar = asyncio.create_task(proxy.terminate())
        await asyncio.to_thread(wait_for, lambda: refuses(predictor), "SIGTERM")
        assert (await service.job(job_id))["status"] == "in_progress"
        go.touch()
        await completed(service, job_id)
        assert await container == 0
        await sidecar
    assert predictor.log.read_text().count('"job taken"') == 1
