"""The service through a queue-proxy: what it does to long requests costs no job, and no attempt unduly.

With max_attempts=1 a job that completes has lost no attempt to what happened before its start.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import aiohttp
import pytest

from eventing.contract.codecs.stream import Assignment, GenerateBody
from eventing.contract.storage.s3 import Bucket
from eventing.settings import Endpoint
from eventing.testing import FakePredictor, Script
from tests.integration.conftest import MakeStack, Stack
from tests.knative.proxy import QueueProxy
from tests.support.builders import make_job

STREAM = "/v2/models/tiny/generate_stream"


def direct_body() -> dict[str, Any]:
    """An attempt at a job of its own: one that is known already would be answered at once."""
    job = make_job()
    return GenerateBody.of(Assignment(spec=job.spec, job_id=job.id, attempt=1)).model_dump(mode="json")


class Held(FakePredictor):
    """A predictor whose work a test can hold and release, any number of times."""

    def __init__(self, bucket: Bucket) -> None:
        super().__init__(bucket, on_stage=self._hold)
        self.reached, self.go = asyncio.Event(), asyncio.Event()

    async def _hold(self, stage: str, _job_id: str) -> None:
        if stage == "denoise":
            self.reached.set()
            await self.go.wait()


Pod = Callable[..., AbstractAsyncContextManager[tuple[Stack, QueueProxy, Held]]]


@pytest.fixture
def pod(make_stack: MakeStack, bucket: Bucket) -> Pod:
    """A service, a queue-proxy and a predictor behind it."""

    @asynccontextmanager
    async def make(timeout: float = 60.0, **settings: Any) -> AsyncIterator[tuple[Stack, QueueProxy, Held]]:
        async with Held(bucket) as predictor:
            async with QueueProxy(predictor.url, "/v2/models/tiny/ready", timeout=timeout) as proxy:
                endpoint = Endpoint(model="tiny", url=proxy.url)
                async with make_stack(endpoints=(endpoint,), **settings) as stack:
                    yield stack, proxy, predictor

    return make


async def put_back(stack: Stack, job_id: str, code: str) -> dict[str, Any]:
    """Until the job waits in the queue and says for what."""
    async with asyncio.timeout(300):
        while True:
            job = await (await stack.get(f"/v1/jobs/{job_id}")).json()
            if (job["status"], job["waiting_for"]) == ("queued", code):
                waiting: dict[str, Any] = job
                return waiting
            await asyncio.sleep(0.01)


@asynccontextmanager
async def callers(url: str, count: int) -> AsyncIterator[None]:
    """Direct callers who hold what is behind a URL."""
    async with aiohttp.ClientSession() as http:
        calls = [asyncio.create_task(http.post(url + STREAM, json=direct_body())) for _ in range(count)]
        yield
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


async def test_a_504_before_the_first_byte_uses_up_no_attempt(pod: Pod) -> None:
    async with pod(timeout=2, max_attempts=1, retry_seconds=1) as (stack, _, predictor):
        predictor.draining = True  # not ready: the proxy waits for it until its time is up
        predictor.go.set()
        job_id = await stack.submit()
        assert (await put_back(stack, job_id, "http_504"))["attempts"] == 0
        predictor.draining = False
        job = await stack.ended(job_id)
        assert (job["status"], job["attempts"]) == ("completed", 1)


async def test_a_stream_that_simply_ends_is_tried_again(pod: Pod) -> None:
    async with pod(timeout=3, retry_seconds=1) as (stack, _, predictor):
        job_id = await stack.submit()
        assert (await put_back(stack, job_id, "predictor_lost"))["attempts"] == 1
        predictor.go.set()
        job = await stack.ended(job_id)
        assert (job["status"], job["attempts"]) == ("completed", 2)
        assert predictor.most_at_once == 1


async def test_a_cut_without_full_duplex_uses_up_no_attempt(make_stack: MakeStack, bucket: Bucket) -> None:
    async with Held(bucket) as predictor:
        async with QueueProxy(predictor.url, "/v2/models/tiny/ready", full_duplex=False) as proxy:
            endpoint = Endpoint(model="tiny", url=proxy.url)
            async with make_stack(endpoints=(endpoint,), max_attempts=1, retry_seconds=1) as stack:
                job_id = await stack.submit()
                assert (await put_back(stack, job_id, "predictor_lost"))["attempts"] == 0
                proxy.full_duplex = True
                predictor.go.set()  # not before: one that finishes in spite of the cut has its result adopted
                job = await stack.ended(job_id)
                assert (job["status"], job["attempts"]) == ("completed", 1)


async def test_a_full_queue_uses_up_no_attempt(pod: Pod) -> None:
    async with pod(max_attempts=1, retry_seconds=1) as (stack, proxy, predictor):
        async with callers(proxy.url, 11):
            while proxy.here < 11:
                await asyncio.sleep(0.01)
            job_id = await stack.submit()
            assert (await put_back(stack, job_id, "http_503"))["attempts"] == 0
        predictor.go.set()
        job = await stack.ended(job_id)
        assert (job["status"], job["attempts"]) == ("completed", 1)


async def test_a_busy_predictor_uses_up_no_attempt(pod: Pod) -> None:
    async with pod(max_attempts=1, retry_seconds=1) as (stack, _, predictor):
        async with callers(predictor.url, 1):  # past the proxy, as what a time-out left running would be
            await predictor.reached.wait()
            job_id = await stack.submit()
            assert (await put_back(stack, job_id, "busy"))["attempts"] == 0
        predictor.go.set()
        job = await stack.ended(job_id)
        assert (job["status"], job["attempts"]) == ("completed", 1)
        assert predictor.most_at_once == 1


async def test_a_pod_that_drains_finishes_its_job_and_the_next_waits_for_another(pod: Pod) -> None:
    async with pod(max_attempts=1) as (stack, _, predictor):
        first, second = await stack.submit(), await stack.submit()
        await predictor.reached.wait()
        draining = asyncio.create_task(predictor.drain())
        await asyncio.sleep(0)
        predictor.go.set()
        await draining
        done = await stack.ended(first)
        assert (done["status"], done["attempts"]) == ("completed", 1)
        predictor.draining = False  # the new pod
        done = await stack.ended(second)
        assert (done["status"], done["attempts"]) == ("completed", 1)


async def test_an_activator_without_a_pod_uses_up_no_attempt(make_stack: MakeStack) -> None:
    async with make_stack(max_attempts=1) as stack:
        stack.predictor.scripts = [Script(status=503)] * 2
        job = await stack.ended(await stack.submit())
        assert (job["status"], job["attempts"], job["result"]["attempt"]) == ("completed", 1, 3)
